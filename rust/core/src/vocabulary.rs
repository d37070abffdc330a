//! The tokens with their ids, and the merges by the pair of ids they join.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::Error;
use crate::decode::TokenRows;
use crate::merge::MOST_MERGES;
use crate::pair_ranks::{NO_RANK, PairRanks};

/// Ids are stored as 32 bits, and the last value is kept free.
pub(crate) const LARGEST_ID: u32 = u32::MAX - 1;

/// A checked vocabulary: all single bytes have an id, and merges stay within it.
pub struct Vocabulary {
    ids: Vec<u32>,
    /// Whether the ids run from 0 without a gap, so that an id is its own index.
    is_dense: bool,
    /// All tokens in the order of their ids.
    bytes: Vec<u8>,
    /// Where each token begins, and the end of the last.
    starts: Vec<usize>,
    /// The tokens once more, for decoding.
    rows: TokenRows,
    byte_ids: [u32; 256],
    ranks: PairRanks,
    /// Ranks of the pairs of single bytes, which are asked for most: that of `a` and `b` is at 256 a + b.
    byte_pair_ranks: Vec<u32>,
    merged_ids: Vec<u32>,
    /// The id that the first merge makes, where each merge makes the id after the one before.
    first_merged_id: Option<u32>,
}

impl Vocabulary {
    /// Check and index tokens and merges, which are in the order learnt.
    pub fn new<T: AsRef<[u8]>, M: AsRef<[u8]>>(
        tokens: &[(u32, T)],
        merges: &[(M, M)],
    ) -> Result<Self, Error> {
        if merges.len() > MOST_MERGES {
            let count = merges.len();
            return Err(Error::TooManyMerges { count });
        }
        let mut sorted: Vec<(u32, &[u8])> = tokens
            .iter()
            .map(|(id, token)| (*id, token.as_ref()))
            .collect();
        sorted.sort_unstable();
        let ids_by_token = index_tokens(&sorted)?;
        let mut byte_ids = [0; 256];
        for (byte, id) in (0..=u8::MAX).zip(&mut byte_ids) {
            *id = *ids_by_token
                .get(&[byte][..])
                .ok_or(Error::MissingByte { byte })?;
        }
        let mut ranks = PairRanks::with_room_for(merges.len());
        let mut byte_pair_ranks = vec![NO_RANK; 1 << 16];
        let mut merged_ids = Vec::with_capacity(merges.len());
        for (rank, (left, right)) in merges.iter().enumerate() {
            let number = rank + 1;
            let find = |token: &[u8]| {
                let missing = || Error::UnknownMergeToken {
                    number,
                    token: token.to_vec(),
                };
                ids_by_token.get(token).copied().ok_or_else(missing)
            };
            let (left, right) = (left.as_ref(), right.as_ref());
            let pair = (find(left)?, find(right)?);
            merged_ids.push(find(&[left, right].concat())?);
            if !ranks.insert(pair.0, pair.1, rank as u32) {
                return Err(Error::RepeatedMerge { number });
            }
            if let ([left], [right]) = (left, right) {
                byte_pair_ranks[byte_pair(*left, *right)] = rank as u32;
            }
        }
        let mut bytes = Vec::new();
        let mut starts = vec![0];
        for (_, token) in &sorted {
            bytes.extend_from_slice(token);
            starts.push(bytes.len());
        }
        let ids: Vec<u32> = sorted.iter().map(|(id, _)| *id).collect();
        Ok(Self {
            is_dense: (0..).zip(&ids).all(|(index, &id)| index == id),
            ids,
            bytes,
            starts,
            rows: TokenRows::new(sorted.iter().map(|&(_, token)| token)),
            byte_ids,
            ranks,
            byte_pair_ranks,
            first_merged_id: merged_ids
                .first()
                .copied()
                .filter(|&first| (first..).zip(&merged_ids).all(|(next, &id)| next == id)),
            merged_ids,
        })
    }

    /// Bytes of a token.
    pub(crate) fn token(&self, id: u32) -> Option<&[u8]> {
        let index = self.index(id)?;
        Some(&self.bytes[*self.starts.get(index)?..*self.starts.get(index + 1)?])
    }

    /// Which of the tokens in the order of their ids this is, or would be.
    #[inline]
    pub(crate) fn index(&self, id: u32) -> Option<usize> {
        if self.is_dense {
            Some(id as usize)
        } else {
            self.ids.binary_search(&id).ok()
        }
    }

    /// The tokens, laid out for decoding.
    pub(crate) fn token_rows(&self) -> &TokenRows {
        &self.rows
    }

    /// The ids of the tokens that ordinary text can become: all but special ones, unless such a one
    /// is a single byte or what a merge makes.
    pub(crate) fn ordinary_ids(&self, special_ids: &[u32]) -> FxHashMap<Box<[u8]>, u32> {
        let merged: FxHashSet<u32> = self.merged_ids.iter().copied().collect();
        let specials: FxHashSet<u32> = special_ids.iter().copied().collect();
        let tokens = self
            .ids
            .iter()
            .filter_map(|&id| Some((id, self.token(id)?)));
        tokens
            .filter(|(id, token)| !specials.contains(id) || token.len() == 1 || merged.contains(id))
            .map(|(id, token)| (Box::from(token), id))
            .collect()
    }

