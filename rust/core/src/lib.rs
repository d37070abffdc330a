//! Byte-level BPE: training, encoding, decoding and token caches.
//!
//! Texts are bytes. A byte that is not part of valid UTF-8 is kept and treated like punctuation, so
//! that every input survives the way to ids and back. Nothing here knows of Python: long jobs
//! report to a [`Progress`], which another thread may read, and may use to cancel them.

mod batch;
mod class_masks;
mod classes;
mod count;
mod custom_pattern;
mod cuts;
mod decode;
mod document_units;
mod documents;
mod encode;
mod error;
mod file_ids;
mod fold_hash;
mod large_table;
mod long_pieces;
mod memory_hints;
mod merge;
mod merge_order;
mod merge_together;
mod neighbours;
mod npy;
mod ordered_output;
mod pair_queue;
mod pair_ranks;
mod pair_table;
mod pattern;
mod piece_batch;
mod piece_cache;
mod piece_key;
mod piece_slots;
mod piece_table;
mod progress;
mod scan_gpt2;
mod scan_gpt4;
mod scan_gpt4o;
mod scanner;
mod source;
mod special;
mod token_cache;
mod train;
mod trainer;
mod unicode;
mod vocabulary;
mod workers;
mod workspace;

pub use batch::FlatIds;
pub use classes::prepare;
pub use count::PreTokenCounter;
pub use custom_pattern::CustomPattern;
pub use encode::Encoder;
pub use error::Error;
pub use file_ids::{FileIds, StoredId};
pub use merge_order::TieBreak;
pub use pattern::Pattern;
pub use progress::{Progress, Snapshot, Stage};
pub use source::{InvalidUtf8, TextName, TextSource};
pub use token_cache::{Span, TokenArraysJob, Written, write_token_arrays};
pub use train::{Learning, Merge, Merges};
pub use unicode::UNICODE_VERSION;
pub use vocabulary::Vocabulary;
