//! How ids become bytes again.

use crate::{Encoder, Error};

impl Encoder {
    /// The bytes of `ids`, joined.
    pub fn decode(&self, ids: &[u32]) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::with_capacity(ids.len().saturating_mul(4));
        for &id in ids {
            let unknown = || Error::UnknownTokenId {
                id,
                largest: self.vocabulary.largest_id(),
            };
            bytes.extend_from_slice(self.vocabulary.token(id).ok_or_else(unknown)?);
        }
        Ok(bytes)
    }
}
