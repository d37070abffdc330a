//! The ids of short pre-tokens seen before, in a table of fixed size.

/// A pre-token of up to 15 bytes in one integer: the bytes from the lowest up, the length on top.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct PieceKey(u128);

impl PieceKey {
    const MOST_BYTES: usize = 15;

    /// Pack a pre-token, unless it is too long.
    #[inline]
    pub(crate) fn pack(piece: &[u8]) -> Option<Self> {
        if piece.len() > Self::MOST_BYTES {
            return None;
        }
        let mut bytes = [0; 16];
        bytes[..piece.len()].copy_from_slice(piece);
        bytes[Self::MOST_BYTES] = piece.len() as u8;
        Some(Self(u128::from_le_bytes(bytes)))
    }

    /// Append the pre-token's bytes.
    pub(crate) fn unpack(self, bytes: &mut Vec<u8>) {
        let packed = self.0.to_le_bytes();
        bytes.extend_from_slice(&packed[..packed[Self::MOST_BYTES] as usize]);
    }

    #[inline]
    fn slot(self) -> usize {
        let folded = (self.0 as u64) ^ ((self.0 >> 64) as u64).rotate_left(29);
        let mixed = folded.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed >> (64 - SLOT_BITS)) as usize
    }
}

const SLOT_BITS: u32 = 15;
const MOST_IDS: usize = 3;

#[derive(Clone, Copy, Default)]
struct Entry {
    key: PieceKey, // the default is the key of no pre-token, because none is empty
    ids: [u32; MOST_IDS],
    count: u32,
}

/// 32 bytes for each of 32,768 slots; a newcomer replaces what was in its slot.
pub(crate) struct PieceCache {
    entries: Vec<Entry>,
}

impl PieceCache {
    pub(crate) fn new() -> Self {
        Self {
            entries: vec![Entry::default(); 1 << SLOT_BITS],
        }
    }

    /// The ids of a pre-token, if they are known.
    #[inline]
    pub(crate) fn get(&self, key: PieceKey) -> Option<&[u32]> {
        let entry = &self.entries[key.slot()];
        (entry.key == key).then(|| &entry.ids[..entry.count as usize])
    }

    /// Remember the ids of a pre-token, unless they are too many.
    pub(crate) fn insert(&mut self, key: PieceKey, ids: &[u32]) {
        if ids.len() <= MOST_IDS {
            let mut entry = Entry {
                key,
                ids: [0; MOST_IDS],
                count: ids.len() as u32,
            };
            entry.ids[..ids.len()].copy_from_slice(ids);
            self.entries[key.slot()] = entry;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_pieces_apart_and_give_them_back() {
        let pieces: [&[u8]; 5] = [b"", b"\0", b"\0\0", b"abc", b"123456789012345"];
        let keys: Vec<_> = pieces
            .iter()
            .map(|piece| PieceKey::pack(piece).expect("short"))
            .collect();
        for (index, key) in keys.iter().enumerate() {
            let mut bytes = Vec::new();
            key.unpack(&mut bytes);
            assert_eq!(bytes, pieces[index]);
            assert_eq!(keys.iter().filter(|other| *other == key).count(), 1);
        }
        assert_eq!(PieceKey::pack(b"1234567890123456"), None);
    }

    #[test]
    fn what_was_put_in_comes_out_until_its_slot_is_taken() {
        let mut cache = PieceCache::new();
        for number in 0_u32..100_000 {
            let key = PieceKey::pack(&number.to_le_bytes()).expect("short");
            assert_eq!(cache.get(key), None);
            cache.insert(key, &[number, 7]);
            assert_eq!(cache.get(key), Some(&[number, 7][..]));
        }
    }
}
