//! Pre-tokens as integers, which are compared and hashed at once.

/// A pre-token of up to 15 bytes: the bytes from the lowest up, and the length on top.
///
/// Of a longer one it can be a hash; then equal keys do not say that the pre-tokens are equal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct PieceKey(u128);

/// The longest pre-tokens that are in their keys.
const MOST_BYTES: usize = 15;
/// What stands for the length in a hash.
const HASHED: u128 = 0xFF << 120;

/// For each length, the bits that its bytes take.
const MASKS: [u128; 16] = {
    let mut masks = [0; 16];
    let mut length = 0;
    while length < 16 {
        masks[length] = (1 << (8 * length)) - 1;
        length += 1;
    }
    masks
};

impl PieceKey {
    /// The key of no pre-token.
    pub(crate) const NONE: Self = Self(0x7F << 120);

    /// Pack the pre-token of `text` from `start` to `end`, unless it is too long.
    #[inline]
    pub(crate) fn of(text: &[u8], start: usize, end: usize) -> Option<Self> {
        let length = end - start;
        if length > MOST_BYTES {
            return None;
        }
        // Bytes that follow are read too and masked out, which needs no branch on the length.
        let bytes = match text[start..].first_chunk::<16>() {
            Some(bytes) => u128::from_le_bytes(*bytes) & MASKS[length],
            None => Self::copied(&text[start..end]),
        };
        Some(Self(bytes | (length as u128) << 120))
    }

    #[cold]
    fn copied(piece: &[u8]) -> u128 {
        let mut bytes = [0; 16];
        bytes[..piece.len()].copy_from_slice(piece);
        u128::from_le_bytes(bytes)
    }

    /// The hash of a pre-token that is too long to pack.
    pub(crate) fn hashed(piece: &[u8]) -> Self {
        let (words, rest) = piece.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        let mixed = words
            .iter()
            .chain([&last])
            .fold(piece.len() as u64, |hash, word| {
                (hash ^ u64::from_le_bytes(*word))
                    .wrapping_mul(MULTIPLIER)
                    .rotate_left(32)
            });
        Self(u128::from(mixed) | HASHED)
    }

    /// Whether the pre-token is too long to be in its key.
    pub(crate) fn is_hash(self) -> bool {
        self.0 >= HASHED
    }

    /// The key as a number, which is not 0 unless the pre-token is empty.
    #[inline]
    pub(crate) fn bits(self) -> u128 {
        self.0
    }

    /// Append the bytes of a pre-token that is in its key.
    pub(crate) fn unpack(self, bytes: &mut Vec<u8>) {
        let packed = self.0.to_le_bytes();
        bytes.extend_from_slice(&packed[..packed[MOST_BYTES] as usize]);
    }

    /// 64 bits of which the upper ones are well mixed.
    #[inline]
    pub(crate) fn hash(self) -> u64 {
        let folded = (self.0 as u64) ^ ((self.0 >> 64) as u64).rotate_left(29);
        folded.wrapping_mul(MULTIPLIER)
    }
}

/// 2^64 over the golden ratio, odd.
const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_pieces_apart_and_give_them_back() {
        let pieces: [&[u8]; 5] = [b"", b"\0", b"\0\0", b"abc", b"123456789012345"];
        let keys: Vec<_> = pieces
            .iter()
            .map(|piece| PieceKey::of(piece, 0, piece.len()).expect("short"))
            .collect();
        for (index, key) in keys.iter().enumerate() {
            let mut bytes = Vec::new();
            key.unpack(&mut bytes);
            assert_eq!(bytes, pieces[index]);
            assert_eq!(keys.iter().filter(|other| *other == key).count(), 1);
            assert!(!key.is_hash());
        }
        assert_eq!(PieceKey::of(b"1234567890123456", 0, 16), None);
        assert!(PieceKey::hashed(b"1234567890123456").is_hash());
    }

    #[test]
    fn what_stands_around_a_piece_is_not_in_its_key() {
        let text = b"..abc and much more than sixteen bytes";
        assert_eq!(PieceKey::of(text, 2, 5), PieceKey::of(b"abc", 0, 3));
    }
}
