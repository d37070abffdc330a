//! Where a long text may be cut so that its parts can be pre-tokenized and encoded one by one.
//!
//! At a sure border every named pattern begins a pre-token and cuts what lies before it alike with
//! and without the rest. It lies between a character `p` and the next one `c` when
//! - `p` is a letter, and `c` no letter, no mark and no apostrophe, or
//! - `p` is a number, and `c` no number, or
//! - `p` is neither, nor white space, and `c` is white space other than `\r` and `\n`,
//!
//! unless a special token covers both sides. A regular expression promises nothing of the kind, so
//! a text is then cut only after special tokens.

use crate::classes::{Class, ClassTable};
use crate::source::TextSource;
use crate::special::{Segment, SpecialTokens};
use crate::{Error, Pattern};

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
    pattern: &Pattern,
) -> Result<u64, Error> {
    if !pattern.has_sure_borders() {
        return end_after_special(source, start, stop, part_bytes, specials);
    }
    // Around a border everything is seen that decides about it: the characters before and after it,
    // of up to four bytes, and special tokens on both sides.
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

/// Return the end of the first special token that ends after `part_bytes`, or `stop`.
fn end_after_special(
    source: TextSource<'_>,
    start: u64,
    stop: u64,
    part_bytes: u64,
    specials: &SpecialTokens,
) -> Result<u64, Error> {
    let mut to = start;
    while to < stop {
        // Tokens are found from the start on, as in the whole text: one that lies inside another is
        // none. So the text is read again, twice as far each time.
        let length = (to - start)
            .max(part_bytes)
            .max(FIRST_WINDOW)
            .saturating_mul(2);
        to = stop.min(start.saturating_add(length));
        let seen = source.read(start, to)?;
        // A token near the end could be the beginning of a longer one.
        let decided = if to < stop {
            seen.len().saturating_sub(specials.longest())
        } else {
            seen.len()
        };
        let mut position = 0;
        for segment in specials.segments(&seen) {
            if position > decided {
                break;
            }
            position += match segment {
                Segment::Ordinary(stretch) => stretch.len(),
                Segment::Special(index) => {
                    let end = position + specials.length(index);
                    if position <= decided && end as u64 >= part_bytes {
                        return Ok(start + end as u64);
                    }
                    end - position
                }
            };
        }
    }
    Ok(stop)
}

fn is_sure_border(text: &[u8], border: usize, specials: &SpecialTokens) -> bool {
    let classes = ClassTable::get();
    if border == 0 {
        return false; // what lies before is not seen
    }
    if is_continuation(text[border]) {
        return false; // inside of a character, or malformed: other borders will do
    }
    let after = classes.class_at(text, border).0;
    let ends = match classes.class_before(text, border) {
        Class::NUMBER => after != Class::NUMBER,
        Class::SPACE => false,
        before if before.is_in(Class::LETTER) => {
            !after.is_in(Class::LETTER | Class::MARK) && text[border] != b'\''
        }
        _ => after == Class::SPACE && !matches!(text[border], b'\r' | b'\n'),
    };
    ends && !specials.covers(text, border)
}

/// Whether this byte goes on with a character of UTF-8.
fn is_continuation(byte: u8) -> bool {
    byte & 0b1100_0000 == 0b1000_0000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::tests::{pieces_of, random_numbers};

    fn pre_tokens(text: &[u8], specials: &SpecialTokens, pattern: &Pattern) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for segment in specials.segments(text) {
            match segment {
                Segment::Ordinary(stretch) => {
                    found.extend(pieces_of(pattern, stretch).into_iter().map(<[u8]>::to_vec));
                }
                Segment::Special(index) => found.push(vec![0xFE, index as u8]),
            }
        }
        found
    }

    #[test]
    fn parts_have_the_pre_tokens_of_the_whole_at_every_cut() {
        let alphabet: [&[u8]; 22] = [
            b" ",
            b" ",
            b"\n",
            b"\r",
            b"a",
            b"B",
            b"'s",
            b"'",
            b"1",
            b"22",
            b"\xC2\xA0",
            b"\xE2\x80",
            b"\xC3\xA9",
            b"\xCC\x81",
            b"\xE5\xAD\x97",
            b"\xC2\xBD",
            b"!",
            b"/",
            b"<x>",
            b"x",
            b"< >",
            b"\xFF",
        ];
        let tokens = [
            &b"<x>"[..],
            b"< >",
            b"x> <",
            b"\n\n",
            b" a",
            b"<x><x>",
            b"1 ",
        ];
        let patterns = ["gpt2", "gpt4", "gpt4o", r"\p{N}{1,3}|\s+(?!\S)|.\p{L}*"]
            .map(|name| Pattern::parse(name).expect("known"));
        let mut random = random_numbers(1);
        for pattern in patterns {
            let mut cuts = 0;
            for round in 0..10_000 {
                let chosen = tokens[..round % 8]
                    .iter()
                    .map(|token| token.to_vec())
                    .collect();
                let specials = SpecialTokens::new(chosen).expect("tokens are fine");
                let text: Vec<u8> = (0..random(30))
                    .flat_map(|_| alphabet[random(alphabet.len())].to_vec())
                    .collect();
                let source = TextSource::Memory(&text, 1);
                let length = text.len() as u64;
                let mut parts = Vec::new();
                let mut start = 0;
                while start < text.len() {
                    let end = part_end(source, start as u64, length, 1, &specials, &pattern)
                        .expect("memory");
                    let part = &text[start..end as usize];
                    parts.extend(pre_tokens(part, &specials, &pattern));
                    cuts += usize::from(end < length);
                    start = end as usize;
                }
                assert_eq!(
                    parts,
                    pre_tokens(&text, &specials, &pattern),
                    "{}",
                    text.escape_ascii()
                );
            }
            assert!(cuts > 5_000, "only {cuts} cuts were tried");
        }
    }

    #[test]
    fn a_regular_expression_is_cut_only_where_a_special_token_ends_in_the_whole_text() {
        let specials = [&b"<a>"[..], b"<a><b>", b"><"].map(<[u8]>::to_vec).to_vec();
        let specials = SpecialTokens::new(specials).expect("tokens are fine");
        let pattern = Pattern::parse(r"\S+|\s+").expect("valid");
        let filler = vec![b'.'; 3 * FIRST_WINDOW as usize];
        let text = [&filler, &b"<a><b>"[..], &filler, b"<a>", &filler].concat();
        let source = TextSource::Memory(&text, 1);
        let mut ends = vec![0];
        while *ends.last().expect("one") < text.len() as u64 {
            let start = *ends.last().expect("one");
            let end = part_end(source, start, text.len() as u64, 1, &specials, &pattern);
            ends.push(end.expect("memory"));
        }
        let length = filler.len() as u64;
        assert_eq!(ends, [0, length + 6, 2 * length + 9, 3 * length + 9]);
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
