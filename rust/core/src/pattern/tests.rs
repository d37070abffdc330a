//! The scanners against regular expressions and by hand.

use super::*;

/// tiktoken's spelling of each pattern.
const SPELLINGS: [(Pattern, &str); 3] = [
    (
        Pattern::Gpt2,
        r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    ),
    (
        Pattern::Gpt4,
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    ),
    (
        Pattern::Gpt4o,
        concat!(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
    ),
];

/// Characters of every class, and what makes up contractions and malformed bytes.
pub(crate) const ALPHABET: [&[u8]; 40] = [
    b"a",
    b"b",
    b"s",
    b"S",
    b"T",
    b"ll",
    b"Ve",
    b"rE",
    b"D",
    b"m",
    b"'",
    b"'",
    b"1",
    b"2",
    b" ",
    b" ",
    b" ",
    b"\n",
    b"\r",
    b"\t",
    b"\x0B",
    b"!",
    b"/",
    b".",
    b"\xC3\xA9",
    b"\xC3\x89",
    b"\xC7\x85",
    b"\xCA\xB0",
    b"\xE5\xAD\x97",
    b"\xCC\x81",
    b"\xC2\xBD",
    b"\xC2\xA0",
    b"\xE3\x80\x80",
    b"\xE2\x80\xA8",
    b"\xC5\xBF",
    b"\xE2\x84\xAA",
    b"\xF0\x9F\x99\x82",
    b"\xFF",
    b"\xE2\x80",
    b"\xED\xA0\x80",
];

/// A generator of numbers that is the same on every machine.
pub(crate) fn random_numbers(mut state: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    }
}

pub(crate) fn pieces_of<'text>(pattern: &Pattern, text: &'text [u8]) -> Vec<&'text [u8]> {
    let mut found = Vec::new();
    pattern
        .for_each_piece(text, |piece| found.push(piece))
        .expect("short texts need little backtracking");
    found
}

#[test]
fn every_scanner_cuts_where_the_regular_expression_does() {
    let mut random = random_numbers(1);
    for (scanner, spelling) in SPELLINGS {
        let regex = Pattern::parse(spelling).expect("tiktoken's own");
        for _ in 0..20_000 {
            let text: Vec<u8> = (0..random(14))
                .flat_map(|_| ALPHABET[random(ALPHABET.len())].to_vec())
                .collect();
            assert_eq!(
                pieces_of(&scanner, &text),
                pieces_of(&regex, &text),
                "{}",
                text.escape_ascii()
            );
        }
    }
}

#[test]
fn gaps_between_matches_are_pieces_and_nothing_is_lost() {
    let pattern = Pattern::parse("[a-z]+").expect("valid");
    let text = b"12ab\xFF\xFEcd!";
    let expected: [&[u8]; 5] = [b"12", b"ab", b"\xFF\xFE", b"cd", b"!"];
    assert_eq!(pieces_of(&pattern, text), expected);
}

#[test]
fn what_needs_too_much_backtracking_is_an_error() {
    let pattern = Pattern::parse(r"(?:a|a)*(?!a)b").expect("valid");
    let result = pattern.for_each_piece(&[b'a'; 2_000], |_| ());
    assert!(matches!(result, Err(Error::PatternTooHard { .. })));
}

#[test]
fn a_malformed_expression_is_refused() {
    let result = Pattern::parse("(a");
    assert!(matches!(result, Err(Error::MalformedPattern { .. })));
}

fn pieces(text: &str) -> Vec<&str> {
    pieces_of(&Pattern::Gpt2, text.as_bytes())
        .into_iter()
        .map(|piece| std::str::from_utf8(piece).expect("valid text is cut between characters"))
        .collect()
}

#[test]
fn words_numbers_and_punctuation_take_one_space_before_them() {
    assert_eq!(
        pieces("Hi there, 42 x1!?"),
        ["Hi", " there", ",", " 42", " x", "1", "!?"]
    );
}

#[test]
fn contractions_are_lower_case_and_need_no_letter_before_them() {
    assert_eq!(
        pieces("I'll 'tis I'LL"),
        ["I", "'ll", " '", "tis", " I", "'", "LL"]
    );
    assert_eq!(pieces("'s 's"), ["'s", " '", "s"]);
    assert_eq!(pieces("we've'"), ["we", "'ve", "'"]);
    assert_eq!(pieces("!'s 'r"), ["!'", "s", " '", "r"]);
}

#[test]
fn the_last_white_space_before_a_word_stands_apart_or_joins_it() {
    assert_eq!(pieces("a  b"), ["a", " ", " b"]);
    assert_eq!(pieces("a \n b"), ["a", " \n", " b"]);
    assert_eq!(pieces("a \n\tb"), ["a", " \n", "\t", "b"]);
    assert_eq!(pieces("a\nb"), ["a", "\n", "b"]);
    assert_eq!(
        pieces("a\u{a0}b \u{3000}c"),
        ["a", "\u{a0}", "b", " ", "\u{3000}", "c"]
    );
}

#[test]
fn white_space_at_the_end_stays_whole() {
    assert_eq!(pieces("a \n  "), ["a", " \n  "]);
    assert_eq!(pieces(" "), [" "]);
    assert_eq!(pieces(""), [""; 0]);
}

#[test]
fn letters_of_all_scripts_run_together_and_marks_do_not() {
    assert_eq!(
        pieces("naïve Ωmega 你好 Ⅷ²"),
        ["naïve", " Ωmega", " 你好", " Ⅷ²"]
    );
    assert_eq!(pieces("e\u{301}a"), ["e", "\u{301}", "a"]);
}

#[test]
fn malformed_bytes_are_cut_like_punctuation_and_none_is_lost() {
    let text = b"ab\xFF\xE2\x82 c\xED\xA0\x80\xF4\x90!\xC3";
    let found = pieces_of(&Pattern::Gpt2, text);
    let expected: [&[u8]; 4] = [b"ab", b"\xFF\xE2\x82", b" c", b"\xED\xA0\x80\xF4\x90!\xC3"];
    assert_eq!(found, expected);
}
