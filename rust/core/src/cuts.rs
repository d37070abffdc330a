//! Where a long text may be cut so that its parts can be pre-tokenized and encoded one by one.
//!
//! A sure border lies just before the last white-space character of a run that something else
//! follows: there GPT-2's pattern always begins a pre-token, and cuts what lies before it alike
//! with and without the rest. A special token that covers the border, or that is what follows the
//! run, spoils it. Only ASCII white space is looked at: it is recognised without decoding the text
//! before it, and every natural text has some.

use crate::classes::{Class, ClassTable};
use crate::source::TextSource;
use crate::special::SpecialTokens;
use crate::{Error, Pattern};

/// Bytes of text handed to one thread at a time.
pub(crate) const PART_BYTES: u64 = 2 << 20;

const FIRST_WINDOW: u64 = 16 << 10;
const LARGEST_WINDOW: u64 = 4 << 20;

/// Return where the part of `source` that begins at `start` ends: at the first sure border after
/// `part_bytes`, or at `stop`.
pub(crate) fn part_end(
    source: TextSource<'_>,
    start: u64,
    stop: u64,
    part_bytes: u64,
    specials: &SpecialTokens,
    _pattern: &Pattern,
) -> Result<u64, Error> {
    // Around a border everything is seen that decides about it: the character after it (of up to
    // four bytes) and special tokens on both sides.
    let margin = specials.longest() as u64 + 8;
    let mut from = start.saturating_add(part_bytes);
    let mut window = FIRST_WINDOW;
    while from < stop {
        let to = stop.min(from + window);
        let seen_from = start.max(from.saturating_sub(margin));
        let seen = source.read(seen_from, stop.min(to + margin))?;
        let (first, last) = ((from - seen_from) as usize, (to - seen_from) as usize);
        if let Some(border) = (first..last).find(|&at| is_sure_border(&seen, at, specials)) {
            return Ok(seen_from + border as u64);
        }
        from = to;
        window = LARGEST_WINDOW.min(window * 2);
    }
    Ok(stop)
}

fn is_sure_border(text: &[u8], border: usize, specials: &SpecialTokens) -> bool {
    let classes = ClassTable::get();
    let after = border + 1;
    classes.ascii_class(text[border]) == Some(Class::Space)
        && after < text.len()
        && classes.class_at(text, after).0 != Class::Space
        && !specials.disturb(text, border, after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PreTokens;
    use crate::special::Segment;

    fn pre_tokens(text: &[u8], specials: &SpecialTokens) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for segment in specials.segments(text) {
            match segment {
                Segment::Ordinary(stretch) => {
                    found.extend(PreTokens::new(stretch).map(<[u8]>::to_vec));
                }
                Segment::Special(index) => found.push(vec![0xFE, index as u8]),
            }
        }
        found
    }

    #[test]
    fn parts_have_the_pre_tokens_of_the_whole_at_every_cut() {
        let alphabet: [&[u8]; 12] = [
            b" ",
            b" ",
            b"\n",
            b"a",
            b"'s",
            b"1",
            b"\xC2\xA0",
            b"\xE2\x80",
            b"\xC3\xA9",
            b"<x>",
            b"x",
            b"< >",
        ];
        let tokens = [&b"<x>"[..], b"< >", b"x> <", b"\n\n", b" a"];
        let mut state = 1_u64;
        let mut random = move |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        let mut cuts = 0;
        for round in 0..20_000 {
            let chosen = tokens[..round % 6]
                .iter()
                .map(|token| token.to_vec())
                .collect();
            let specials = SpecialTokens::new(chosen).expect("tokens are fine");
            let text: Vec<u8> = (0..random(30))
                .flat_map(|_| alphabet[random(12)].to_vec())
                .collect();
            let source = TextSource::Memory(&text, 1);
            let mut parts = Vec::new();
            let mut start = 0;
            while start < text.len() {
                let length = text.len() as u64;
                let end = part_end(source, start as u64, length, 1, &specials, &Pattern::Gpt2)
                    .expect("memory");
                parts.extend(pre_tokens(&text[start..end as usize], &specials));
                cuts += usize::from(end < length);
                start = end as usize;
            }
            assert_eq!(
                parts,
                pre_tokens(&text, &specials),
                "{}",
                text.escape_ascii()
            );
        }
        assert!(cuts > 20_000, "only {cuts} cuts were tried");
    }

    #[test]
    fn a_border_is_found_far_behind_the_size_asked_for() {
        let mut text = vec![b'a'; 100_000];
        text.extend_from_slice(b" b");
        let specials = SpecialTokens::new(Vec::new()).expect("no tokens are fine");
        let end = part_end(
            TextSource::Memory(&text, 1),
            0,
            text.len() as u64,
            10,
            &specials,
            &Pattern::Gpt2,
        );
        assert_eq!(end.expect("memory"), 100_000);
    }
}
