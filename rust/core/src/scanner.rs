//! What the hand-written scanners share: runs of one class, white space, contractions.

use crate::classes::{Class, ClassTable};

/// A text, and the questions that the patterns ask about it.
pub(crate) struct Scanner<'text> {
    pub(crate) text: &'text [u8],
    classes: &'static ClassTable,
}

/// A run of white space.
pub(crate) struct WhiteSpace {
    /// Where its last character begins.
    pub(crate) last: usize,
    /// The end of the run.
    pub(crate) end: usize,
    /// The end of its last `\r` or `\n`, if there is one.
    pub(crate) after_line_break: Option<usize>,
}

/// Call `visit` with where each pre-token of `text` begins and ends; `end` says where the one at a
/// position ends.
#[inline]
pub(crate) fn scan<'text>(
    text: &'text [u8],
    end: impl Fn(&Scanner<'text>, usize) -> usize,
    mut visit: impl FnMut(usize, usize),
) {
    let scanner = Scanner::new(text);
    let mut start = 0;
    while start < text.len() {
        let stop = end(&scanner, start);
        visit(start, stop);
        start = stop;
    }
}

impl<'text> Scanner<'text> {
    pub(crate) fn new(text: &'text [u8]) -> Self {
        Self {
            text,
            classes: ClassTable::get(),
        }
    }
    /// Class and length in bytes of the character at `position`; at the end of the text, none.
    #[inline]
    pub(crate) fn class_at(&self, position: usize) -> Option<(Class, usize)> {
        (position < self.text.len()).then(|| self.classes.class_at(self.text, position))
    }

    /// First position from `position` on whose character is not in `set`.
    #[inline]
    pub(crate) fn run_end(&self, set: Class, mut position: usize) -> usize {
        while let Some(&byte) = self.text.get(position) {
            let (found, length) = match self.classes.ascii_class(byte) {
                Some(found) => (found, 1),
                None => self.classes.class_at(self.text, position),
            };
            if !found.is_in(set) {
                break;
            }
            position += length;
        }
        position
    }

    /// The white space that begins at `start`, where there is some.
    pub(crate) fn white_space(&self, start: usize) -> WhiteSpace {
        let mut run = WhiteSpace {
            last: start,
            end: start,
            after_line_break: None,
        };
        while let Some((Class::SPACE, length)) = self.class_at(run.end) {
            run.last = run.end;
            run.end += length;
            if matches!(self.text[run.last], b'\r' | b'\n') {
                run.after_line_break = Some(run.end);
            }
        }
        run
    }

    /// End of the numbers at `start`, at most three.
    pub(crate) fn up_to_three_numbers(&self, start: usize) -> usize {
        let mut end = start;
        for _ in 0..3 {
            match self.class_at(end) {
                Some((Class::NUMBER, length)) => end += length,
                _ => break,
            }
        }
        end
    }

    /// First position from `position` on whose byte is not among `bytes`.
    pub(crate) fn skip(&self, bytes: &[u8], position: usize) -> usize {
        let rest = &self.text[position..];
        position + rest.iter().take_while(|byte| bytes.contains(byte)).count()
    }

    /// Length of the English contraction at `position` in letters of either case, or 0.
    pub(crate) fn contraction_of_any_case(&self, position: usize) -> usize {
        let [b'\'', rest @ ..] = &self.text[position..] else {
            return 0;
        };
        let lower = |index: usize| rest.get(index).map(u8::to_ascii_lowercase);
        match (lower(0), lower(1)) {
            (Some(b's' | b'd' | b'm' | b't'), _) => 2,
            // C5 BF is U+017F, the long s, which is an s when case is ignored.
            (Some(b'l'), Some(b'l'))
            | (Some(b'v' | b'r'), Some(b'e'))
            | (Some(0xC5), Some(0xBF)) => 3,
            _ => 0,
        }
    }
}

impl WhiteSpace {
    /// End of `\s+(?!\S)|\s`: the last character stays out, unless it is alone or ends the text.
    pub(crate) fn without_last(&self, start: usize, text: &[u8]) -> usize {
        if self.end < text.len() && self.last > start {
            self.last
        } else {
            self.end
        }
    }
}
