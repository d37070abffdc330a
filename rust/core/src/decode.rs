//! How ids become bytes again.

use crate::{Encoder, Error};

/// Bytes of a token that its row holds; the byte after them is the length.
const ROW_BYTES: usize = 15;
/// What stands for the length of a longer token.
const LONG: u8 = u8::MAX;

/// The tokens in rows of 16 bytes, so that a short one is copied at once, whatever its length.
pub(crate) struct TokenRows {
    rows: Vec<[u8; ROW_BYTES + 1]>,
    /// The lengths alone, which fit into the nearest caches.
    lengths: Vec<u8>,
}

impl TokenRows {
    pub(crate) fn new<'a>(tokens: impl Iterator<Item = &'a [u8]>) -> Self {
        let rows: Vec<_> = tokens
            .map(|token| {
                let mut row = [0; ROW_BYTES + 1];
                if token.len() <= ROW_BYTES {
                    row[..token.len()].copy_from_slice(token);
                    row[ROW_BYTES] = token.len() as u8;
                } else {
                    row[ROW_BYTES] = LONG;
                }
                row
            })
            .collect();
        Self {
            lengths: rows.iter().map(|row| row[ROW_BYTES]).collect(),
            rows,
        }
    }
}

impl Encoder {
    /// The bytes of `ids`, joined.
    pub fn decode(&self, ids: &[u32]) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; self.decoded_length(ids)?];
        self.decode_into(ids, &mut bytes);
        Ok(bytes)
    }

    /// How many bytes `ids` stand for.
    pub fn decoded_length<T: Copy + Into<u32>>(&self, ids: &[T]) -> Result<usize, Error> {
        let lengths = &self.vocabulary.token_rows().lengths;
        let mut sum = 0;
        for &id in ids {
            let index = self.vocabulary.index(id.into());
            match index.and_then(|index| lengths.get(index)) {
                Some(&LONG) => sum += self.vocabulary.token(id.into()).map_or(0, <[u8]>::len),
                Some(&length) => sum += usize::from(length),
                None => {
                    let largest = self.vocabulary.largest_id();
                    return Err(Error::UnknownTokenId {
                        id: id.into(),
                        largest,
                    });
                }
            }
        }
        Ok(sum)
    }

    /// Fill `bytes`, which must be as long as `decoded_length` says, with what `ids` stand for.
    pub fn decode_into<T: Copy + Into<u32>>(&self, ids: &[T], bytes: &mut [u8]) {
        let rows = &self.vocabulary.token_rows().rows;
        let mut rest = bytes;
        for &id in ids {
            let index = self.vocabulary.index(id.into());
            let row = index.and_then(|index| rows.get(index));
            let length = match (row, rest.first_chunk_mut()) {
                (Some(row), Some(target)) if row[ROW_BYTES] != LONG => {
                    // The bytes after the token are written too, and then written over.
                    *target = *row;
                    usize::from(row[ROW_BYTES])
                }
                _ => {
                    let token = self.vocabulary.token(id.into()).unwrap_or_default();
                    rest[..token.len()].copy_from_slice(token);
                    token.len()
                }
            };
            rest = &mut rest[length..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::tests::random_numbers;
    use crate::{Pattern, Vocabulary};

    #[test]
    fn tokens_of_every_length_are_joined_to_the_last_byte() {
        let mut random = random_numbers(3);
        for step in [1, 3] {
            // With gaps between the ids and without; 15 bytes are the most that a row holds.
            let mut tokens: Vec<(u32, Vec<u8>)> =
                (0..=255).map(|byte| (byte, vec![byte as u8])).collect();
            tokens.extend((2..40_u8).map(|length| {
                (
                    256 + step * u32::from(length - 2),
                    vec![length; usize::from(length)],
                )
            }));
            let vocabulary = Vocabulary::new(&tokens, &[] as &[(&[u8], &[u8])]).expect("valid");
            let encoder =
                Encoder::new(vocabulary, Vec::new(), Pattern::Gpt2, false).expect("valid");
            for num_ids in (0..60).chain([1_000]) {
                let drawn: Vec<usize> = (0..num_ids)
                    .map(|_| 250 + random(tokens.len() - 250))
                    .collect();
                let expected: Vec<u8> = drawn
                    .iter()
                    .flat_map(|&index| tokens[index].1.clone())
                    .collect();
                let ids: Vec<u32> = drawn.iter().map(|&index| tokens[index].0).collect();
                assert_eq!(encoder.decode(&ids).expect("known"), expected);
                let narrow: Vec<u16> = ids.iter().map(|&id| id as u16).collect();
                let mut bytes = vec![7; encoder.decoded_length(&narrow).expect("known")];
                encoder.decode_into(&narrow, &mut bytes);
                assert_eq!(bytes, expected);
            }
            let unknown = tokens[tokens.len() - 1].0 + 1;
            assert!(matches!(
                encoder.decode(&[65, unknown]),
                Err(Error::UnknownTokenId { id, .. }) if id == unknown
            ));
        }
    }
}
