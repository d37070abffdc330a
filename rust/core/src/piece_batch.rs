//! Pre-tokens that are looked up together, so that the waits for memory overlap.

use std::ops::Range;

use crate::piece_cache::{OWN_IDS, PieceCache, Value};
use crate::piece_key::PieceKey;

/// Enough that the first bucket has arrived when the last pre-token is found, and that some of them are
/// new and can be merged together.
pub(crate) const MOST_PIECES: usize = 256;
/// Longer pre-tokens are rare, and rarely the same; they are merged each time.
const LONGEST_KNOWN: usize = 64;

/// Some pre-tokens of a text, in order, without gaps, and the memory that working on them takes.
pub(crate) struct PieceBatch {
    /// Where the first one begins, and where each one ends.
    borders: [usize; MOST_PIECES + 1],
    /// Of each pre-token its key and the bucket of that.
    keys: [(PieceKey, u32); MOST_PIECES],
    /// The ids of those that have them in their entries, one after the other, and what is written beyond.
    known: [u32; MOST_PIECES * OWN_IDS + 1],
    rare: Vec<Rare>,
    /// The ids of the rare ones, in any order.
    rare_ids: Vec<u32>,
}

/// A pre-token that does not have its ids in its entry.
pub(crate) struct Rare {
    /// Its bytes in the text.
    pub(crate) bytes: Range<usize>,
    key: PieceKey,
    /// How many ids of known ones come before it.
    num_known: usize,
    /// Its ids among those of the rare ones; empty while nobody knows them.
    pub(crate) ids: Range<usize>,
}

impl PieceBatch {
    pub(crate) fn new() -> Self {
        Self {
            borders: [0; MOST_PIECES + 1],
            keys: [(PieceKey::NONE, 0); MOST_PIECES],
            known: [0; MOST_PIECES * OWN_IDS + 1],
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

    /// Append the ids of `length` pre-tokens, whose bytes are in `text`; the next one begins where they
    /// end. `merge` finds what the cache does not have: it is given the rare pre-tokens, and where to
    /// append their ids.
    #[inline]
    pub(crate) fn encode(
        &mut self,
        text: &[u8],
        length: usize,
        cache: &mut PieceCache,
        ids: &mut Vec<u32>,
        merge: impl FnOnce(&mut [Rare], &mut Vec<u32>),
    ) {
        let Self {
            borders,
            keys,
            known,
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
        let mut num_known = 0;
        for (&(key, bucket), border) in keys.iter().zip(borders.windows(2)) {
            let value = cache.value(key, bucket);
            if let Some((own, count)) = value.and_then(Value::own_ids) {
                // All places are written, which needs no branch on how many matter.
                known[num_known..=num_known + OWN_IDS].copy_from_slice(&own);
                num_known += count;
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
                num_known,
                ids: first..rare_ids.len(),
            });
        }
        let mut num_done = 0;
        if !rare.is_empty() {
            let num_stored = rare_ids.len();
            merge(rare, rare_ids);
            for piece in rare {
                ids.extend_from_slice(&known[num_done..piece.num_known]);
                num_done = piece.num_known;
                let own = &rare_ids[piece.ids.clone()];
                ids.extend_from_slice(own);
                if piece.ids.start >= num_stored {
                    cache.insert(piece.key, &text[piece.bytes.clone()], own);
                }
            }
        }
        ids.extend_from_slice(&known[num_done..num_known]);
        borders[0] = borders[length];
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
