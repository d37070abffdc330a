//! Which pair merges first: the most frequent one, and of equals the one that a rule says.

use crate::pair_queue::Ranking;
use crate::pair_table::{Pair, PairTable};

/// Which of several equally frequent pairs merges first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TieBreak {
    /// The greatest pair of byte strings.
    Bytes,
    /// The lowest pair of ids, as in Hugging Face's trainer, where single bytes are numbered in the
    /// order of the characters that GPT-2's files write them with.
    HuggingFace,
}

/// The order in which pairs merge.
pub(crate) struct MergeOrder<'a> {
    tokens: &'a [Vec<u8>],
    pairs: &'a PairTable,
    tie_break: TieBreak,
}

impl<'a> MergeOrder<'a> {
    pub(crate) fn new(tokens: &'a [Vec<u8>], pairs: &'a PairTable, tie_break: TieBreak) -> Self {
        Self {
            tokens,
            pairs,
            tie_break,
        }
    }

    fn bytes(&self, symbol: u32) -> &'a [u8] {
        &self.tokens[symbol as usize]
    }
}

impl Ranking for MergeOrder<'_> {
    fn count(&self, pair: Pair) -> u64 {
        self.pairs.count(pair)
    }

    fn prefetch(&self, pair: Pair) {
        self.pairs.prefetch(pair);
    }

    fn key(&self, pair: Pair) -> u64 {
        let (left, right) = pair.symbols();
        match self.tie_break {
            // The first bytes of the left token; shorter ones are filled up.
            TieBreak::Bytes => {
                let mut first = [0; 8];
                let bytes = self.bytes(left);
                let length = bytes.len().min(8);
                first[..length].copy_from_slice(&bytes[..length]);
                u64::from_be_bytes(first)
            }
            TieBreak::HuggingFace => {
                !(u64::from(huggingface_id(left)) << 32 | u64::from(huggingface_id(right)))
            }
        }
    }

    fn is_before(&self, a: Pair, b: Pair) -> bool {
        let bytes = |pair: Pair| {
            let (left, right) = pair.symbols();
            (self.bytes(left), self.bytes(right))
        };
        bytes(a) > bytes(b)
    }
}

/// The number Hugging Face's trainer gives a symbol, special tokens aside.
///
/// GPT-2's files write printable bytes of Latin-1 as themselves, and the others, in order, as
/// characters above all of them.
fn huggingface_id(symbol: u32) -> u32 {
    match symbol {
        0..=32 => symbol + 188,
        33..=126 => symbol - 33,
        127..=160 => symbol - 127 + 221,
        161..=172 => symbol - 161 + 94,
        173 => 255,
        174..=255 => symbol - 174 + 106,
        merged => merged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_number_in_the_order_of_its_character() {
        let mut ids: Vec<u32> = (0..256).map(huggingface_id).collect();
        assert_eq!(huggingface_id(256), 256);
        ids.sort_unstable();
        assert!(ids.into_iter().eq(0..256));
    }
}
