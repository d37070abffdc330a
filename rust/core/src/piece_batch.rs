//! Pre-tokens that are looked up together, so that the waits for memory overlap.

use std::ops::Range;

use crate::piece_cache::{ID_BYTES, PieceCache, VALUE_BYTES, Value, ids_of};
use crate::piece_key::PieceKey;

/// Enough that the first bucket has arrived when the last pre-token is found, and that some of them are
/// new and can be merged together.
pub(crate) const MOST_PIECES: usize = 512;
/// Longer pre-tokens are rare, and rarely the same; they are merged each time.
const LONGEST_KNOWN: usize = 64;

/// Some pre-tokens of a text, in order, without gaps, and the memory that working on them takes.
pub(crate) struct PieceBatch {
    /// Where the first one begins, and where each one ends.
    borders: [usize; MOST_PIECES + 1],
    /// Of each pre-token its key and the bucket of that.
    keys: [(PieceKey, u32); MOST_PIECES],
    /// The ids of those that have them in their entries, one after the other, and what is written beyond.
    known: [u8; MOST_PIECES * VALUE_BYTES],
    /// How many bytes of that are ids.
    known_end: usize,
    rare: Vec<Rare>,
    /// The ids of the rare ones that are not long, in any order.
    rare_ids: Vec<u32>,
}

/// A pre-token that does not have its ids in its entry.
pub(crate) struct Rare {
    /// Its bytes in the text.
    pub(crate) bytes: Range<usize>,
    key: PieceKey,
    /// Where the known ids before it end.
    known_end: usize,
    /// Whether the cache does not know it.
    pub(crate) is_new: bool,
    /// Its ids among those of the rare ones.
    pub(crate) ids: Range<usize>,
}

impl PieceBatch {
    pub(crate) fn new() -> Self {
        Self {
            borders: [0; MOST_PIECES + 1],
            keys: [(PieceKey::NONE, 0); MOST_PIECES],
            known: [0; MOST_PIECES * VALUE_BYTES],
            known_end: 0,
            rare: Vec::with_capacity(MOST_PIECES),
            rare_ids: Vec::with_capacity(MOST_PIECES * LONGEST_KNOWN),
        }
    }

    /// Let the first pre-token begin at the start of the text.
    pub(crate) fn begin(&mut self) {
        self.borders[0] = 0;
    }

    /// Let the pre-token with this number, from 1 to `MOST_PIECES`, end at `end`. The caller counts them,
    /// which takes a register and not memory.
    #[inline]
    pub(crate) fn set_end(&mut self, number: usize, end: usize) {
        self.borders[number] = end;
    }

    /// Look up the first `length` pre-tokens, whose bytes are in `text`; the next one begins where they
    /// end. Return the rare ones, and where the ids of the new among them go.
    #[inline]
    pub(crate) fn look_up(
        &mut self,
        text: &[u8],
        length: usize,
        cache: &PieceCache,
    ) -> (&mut [Rare], &mut Vec<u32>) {
        let Self {
            borders,
            keys,
            known,
            known_end,
            rare,
            rare_ids,
        } = self;
        let borders = &mut borders[..=length];
        for (place, border) in keys.iter_mut().zip(borders.windows(2)) {
            let key = key_of(text, border[0], border[1]);
            let bucket = PieceCache::bucket(key);
            cache.prefetch(bucket);
            *place = (key, bucket);
        }
        rare.clear();
        rare_ids.clear();
        let mut end = 0;
        for (&(key, bucket), border) in keys.iter().zip(borders.windows(2)) {
            let value = cache.value(key, bucket);
            if let Some((own, count)) = value.and_then(Value::own_ids) {
                // All bytes are written, which needs no branch on how many matter.
                known[end..end + VALUE_BYTES].copy_from_slice(&own);
                end += count * ID_BYTES;
                continue;
            }
            let bytes = border[0]..border[1];
            let first = rare_ids.len();
            let piece = &text[bytes.clone()];
            let stored = value.and_then(|value| cache.stored_ids(value, piece));
            rare_ids.extend_from_slice(stored.unwrap_or_default());
            rare.push(Rare {
                bytes,
                key,
                known_end: end,
                is_new: stored.is_none(),
                ids: first..rare_ids.len(),
            });
        }
        *known_end = end;
        borders[0] = borders[length];
        (rare, rare_ids)
    }

    /// Append the ids of what was looked up, and let the cache know what is new. `merge` appends those of
    /// a pre-token that is too long to be known.
    #[inline]
    pub(crate) fn append_ids(
        &mut self,
        text: &[u8],
        cache: &mut PieceCache,
        ids: &mut Vec<u32>,
        mut merge: impl FnMut(&[u8], &mut Vec<u32>),
    ) {
        let mut done = 0;
        for rare in &self.rare {
            ids.extend(ids_of(&self.known[done..rare.known_end]));
            done = rare.known_end;
            let piece = &text[rare.bytes.clone()];
            if rare.is_long() {
                merge(piece, ids);
                continue;
            }
            let own = &self.rare_ids[rare.ids.clone()];
            ids.extend_from_slice(own);
            if rare.is_new {
                cache.insert(rare.key, piece, own);
            }
        }
        ids.extend(ids_of(&self.known[done..self.known_end]));
    }
}

impl Rare {
    /// Whether it is too long to be known.
    pub(crate) fn is_long(&self) -> bool {
        self.key == PieceKey::NONE
    }
}

/// The key of the pre-token from `start` to `end`, or `NONE` where it is too long.
#[inline]
fn key_of(text: &[u8], start: usize, end: usize) -> PieceKey {
    PieceKey::of(text, start, end).unwrap_or_else(|| {
        if end - start > LONGEST_KNOWN {
            PieceKey::NONE
        } else {
            PieceKey::hashed(&text[start..end])
        }
    })
}
