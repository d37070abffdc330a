//! Where special tokens stand in a text: the leftmost first, and of those the longest.

use aho_corasick::{AhoCorasick, FindIter, MatchKind};

use crate::Error;

/// A stretch of text between special tokens, or one of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Segment<'text> {
    /// Text without special tokens; never empty.
    Ordinary(&'text [u8]),
    /// A special token, by its place in the list.
    Special(usize),
}

/// A set of special tokens and the automaton that finds them.
pub(crate) struct SpecialTokens {
    tokens: Vec<Vec<u8>>,
    automaton: AhoCorasick,
    longest: usize,
}

impl SpecialTokens {
    /// Compile the automaton; no token may be empty.
    pub(crate) fn new(tokens: Vec<Vec<u8>>) -> Result<Self, Error> {
        if tokens.iter().any(Vec::is_empty) {
            return Err(Error::EmptySpecialToken);
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(&tokens)
            .map_err(|_| Error::TooManySpecialTokens {
                count: tokens.len(),
            })?;
        let longest = tokens.iter().map(Vec::len).max().unwrap_or(0);
        Ok(Self {
            tokens,
            automaton,
            longest,
        })
    }

    /// Length in bytes of the longest one, 0 when there is none.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// All of them.
    pub(crate) fn tokens(&self) -> &[Vec<u8>] {
        &self.tokens
    }

    /// Length in bytes of the token at this place in the list.
    pub(crate) fn length(&self, index: usize) -> usize {
        self.tokens[index].len()
    }

    /// Place in the list of the token with these bytes.
    pub(crate) fn position(&self, token: &[u8]) -> Option<usize> {
        self.tokens.iter().position(|other| other == token)
    }

    /// Cut `text` at its special tokens.
    pub(crate) fn segments<'a>(&'a self, text: &'a [u8]) -> Segments<'a, 'a> {
        Segments {
            text,
            start: 0,
            matches: self.automaton.find_iter(text),
            found: None,
        }
    }

    /// Say whether some special token covers both sides of `border`.
    ///
    /// Tokens that a longer match to the left would hide count too, so this may be true too often.
    pub(crate) fn covers(&self, text: &[u8], border: usize) -> bool {
        self.tokens.iter().any(|token| {
            let first = (border + 1).saturating_sub(token.len());
            (first..border).any(|start| text[start..].starts_with(token))
        })
    }
}

/// Iterator over the segments of a text.
pub(crate) struct Segments<'tokens, 'text> {
    text: &'text [u8],
    start: usize,
    matches: FindIter<'tokens, 'text>,
    /// A special token that comes right after the stretch of text just given.
    found: Option<usize>,
}

impl<'text> Iterator for Segments<'_, 'text> {
    type Item = Segment<'text>;

    fn next(&mut self) -> Option<Segment<'text>> {
        if let Some(special) = self.found.take() {
            return Some(Segment::Special(special));
        }
        let begin = self.start;
        let Some(found) = self.matches.next() else {
            self.start = self.text.len();
            let rest = &self.text[begin..];
            return (!rest.is_empty()).then_some(Segment::Ordinary(rest));
        };
        self.start = found.end();
        let special = found.pattern().as_usize();
        if found.start() == begin {
            return Some(Segment::Special(special));
        }
        self.found = Some(special);
        Some(Segment::Ordinary(&self.text[begin..found.start()]))
    }
}

#[cfg(test)]
mod tests {
    use super::Segment::{Ordinary, Special};
    use super::*;

    fn specials(tokens: &[&str]) -> SpecialTokens {
        let tokens = tokens
            .iter()
            .map(|token| token.as_bytes().to_vec())
            .collect();
        SpecialTokens::new(tokens).expect("these tokens are fine")
    }

    #[test]
    fn the_longest_of_the_leftmost_tokens_wins() {
        let specials = specials(&["<a>", "<a><a>", "><"]);
        let found: Vec<_> = specials.segments(b"x<a><a><a>y").collect();
        assert_eq!(
            found,
            [Ordinary(b"x"), Special(1), Special(0), Ordinary(b"y")]
        );
    }

    #[test]
    fn a_text_without_tokens_is_one_segment_and_an_empty_one_none() {
        assert_eq!(
            specials(&[]).segments(b"ab").collect::<Vec<_>>(),
            [Ordinary(b"ab")]
        );
        assert_eq!(specials(&["a"]).segments(b"").count(), 0);
    }

    #[test]
    fn a_border_is_covered_inside_a_token_only() {
        let specials = specials(&["<|x|>", "a b"]);
        assert!(specials.covers(b"a bc", 1));
        assert!(!specials.covers(b"cc <|x|>", 3));
        assert!(!specials.covers(b"<|x|> c", 5));
        assert!(!specials.covers(b"b c a b", 1));
    }

    #[test]
    fn an_empty_token_is_refused() {
        let made = SpecialTokens::new(vec![Vec::new()]);
        assert!(matches!(made, Err(Error::EmptySpecialToken)));
    }
}
