//! The ids of short pre-tokens seen before, in a table of fixed size.

use crate::piece_key::PieceKey;

const SLOT_BITS: u32 = 17;
/// A pre-token of more ids is not kept.
pub(crate) const MOST_IDS: usize = 3;

/// What is known of a pre-token; two fit into a cache line.
#[derive(Clone, Copy, Default)]
#[repr(align(32))]
pub(crate) struct Entry {
    key: PieceKey, // the default is the key of no pre-token, because none is empty
    ids: [u32; MOST_IDS],
    count: u32,
}

impl Entry {
    /// The ids and how many of them count, if this is the entry of `key`.
    #[inline]
    pub(crate) fn ids_of(&self, key: PieceKey) -> Option<(&[u32; MOST_IDS], usize)> {
        (self.key == key && self.count > 0).then_some((&self.ids, self.count as usize))
    }
}

/// 4 MiB; a newcomer replaces what was in its slot.
pub(crate) struct PieceCache {
    entries: Vec<Entry>,
}

impl PieceCache {
    pub(crate) fn new() -> Self {
        Self {
            entries: vec![Entry::default(); 1 << SLOT_BITS],
        }
    }

    /// What is in the slot of a pre-token, be it that one's or another's.
    #[inline]
    pub(crate) fn slot(&self, key: PieceKey) -> &Entry {
        &self.entries[slot(key)]
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

#[inline]
fn slot(key: PieceKey) -> usize {
    (key.hash() >> (64 - SLOT_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_comes_out_until_its_slot_is_taken() {
        let mut cache = PieceCache::new();
        for number in 0_u32..100_000 {
            let key = PieceKey::of(&number.to_le_bytes(), 0, 4).expect("short");
            assert!(cache.slot(key).ids_of(key).is_none());
            cache.insert(key, &[number, 7]);
            assert_eq!(cache.slot(key).ids_of(key), Some((&[number, 7, 0], 2)));
        }
    }
}
