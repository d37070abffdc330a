//! A batch against its texts one by one.

use super::*;
use crate::pattern::tests::random_numbers;
use crate::{Pattern, Vocabulary};

fn encoder(pattern: &str) -> Encoder {
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    tokens.extend([b"ab".to_vec(), b" ab".to_vec(), b"<s>".to_vec()]);
    let tokens: Vec<(u32, Vec<u8>)> = (0..).zip(tokens).collect();
    let merges = [(&b"a"[..], &b"b"[..]), (b" ", b"ab")];
    let vocabulary = Vocabulary::new(&tokens, &merges).expect("valid");
    let specials = vec![(b"<s>".to_vec(), 258)];
    let pattern = Pattern::parse(pattern).expect("valid");
    Encoder::new(vocabulary, specials, pattern, false).expect("the special is in it")
}

#[test]
fn a_batch_has_the_ids_of_its_texts_for_any_number_of_threads() {
    let mut random = random_numbers(5);
    let pieces: [&[u8]; 6] = [b"ab ", b" ab", b"<s>", b"\n\n", b"\xFF", b"12"];
    for pattern in ["gpt2", "gpt4o", r"\S+|\s+"] {
        let encoder = encoder(pattern);
        let texts: Vec<Vec<u8>> = [0, 3, 200_000, 0, 10, 1, 60_000, 90_000, 0]
            .iter()
            .map(|&length| {
                (0..length)
                    .flat_map(|_| pieces[random(6)].to_vec())
                    .collect()
            })
            .collect();
        let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
        for with_specials in [true, false] {
            let expected: Vec<Vec<u32>> = texts
                .iter()
                .map(|text| encoder.encode(text, with_specials).expect("easy"))
                .collect();
            for num_threads in [0, 1, 3] {
                let progress = Progress::default();
                let flat = encoder
                    .encode_batch(&texts, with_specials, num_threads, &progress)
                    .expect("easy");
                assert!(flat.texts().eq(expected.iter().map(Vec::as_slice)));
                let decoded = encoder.decode_batch(&expected, num_threads, &progress);
                assert_eq!(decoded.expect("its own ids"), texts);
            }
        }
    }
}

#[test]
fn no_texts_make_no_ids() {
    let flat = encoder("gpt2").encode_batch(&[], true, 0, &Progress::default());
    assert_eq!(flat.expect("nothing to do").offsets, [0]);
}
