//! Pre-tokens that are looked up together, so that the waits for memory overlap.

use crate::piece_cache::{Entry, MOST_IDS, PieceCache};
use crate::piece_key::PieceKey;

/// As many as a processor can have in flight, and a few more.
const MOST_PIECES: usize = 32;

/// Some pre-tokens of a text, in order.
pub(crate) struct PieceBatch<'text> {
    text: &'text [u8],
    pieces: [Piece; MOST_PIECES],
    length: usize,
}

/// Where a pre-token is, and its key if it is short.
#[derive(Clone, Copy, Default)]
struct Piece {
    start: usize,
    end: usize,
    /// That of no pre-token where this one is long.
    key: PieceKey,
}

impl<'text> PieceBatch<'text> {
    pub(crate) fn new(text: &'text [u8]) -> Self {
        Self {
            text,
            pieces: [Piece::default(); MOST_PIECES],
            length: 0,
        }
    }

    /// Add the pre-token from `start` to `end`; `true` when that was the last one with a place.
    #[inline]
    pub(crate) fn push(&mut self, start: usize, end: usize) -> bool {
        let key = PieceKey::of(self.text, start, end).unwrap_or_default();
        self.pieces[self.length] = Piece { start, end, key };
        self.length += 1;
        self.length == MOST_PIECES
    }

    /// Append the ids of all pre-tokens, which `encode` finds where the cache does not, and become
    /// empty.
    #[inline]
    pub(crate) fn encode(
        &mut self,
        cache: &mut PieceCache,
        ids: &mut Vec<u32>,
        mut encode: impl FnMut(&[u8], &mut Vec<u32>),
    ) {
        let pieces = &self.pieces[..self.length];
        self.length = 0;
        // No load waits for the one before, so that they go on at the same time.
        let mut entries = [Entry::default(); MOST_PIECES];
        for (entry, piece) in entries.iter_mut().zip(pieces) {
            *entry = *cache.slot(piece.key);
        }
        let mut known = [0; MOST_PIECES * MOST_IDS];
        let mut num_known = 0;
        for (entry, piece) in entries.iter().zip(pieces) {
            if let Some((found, count)) = entry.ids_of(piece.key) {
                // All places are written, which needs no branch on how many count.
                known[num_known..num_known + MOST_IDS].copy_from_slice(found);
                num_known += count;
                continue;
            }
            ids.extend_from_slice(&known[..num_known]);
            num_known = 0;
            let first = ids.len();
            if let Some((found, count)) = cache.slot(piece.key).ids_of(piece.key) {
                ids.extend_from_slice(&found[..count]); // from earlier in this batch
                continue;
            }
            encode(&self.text[piece.start..piece.end], ids);
            if piece.key != PieceKey::default() {
                cache.insert(piece.key, &ids[first..]);
            }
        }
        ids.extend_from_slice(&known[..num_known]);
    }
}
