//! How ids become bytes again.

use crate::vocabulary::PADDING;
use crate::{Encoder, Error};

impl Encoder {
    /// The bytes of `ids`, joined.
    pub fn decode(&self, ids: &[u32]) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; self.decoded_length(ids)?];
        self.decode_into(ids, &mut bytes);
        Ok(bytes)
    }

    /// How many bytes `ids` stand for.
    pub fn decoded_length<T: Copy + Into<u32>>(&self, ids: &[T]) -> Result<usize, Error> {
        let lengths = ids.iter().map(|&id| {
            let unknown = || Error::UnknownTokenId {
                id: id.into(),
                largest: self.vocabulary.largest_id(),
            };
            let place = self.vocabulary.place(id.into()).ok_or_else(unknown)?;
            Ok(place.len())
        });
        lengths.sum()
    }

    /// Fill `bytes`, which must be as long as `decoded_length` says, with what `ids` stand for.
    pub fn decode_into<T: Copy + Into<u32>>(&self, ids: &[T], bytes: &mut [u8]) {
        let tokens = self.vocabulary.padded_bytes();
        let mut rest = bytes;
        for &id in ids {
            let place = self.vocabulary.place(id.into()).unwrap_or_default();
            let length = place.len();
            // Nearly all tokens are short: the bytes after them are written too, and then written over.
            if length <= PADDING
                && let Some(target) = rest.first_chunk_mut::<PADDING>()
                && let Some(token) = tokens[place.start..].first_chunk::<PADDING>()
            {
                *target = *token;
            } else {
                rest[..length].copy_from_slice(&tokens[place]);
            }
            rest = &mut rest[length..];
        }
    }
}
