//! Which merges are learnt, and from what.

use super::*;
use crate::{InvalidUtf8, Pattern, PreTokenCounter, TextSource};

fn learning(num_merges: usize) -> Learning {
    Learning {
        num_merges,
        tie_break: TieBreak::Bytes,
        min_frequency: 0,
    }
}

fn train(
    sources: &[TextSource<'_>],
    special_tokens: &[Vec<u8>],
    num_merges: usize,
    (invalid_utf8, num_threads): (InvalidUtf8, usize),
    progress: &Progress,
) -> Result<Vec<Merge>, Error> {
    let mut counter = PreTokenCounter::new(Pattern::Gpt2, special_tokens.to_vec())?;
    counter.count(sources, invalid_utf8, num_threads, progress)?;
    let merges = counter.learn_merges(&learning(num_merges), progress)?;
    Ok(merges.to_bytes())
}

const PLAINLY: (InvalidUtf8, usize) = (InvalidUtf8::Reject, 1);

fn learn(text: &str, num_merges: usize) -> Vec<String> {
    let sources = [TextSource::Memory(text.as_bytes(), 1)];
    let merges = train(&sources, &[], num_merges, PLAINLY, &Progress::default()).expect("valid");
    let show = |(left, right): &Merge| format!("{}+{}", left.escape_ascii(), right.escape_ascii());
    merges.iter().map(show).collect()
}

#[test]
fn the_most_frequent_pair_wins_and_then_the_greatest() {
    assert_eq!(learn("ab ab cd", 2), ["a+b", "c+d"]);
    assert_eq!(learn("ab\nab\ncd", 2), ["a+b", "c+d"]);
    assert_eq!(learn("ab\ncd\nca", 3), ["c+d", "c+a", "a+b"]);
    // b"b" is greater than b"ab", although its token is older.
    assert_eq!(learn("abab\nabx\nby\nabx\nby", 2), ["a+b", "b+y"]);
}

#[test]
fn overlapping_pairs_merge_from_left_to_right() {
    assert_eq!(learn("aaaaa", 9), ["a+a", "aa+aa", "aaaa+a"]);
    assert_eq!(learn("aaa", 9), ["a+a", "aa+a"]);
}

#[test]
fn learning_stops_when_no_pair_is_left() {
    assert_eq!(learn("a b", 9), [" +b"]);
    assert_eq!(learn("", 9), [""; 0]);
}

#[test]
fn no_two_merges_make_the_same_token() {
    let text = "abc\nabc\nbc\nbc\nbc\nab\nab\nab\nab\nxabc\nabcx\nzab\nbcz ".repeat(3);
    let mut joined: Vec<String> = learn(&text, 1000)
        .iter()
        .map(|m| m.replace('+', ""))
        .collect();
    joined.sort();
    let count = joined.len();
    joined.dedup();
    assert_eq!(joined.len(), count);
}

#[test]
fn counts_go_beyond_32_bits() {
    let mut counts = PieceCounts::default();
    counts.add(b"ab", 1 << 33);
    counts.add(b"xy", (1 << 33) - 1);
    let merges = learn_merges(&counts, &[], &learning(9), &Progress::default()).expect("valid");
    let merges = merges.to_bytes();
    let pair = |left: &[u8], right: &[u8]| (left.to_vec(), right.to_vec());
    assert_eq!(merges, [pair(b"a", b"b"), pair(b"x", b"y")]);
}

#[test]
fn counts_that_64_bits_cannot_hold_are_refused() {
    let mut counts = PieceCounts::default();
    counts.add(b"ab", u64::MAX);
    counts.add(b"ab", 5);
    let result = learn_merges(&counts, &[], &learning(9), &Progress::default());
    assert!(matches!(result, Err(Error::CountsTooLarge)));
}

#[test]
fn rare_pairs_do_not_merge_and_ties_follow_the_rule() {
    let mut counts = PieceCounts::default();
    for (piece, count) in [(&b" a"[..], 3), (b"b~", 3), (b"\xC2\xAD", 3), (b"zz", 2)] {
        counts.add(piece, count);
    }
    let learnt = |tie_break| {
        let learning = Learning {
            num_merges: 9,
            tie_break,
            min_frequency: 3,
        };
        learn_merges(&counts, &[], &learning, &Progress::default())
            .expect("valid")
            .to_bytes()
    };
    let firsts = |merges: Vec<Merge>| merges.iter().map(|(left, _)| left[0]).collect::<Vec<_>>();
    assert_eq!(firsts(learnt(TieBreak::Bytes)), [0xC2, b'b', b' ']);
    // The characters are `\u{C2}`, `b` and `\u{120}`.
    assert_eq!(firsts(learnt(TieBreak::HuggingFace)), [b'b', 0xC2, b' ']);
}

#[test]
fn threads_and_cuts_make_no_difference() {
    let words = [
        "the ",
        "cat's",
        " sat\n\n",
        "42 ",
        "caf\u{e9} ",
        "<|x|>",
        "zebra  ",
        "!?",
    ];
    let mut state = 3_usize;
    let text: String = (0..1_200_000)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            words[(state >> 33) % words.len()]
        })
        .collect();
    assert!(text.len() as u64 > 2 * crate::count::PART_BYTES);
    let sources = [
        TextSource::Memory(text.as_bytes(), 1),
        TextSource::Memory(b"tail", 2),
    ];
    let special_tokens = [b"<|x|>".to_vec()];
    let merges = [1, 2, 5].map(|num_threads| {
        let how = (InvalidUtf8::Reject, num_threads);
        train(&sources, &special_tokens, 60, how, &Progress::default()).expect("valid")
    });
    assert!(merges[0].len() > 30);
    assert!(
        merges[0]
            .iter()
            .all(|(left, right)| !left.contains(&b'|') && !right.contains(&b'|'))
    );
    assert_eq!(merges[0], merges[1]);
    assert_eq!(merges[0], merges[2]);
}

#[test]
fn malformed_text_is_refused_with_its_offset_or_replaced() {
    let sources = [
        TextSource::Memory(b"fine", 1),
        TextSource::Memory(b"ab \xE2\x82 cd", 2),
    ];
    let refused = train(&sources, &[], 5, PLAINLY, &Progress::default());
    assert!(matches!(refused, Err(Error::InvalidUtf8 { offset: 3, .. })));
    let message = refused.expect_err("it was refused").to_string();
    assert!(message.starts_with("text number 2 is not valid UTF-8 at byte offset 3; "));
    let how = (InvalidUtf8::Replace, 1);
    let merges = train(&sources, &[], 99, how, &Progress::default()).expect("they are replaced");
    assert!(merges.contains(&(b"\xEF\xBF".to_vec(), b"\xBD".to_vec())));
}

#[test]
fn a_cancelled_job_stops() {
    let progress = Progress::default();
    progress.cancel();
    let sources = [TextSource::Memory(b"abc", 1)];
    assert!(matches!(
        train(&sources, &[], 5, PLAINLY, &progress),
        Err(Error::Cancelled)
    ));
}

#[test]
fn a_missing_file_is_named() {
    let sources = [TextSource::File(std::path::Path::new("no/such/file"))];
    let result = train(&sources, &[], 5, PLAINLY, &Progress::default());
    let message = result.expect_err("it is not there");
    assert!(message.to_string().starts_with("`no/such/file`: "));
}
