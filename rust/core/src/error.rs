//! Everything that can go wrong, as one enum whose messages say what was found and what to do.

use std::io;
use std::path::PathBuf;

use crate::merge::MOST_MERGES;
use crate::source::TextName;
use crate::vocabulary::LARGEST_ID;

/// Why a job could not be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody called [`crate::Progress::cancel`].
    #[error("the job was cancelled")]
    Cancelled,

    /// A file could not be opened, read or written.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// A text holds a malformed byte, and those are not to be replaced.
    #[error(
        "{text} is not valid UTF-8 at byte offset {offset}; \
         convert it, or accept it with `--encoding-errors replace`"
    )]
    InvalidUtf8 {
        /// Which text.
        text: TextName,
        /// Where the malformed sequence begins, in bytes from the start of the text.
        offset: u64,
    },

    /// A file ends before the bytes that were asked for.
    #[error(
        "`{}` ends at byte {length} where at least {expected} bytes were expected; \
         it is being changed by something else", path.display()
    )]
    FileTooShort {
        /// The file.
        path: PathBuf,
        /// Where it ends.
        length: u64,
        /// Where the bytes asked for end.
        expected: u64,
    },

    /// Distinct pre-tokens of 4 GiB and more.
    #[error("the distinct pre-tokens hold {bytes} bytes, but training takes less than 4 GiB")]
    TooManyPreTokens {
        /// Bytes of the distinct pre-tokens.
        bytes: usize,
    },

    /// Counts that 64 bits cannot hold.
    #[error("the counts of all pre-tokens add up to more than 2**64; give fewer counts")]
    CountsTooLarge,

    /// A regular expression that does not compile.
    #[error("pattern `{pattern}` is no regular expression that can be used: {source}")]
    MalformedPattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        source: Box<fancy_regex::Error>,
    },

    /// A regular expression gave up on a text.
    #[error(
        "pattern `{pattern}` needs too much backtracking on this text; \
         use possessive quantifiers or a named pattern"
    )]
    PatternTooHard {
        /// The regular expression.
        pattern: String,
    },

    /// A token id above the largest one possible.
    #[error("token id {id} is not in 0 to {LARGEST_ID}")]
    TokenIdOutOfRange {
        /// The id.
        id: u32,
    },

    /// A token without bytes.
    #[error("token id {id} stands for no bytes; a token needs at least one")]
    EmptyToken {
        /// Its id.
        id: u32,
    },

    /// A special token without bytes.
    #[error("a special token is the empty string; give it at least one character")]
    EmptySpecialToken,

    /// More special tokens than the automaton that finds them can hold.
    #[error(
        "{count} special tokens are too many to search for at once; give fewer or shorter ones"
    )]
    TooManySpecialTokens {
        /// How many there are.
        count: usize,
    },

    /// More merges than short ranks can tell apart.
    #[error("{count} merges are more than the {MOST_MERGES} that are possible")]
    TooManyMerges {
        /// How many there are.
        count: usize,
    },

    /// An id is given twice.
    #[error("token id {id} is given twice; each id stands for one token")]
    RepeatedId {
        /// The id.
        id: u32,
    },

    /// Two ids stand for the same bytes.
    #[error("ids {first} and {second} both stand for b\"{}\"; each token has one id", token.escape_ascii())]
    RepeatedToken {
        /// The id seen first.
        first: u32,
        /// The other one.
        second: u32,
        /// What both stand for.
        token: Vec<u8>,
    },

    /// A single byte has no id, so that not every text can be encoded.
    #[error(
        "the vocabulary lacks the single byte 0x{byte:02X}; a byte-level vocabulary has all 256"
    )]
    MissingByte {
        /// The byte.
        byte: u8,
    },

    /// A merge takes or makes a token that is not in the vocabulary.
    #[error(
        "merge {number} needs b\"{}\", which is not in the vocabulary; \
         vocabulary and merges must come from the same training", token.escape_ascii()
    )]
    UnknownMergeToken {
        /// Number of the merge, from 1.
        number: usize,
        /// The token it needs.
        token: Vec<u8>,
    },

    /// A merge is listed twice.
    #[error("merge {number} repeats an earlier one")]
    RepeatedMerge {
        /// Number of the second one, from 1.
        number: usize,
    },

    /// An id that stands for nothing.
    #[error("token id {id} is not in the vocabulary, whose largest id is {largest}")]
    UnknownTokenId {
        /// The id.
        id: u32,
        /// The largest one there is.
        largest: u32,
    },
}
