//! The hand-written scanners cut every text where the same pattern, as a regular expression, does.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use nanot_bpe::Pattern;

/// Names, and the regular expressions that tiktoken gives the same patterns.
const PATTERNS: [(&str, &str); 3] = [
    (
        "gpt2",
        r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    ),
    (
        "gpt4",
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    ),
    (
        "gpt4o",
        concat!(
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
    ),
];

static PAIRS: LazyLock<Vec<(Pattern, Pattern)>> = LazyLock::new(|| {
    let parse = |text| Pattern::parse(text).expect("a known pattern");
    PATTERNS
        .iter()
        .map(|(name, regex)| (parse(name), parse(regex)))
        .collect()
});

fn pieces<'text>(pattern: &Pattern, text: &'text [u8]) -> Vec<&'text [u8]> {
    let mut found = Vec::new();
    pattern
        .for_each_piece(text, |piece| found.push(piece))
        .expect("short texts need little backtracking");
    found
}

fuzz_target!(|text: &[u8]| {
    for (scanner, regex) in PAIRS.iter() {
        let found = pieces(scanner, text);
        assert_eq!(found.concat(), text);
        assert_eq!(found, pieces(regex, text), "{}", text.escape_ascii());
    }
});
