//! Pre-tokens that are looked up together, so that the waits for memory overlap.

use crate::piece_cache::{OWN_IDS, PieceCache, Value};
use crate::piece_key::PieceKey;

/// Enough that the first bucket has arrived when the last pre-token is found.
const MOST_PIECES: usize = 32;
/// Longer pre-tokens are rare, and rarely the same; they are merged each time.
const LONGEST_KNOWN: usize = 64;

/// Some pre-tokens of a text, in order, without gaps.
pub(crate) struct PieceBatch<'text> {
    text: &'text [u8],
    /// Where the first one begins, and where each one ends.
    borders: [usize; MOST_PIECES + 1],
    length: usize,
}

impl<'text> PieceBatch<'text> {
    pub(crate) fn new(text: &'text [u8]) -> Self {
        Self {
            text,
            borders: [0; MOST_PIECES + 1],
            length: 0,
        }
    }

    /// Add the pre-token that ends at `end`; `true` when that was the last one with a place.
    #[inline]
    pub(crate) fn push(&mut self, end: usize) -> bool {
        self.length += 1;
        self.borders[self.length] = end;
        self.length == MOST_PIECES
    }

    /// The key of the pre-token from `start` to `end`, or `NONE` where it is too long.
    #[inline]
    fn key(&self, start: usize, end: usize) -> PieceKey {
        PieceKey::of(self.text, start, end).unwrap_or_else(|| self.long_key(start, end))
    }

    fn long_key(&self, start: usize, end: usize) -> PieceKey {
        if end - start > LONGEST_KNOWN {
            return PieceKey::NONE;
        }
        PieceKey::hashed(&self.text[start..end])
    }

    /// Append the ids of all pre-tokens, which `merge` finds where the cache does not, and become empty.
    #[inline]
    pub(crate) fn encode(
        &mut self,
        cache: &mut PieceCache,
        ids: &mut Vec<u32>,
        mut merge: impl FnMut(&[u8], &mut Vec<u32>),
    ) {
        let mut keys = [(PieceKey::NONE, 0); MOST_PIECES];
        let borders = &self.borders[..=self.length];
        for (place, border) in keys.iter_mut().zip(borders.windows(2)) {
            let key = self.key(border[0], border[1]);
            let bucket = PieceCache::bucket(key);
            cache.prefetch(bucket);
            *place = (key, bucket);
        }
        let mut known = [0; MOST_PIECES * OWN_IDS + 1];
        let mut num_known = 0;
        for (&(key, bucket), border) in keys.iter().zip(borders.windows(2)) {
            let value = cache.value(key, bucket);
            if let Some((own, count)) = value.and_then(Value::own_ids) {
                // All places are written, which needs no branch on how many matter.
                known[num_known..=num_known + OWN_IDS].copy_from_slice(&own);
                num_known += count;
                continue;
            }
            ids.extend_from_slice(&known[..num_known]);
            num_known = 0;
            append_rare(
                &self.text[border[0]..border[1]],
                key,
                value,
                cache,
                ids,
                &mut merge,
            );
        }
        ids.extend_from_slice(&known[..num_known]);
        self.borders[0] = self.borders[self.length];
        self.length = 0;
    }
}

/// Append the ids of a pre-token that does not have them in its entry.
#[inline(never)]
fn append_rare(
    piece: &[u8],
    key: PieceKey,
    value: Option<Value>,
    cache: &mut PieceCache,
    ids: &mut Vec<u32>,
    merge: &mut impl FnMut(&[u8], &mut Vec<u32>),
) {
    if let Some(stored) = value.and_then(|value| cache.stored_ids(value, piece)) {
        ids.extend_from_slice(stored);
        return;
    }
    let first = ids.len();
    merge(piece, ids);
    if key != PieceKey::NONE {
        cache.insert(key, piece, &ids[first..]);
    }
}
