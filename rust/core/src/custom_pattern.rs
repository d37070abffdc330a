//! Where a regular expression cuts a text: at its matches, and at the gaps between them.

use std::borrow::Cow;
use std::ops::Range;

use fancy_regex::Regex;

use crate::Error;

/// What a malformed byte looks like to the expression: no character that a text should hold.
const STAND_IN: char = '\u{FFFF}';

/// A regular expression, compiled.
#[derive(Clone, Debug)]
pub struct CustomPattern {
    regex: Regex,
}

impl CustomPattern {
    /// Compile `pattern`, in the syntax of the crates `regex` and `fancy_regex`.
    pub(crate) fn new(pattern: &str) -> Result<Self, Error> {
        let regex = Regex::new(pattern).map_err(|source| Error::MalformedPattern {
            pattern: pattern.to_owned(),
            source: Box::new(source),
        })?;
        Ok(Self { regex })
    }

    /// Call `visit` with the start and the end of every match and gap of `text`, none of them empty.
    pub(crate) fn for_each_range(
        &self,
        text: &[u8],
        mut visit: impl FnMut(usize, usize),
    ) -> Result<(), Error> {
        let readable = Readable::new(text);
        let mut places = readable.places();
        let mut done = 0;
        let mut emit = |range: Range<usize>| {
            if !range.is_empty() {
                visit(range.start, range.end);
            }
        };
        for found in self.regex.find_iter(readable.text.as_ref()) {
            let found = found.map_err(|_| Error::PatternTooHard {
                pattern: self.regex.as_str().to_owned(),
            })?;
            let (start, end) = (places.original(found.start()), places.original(found.end()));
            emit(done..start);
            emit(start..end);
            done = end;
        }
        emit(done..text.len());
        Ok(())
    }
}

/// A text with a stand-in for each malformed byte.
struct Readable<'text> {
    text: Cow<'text, str>,
    /// Where the stand-ins begin.
    stand_ins: Vec<usize>,
}

impl<'text> Readable<'text> {
    fn new(bytes: &'text [u8]) -> Self {
        if let Ok(text) = std::str::from_utf8(bytes) {
            return Self {
                text: Cow::Borrowed(text),
                stand_ins: Vec::new(),
            };
        }
        let mut text = String::with_capacity(bytes.len() + 64);
        let mut stand_ins = Vec::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            for _ in chunk.invalid() {
                stand_ins.push(text.len());
                text.push(STAND_IN);
            }
        }
        Self {
            text: Cow::Owned(text),
            stand_ins,
        }
    }

    fn places(&self) -> Places<'_> {
        Places {
            stand_ins: &self.stand_ins,
            surplus: 0,
        }
    }
}

/// Turns rising positions in the readable text into those in the original.
struct Places<'a> {
    stand_ins: &'a [usize],
    surplus: usize,
}

impl Places<'_> {
    fn original(&mut self, position: usize) -> usize {
        while let [first, rest @ ..] = self.stand_ins
            && *first < position
        {
            self.stand_ins = rest;
            self.surplus += STAND_IN.len_utf8() - 1;
        }
        position - self.surplus
    }
}
