//! Which pattern cuts a text into pre-tokens, chosen by name.

use crate::Error;
use crate::pretokenize::PreTokens;

/// A pre-token pattern.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// GPT-2's.
    Gpt2,
}

impl Pattern {
    /// The pattern of this name.
    pub fn parse(text: &str) -> Result<Self, Error> {
        match text {
            "gpt2" => Ok(Self::Gpt2),
            _ => Err(Error::UnknownPattern {
                pattern: text.to_owned(),
            }),
        }
    }

    /// Call `visit` with each pre-token of `text`, in order; joined they are the text.
    #[inline]
    pub fn for_each_piece<'text>(
        &self,
        text: &'text [u8],
        visit: impl FnMut(&'text [u8]),
    ) -> Result<(), Error> {
        match self {
            Self::Gpt2 => PreTokens::new(text).for_each(visit),
        }
        Ok(())
    }
}
