//! The ids of short pre-tokens seen before, in a table of fixed size.

use crate::piece_key::PieceKey;

const SLOT_BITS: u32 = 15;
const MOST_IDS: usize = 3;

fn slot(key: PieceKey) -> usize {
    (key.hash() >> (64 - SLOT_BITS)) as usize
}

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
        let entry = &self.entries[slot(key)];
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
            self.entries[slot(key)] = entry;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_comes_out_until_its_slot_is_taken() {
        let mut cache = PieceCache::new();
        for number in 0_u32..100_000 {
            let key = PieceKey::of(&number.to_le_bytes(), 0, 4).expect("short");
            assert_eq!(cache.get(key), None);
            cache.insert(key, &[number, 7]);
            assert_eq!(cache.get(key), Some(&[number, 7][..]));
        }
    }
}