    /// The largest id in use.
    #[must_use]
    pub fn largest_id(&self) -> u32 {
        self.ids.last().copied().unwrap_or(0)
    }

    /// Id of a single byte.
    #[inline]
    pub(crate) fn byte_id(&self, byte: u8) -> u32 {
        self.byte_ids[byte as usize]
    }

    /// Rank of the merge of two ids, `NO_RANK` when they do not merge.
    #[inline]
    pub(crate) fn rank(&self, left: u32, right: u32) -> u32 {
        self.ranks.get(left, right)
    }

    /// Begin to look for the rank of the merge of two ids, which `rank_asked_for` gives a little later.
    #[inline]
    pub(crate) fn ask_for_rank(&self, left: u32, right: u32) -> u64 {
        self.ranks.ask(left, right)
    }

    /// What `rank` gives for a pair that was asked for.
    #[inline]
    pub(crate) fn rank_asked_for(&self, pair: u64) -> u32 {
        self.ranks.answer(pair)
    }

    /// Rank of the merge of two single bytes, `NO_RANK` when they do not merge.
    #[inline]
    pub(crate) fn byte_rank(&self, left: u8, right: u8) -> u32 {
        self.byte_pair_ranks[byte_pair(left, right)]
    }

    /// Id that the merge of this rank makes.
    #[inline]
    pub(crate) fn merged_id(&self, rank: u32) -> u32 {
        match self.first_merged_id {
            Some(first) => first + rank, // which waits for no memory
            None => self.merged_ids[rank as usize],
        }
    }
}

fn byte_pair(left: u8, right: u8) -> usize {
    usize::from(left) << 8 | usize::from(right)
}

/// Map tokens, sorted by id, to their ids; ids and tokens must be unique and valid.
fn index_tokens<'a>(sorted: &[(u32, &'a [u8])]) -> Result<FxHashMap<&'a [u8], u32>, Error> {
    let mut ids_by_token = FxHashMap::default();
    for (index, &(id, token)) in sorted.iter().enumerate() {
        if id > LARGEST_ID {
            return Err(Error::TokenIdOutOfRange { id });
        }
        if token.is_empty() {
            return Err(Error::EmptyToken { id });
        }
        if index > 0 && sorted[index - 1].0 == id {
            return Err(Error::RepeatedId { id });
        }
        if let Some(first) = ids_by_token.insert(token, id) {
            return Err(Error::RepeatedToken {
                first,
                second: id,
                token: token.to_vec(),
            });
        }
    }
    Ok(ids_by_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn byte_tokens() -> Vec<(u32, Vec<u8>)> {
        (0..=255)
            .map(|byte| (u32::from(byte), vec![byte]))
            .collect()
    }

    fn build(extra: &[(u32, &[u8])], merges: &[(&[u8], &[u8])]) -> Result<Vocabulary, Error> {
        let mut tokens = byte_tokens();
        tokens.extend(extra.iter().map(|(id, token)| (*id, token.to_vec())));
        Vocabulary::new(&tokens, merges)
    }

    #[test]
    fn ids_may_have_gaps() {
        let vocabulary = build(&[(900, b"ab"), (70_000, b"abc")], &[(b"a", b"b")]).expect("valid");
        assert_eq!(vocabulary.token(900), Some(&b"ab"[..]));
        assert_eq!(vocabulary.token(256), None);
        assert_eq!(vocabulary.largest_id(), 70_000);
        assert_eq!(vocabulary.merged_id(vocabulary.rank(97, 98)), 900);
        assert_eq!(vocabulary.rank(98, 97), NO_RANK);
    }

    #[test]
    fn every_fault_is_named() {
        assert!(matches!(
            Vocabulary::new(&byte_tokens()[1..], &[] as &[(&[u8], &[u8])]),
            Err(Error::MissingByte { byte: 0 })
        ));
        assert!(matches!(
            build(&[(256, b"")], &[]),
            Err(Error::EmptyToken { id: 256 })
        ));
        assert!(matches!(
            build(&[(255, b"ab")], &[]),
            Err(Error::RepeatedId { id: 255 })
        ));
        assert!(matches!(
            build(&[(256, b"a")], &[]),
            Err(Error::RepeatedToken {
                first: 97,
                second: 256,
                ..
            })
        ));
        assert!(matches!(
            build(&[(u32::MAX, b"ab")], &[]),
            Err(Error::TokenIdOutOfRange { id: u32::MAX })
        ));
        let unknown = build(&[], &[(b"a", b"b")]);
        assert!(matches!(
            unknown,
            Err(Error::UnknownMergeToken { number: 1, .. })
        ));
        let too_many = vec![([], []); MOST_MERGES + 1]; // which take no memory
        assert!(matches!(
            Vocabulary::new::<Vec<u8>, [u8; 0]>(&byte_tokens(), &too_many),
            Err(Error::TooManyMerges { .. })
        ));
        let repeated = build(&[(256, b"ab")], &[(b"a", b"b"), (b"a", b"b")]);
        assert!(matches!(repeated, Err(Error::RepeatedMerge { number: 2 })));
    }
}
