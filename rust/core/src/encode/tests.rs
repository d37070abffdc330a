//! Encoding against merging by definition, and back again.

use super::*;
use crate::merge::SHORT_PIECE_BYTES;
use crate::pattern::tests::random_numbers;
use crate::{InvalidUtf8, Learning, Pattern, PreTokenCounter, Progress, TextSource, TieBreak};

const TEXT: &[u8] =
    b"the cat that sat there, then the other thing; aaaaaaa bananas \xC3\xA9\xC3\xA9 ";

/// An encoder that has learnt every merge there is in `TEXT`, with two special tokens.
pub(crate) fn encoder() -> (Encoder, Vec<crate::Merge>) {
    let mut counter = PreTokenCounter::new(Pattern::Gpt2, Vec::new()).expect("no specials");
    let progress = Progress::default();
    let sources = [TextSource::Memory(TEXT, 1)];
    counter
        .count(&sources, InvalidUtf8::Reject, 1, &progress)
        .expect("the text is valid");
    let learning = Learning {
        num_merges: usize::MAX,
        tie_break: TieBreak::Bytes,
        min_frequency: 1,
    };
    let merges = counter
        .learn_merges(&learning, &progress)
        .expect("few counts")
        .to_bytes();
    let joined = merges
        .iter()
        .map(|(left, right)| [&left[..], right].concat());
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).chain(joined).collect();
    tokens.extend([b"<s>".to_vec(), b"<s><s>".to_vec()]);
    let tokens: Vec<(u32, Vec<u8>)> = (0..).zip(tokens).collect();
    let last = tokens.len() as u32 - 1;
    let specials = vec![(b"<s>".to_vec(), last - 1), (b"<s><s>".to_vec(), last)];
    let vocabulary = Vocabulary::new(&tokens, &merges).expect("a trained vocabulary is valid");
    (
        Encoder::new(vocabulary, specials, Pattern::Gpt2, false).expect("the specials are in it"),
        merges,
    )
}

/// Apply the merges one after the other to the whole piece: slow, and true by definition.
fn merge_one_by_one(piece: &[u8], merges: &[crate::Merge]) -> Vec<Vec<u8>> {
    let mut symbols: Vec<Vec<u8>> = piece.iter().map(|&byte| vec![byte]).collect();
    for (left, right) in merges {
        let mut index = 0;
        while index + 1 < symbols.len() {
            if symbols[index] == *left && symbols[index + 1] == *right {
                let right = symbols.remove(index + 1);
                symbols[index].extend(right);
            }
            index += 1;
        }
    }
    symbols
}

#[test]
fn all_ways_of_merging_apply_the_merges_in_order() {
    let (encoder, merges) = encoder();
    let mut workspace = Workspace::new();
    let mut random = random_numbers(7);
    let mut draw =
        |length: usize| -> Vec<u8> { (0..length).map(|_| b"ahnt es"[random(7)]).collect() };
    let bytes = |ids: &[u32]| -> Vec<Vec<u8>> {
        ids.iter()
            .map(|&id| encoder.decode(&[id]).expect("known"))
            .collect()
    };
    for length in 1..200 {
        let piece = draw(length);
        let (mut short, mut long) = (Vec::new(), Vec::new());
        encoder
            .vocabulary
            .merge_by_heap(&piece, &mut workspace.scratch, &mut long);
        if piece.len() <= SHORT_PIECE_BYTES {
            encoder.vocabulary.merge_short(&piece, &mut short);
        } else {
            short.clone_from(&long); // it takes no longer ones
        }
        let expected = merge_one_by_one(&piece, &merges);
        assert_eq!(bytes(&short), expected, "{}", piece.escape_ascii());
        assert_eq!(bytes(&long), expected, "{}", piece.escape_ascii());
    }
    for round in 0..500 {
        let pieces: Vec<Vec<u8>> = (0..=round % MOST_TOGETHER)
            .map(|number| draw(1 + (round + 5 * number) % LANE_BYTES))
            .collect();
        let lanes = &mut workspace.scratch.lanes;
        for (index, piece) in pieces.iter().enumerate() {
            lanes.start(index, piece, &encoder.vocabulary);
        }
        lanes.merge(pieces.len(), &encoder.vocabulary);
        for (index, piece) in pieces.iter().enumerate() {
            let mut together = Vec::new();
            lanes.append(index, &mut together);
            let expected = merge_one_by_one(piece, &merges);
            assert_eq!(bytes(&together), expected, "{}", piece.escape_ascii());
        }
    }
}

#[test]
fn every_byte_survives_the_round_trip() {
    let (encoder, _) = encoder();
    let all: Vec<u8> = (0..=255).cycle().step_by(7).take(5000).collect();
    for with_special_tokens in [false, true] {
        let ids = encoder.encode(&all, with_special_tokens).expect("no limit");
        assert_eq!(encoder.decode(&ids).expect("known"), all);
    }
}

#[test]
fn special_tokens_become_ids_only_when_asked_for() {
    let (encoder, _) = encoder();
    let [one, two] =
        [b"<s>", &b"<s><s>"[..]].map(|token| encoder.special_id(token).expect("known"));
    assert_eq!(
        encoder.encode(b"<s><s><s>", true).expect("no limit"),
        [two, one]
    );
    assert!(
        !encoder
            .encode(b"<s>", false)
            .expect("no limit")
            .contains(&one)
    );
    assert_eq!(encoder.encode(b"", true).expect("no limit"), []);
}

#[test]
fn a_piece_of_a_million_bytes_comes_back() {
    // Were merging quadratic, this would never end.
    let (encoder, _) = encoder();
    let piece = vec![b'a'; 1_000_000];
    let ids = encoder.encode(&piece, true).expect("no limit");
    assert_eq!(encoder.decode(&ids).expect("known"), piece);
}

#[test]
fn an_unknown_id_is_named() {
    let (encoder, _) = encoder();
    assert!(matches!(
        encoder.decode(&[5, 99_999]),
        Err(Error::UnknownTokenId { id: 99_999, .. })
    ));
}

#[test]
fn a_whole_token_needs_no_merges_when_they_are_to_be_ignored() {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    tokens.extend([b"ab".to_vec(), b"abc".to_vec(), b"bcd".to_vec()]);
    let tokens: Vec<(u32, Vec<u8>)> = (0..).zip(tokens).collect();
    let build = |ignore_merges| {
        let vocabulary = Vocabulary::new(&tokens, &[(b"a", b"b")]).expect("valid");
        let specials = vec![(b"bcd".to_vec(), 258), (b"ab".to_vec(), 256)];
        Encoder::new(vocabulary, specials, Pattern::Gpt2, ignore_merges).expect("valid")
    };
    let ordinary = |encoder: &Encoder, text: &[u8]| encoder.encode(text, false).expect("easy");
    let (by_merges, ignoring) = (build(false), build(true));
    assert_eq!(ordinary(&by_merges, b"abc"), [256, 99]);
    assert_eq!(ordinary(&ignoring, b"abc"), [257]);
    assert_eq!(ordinary(&ignoring, b"ab"), [256]); // special, and what a merge makes
    assert_eq!(ordinary(&ignoring, b"bcd"), [98, 99, 100]); // special alone
    assert_eq!(ordinary(&ignoring, b"abcd"), [256, 99, 100]);
}
