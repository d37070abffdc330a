//! What cuts a text into pre-tokens: a scanner that has a name, or a regular expression.

use crate::custom_pattern::CustomPattern;
use crate::scanner::{Scanner, scan};
use crate::{Error, scan_gpt2, scan_gpt4, scan_gpt4o};

/// A pre-token pattern.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// GPT-2's, tiktoken's `r50k_base`.
    Gpt2,
    /// GPT-4's, tiktoken's `cl100k_base`.
    Gpt4,
    /// GPT-4o's, tiktoken's `o200k_base`.
    Gpt4o,
    /// A regular expression; its matches and the gaps between them are the pre-tokens.
    Custom(Box<CustomPattern>),
}

impl Pattern {
    /// The pattern of this name, or else the regular expression.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "gpt2" => Ok(Self::Gpt2),
            "gpt4" => Ok(Self::Gpt4),
            "gpt4o" => Ok(Self::Gpt4o),
            _ => Ok(Self::Custom(Box::new(CustomPattern::new(text)?))),
        }
    }

    /// Call `visit` with each pre-token of `text`, in order; joined they are the text.
    ///
    /// Only a regular expression can fail: with [`Error::PatternTooHard`], after some calls.
    pub fn for_each_piece<'text>(
        &self,
        text: &'text [u8],
        mut visit: impl FnMut(&'text [u8]),
    ) -> Result<(), Error> {
        self.for_each_range(text, |start, end| visit(&text[start..end]))
    }

    /// Call `visit` with the start and the end of each pre-token, as `for_each_piece` does.
    #[inline]
    pub(crate) fn for_each_range(
        &self,
        text: &[u8],
        visit: impl FnMut(usize, usize),
    ) -> Result<(), Error> {
        match self {
            Self::Gpt2 => scan_gpt2::scan(&Scanner::new(text), visit),
            Self::Gpt4 => scan(text, scan_gpt4::pre_token_end, visit),
            Self::Gpt4o => scan(text, scan_gpt4o::pre_token_end, visit),
            Self::Custom(pattern) => return pattern.for_each_range(text, visit),
        }
        Ok(())
    }

    /// Whether the sure borders of the named patterns are this one's too.
    pub(crate) fn has_sure_borders(&self) -> bool {
        !matches!(self, Self::Custom(_))
    }
}

#[cfg(test)]
pub(crate) mod tests;
