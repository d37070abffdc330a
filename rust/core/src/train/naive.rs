//! What merges mean, without anything that makes them fast: every pair is counted for every merge.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::*;
use crate::pattern::tests::random_numbers;

/// The character that GPT-2's files write a byte as.
fn character(byte: u8) -> u32 {
    let is_printable = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    if is_printable(byte) {
        u32::from(byte)
    } else {
        256 + (0..byte).filter(|&other| !is_printable(other)).count() as u32
    }
}

fn learn_naively(
    counts: &[(Vec<u8>, u64)],
    reserved: &[Vec<u8>],
    learning: &Learning,
) -> Vec<Merge> {
    let mut words: Vec<(Vec<Vec<u8>>, u64)> = counts
        .iter()
        .map(|(piece, count)| (piece.iter().map(|&byte| vec![byte]).collect(), *count))
        .collect();
    let mut tokens: Vec<Vec<u8>> = (0..=u8::MAX).map(|byte| vec![byte]).collect();
    tokens.sort_by_key(|token| character(token[0]));
    let mut merges: Vec<Merge> = Vec::new();
    while merges.len() < learning.num_merges {
        let taken: HashSet<&Vec<u8>> = tokens.iter().chain(reserved).collect();
        let mut pairs: HashMap<Merge, u64> = HashMap::new();
        for (word, count) in &words {
            for pair in word.windows(2) {
                *pairs.entry((pair[0].clone(), pair[1].clone())).or_default() += count;
            }
        }
        pairs.retain(|(left, right), count| {
            *count >= learning.min_frequency.max(1) && !taken.contains(&[&left[..], right].concat())
        });
        let number = |token: &Vec<u8>| tokens.iter().position(|other| other == token);
        let best = match learning.tie_break {
            TieBreak::Bytes => pairs.into_iter().max_by_key(|(pair, n)| (*n, pair.clone())),
            TieBreak::HuggingFace => pairs
                .into_iter()
                .max_by_key(|((left, right), n)| (*n, Reverse((number(left), number(right))))),
        };
        let Some(((left, right), _)) = best else {
            break;
        };
        for (word, _) in &mut words {
            let mut index = 0;
            while index + 1 < word.len() {
                if word[index] == left && word[index + 1] == right {
                    let second = word.remove(index + 1);
                    word[index].extend(second);
                }
                index += 1;
            }
        }
        tokens.push([&left[..], &right].concat());
        merges.push((left, right));
    }
    merges
}

#[test]
fn merges_are_those_of_counting_every_pair_every_time() {
    let alphabets: [&[u8]; 4] = [b"ab", b"aaab", b"abcdefgh", b"\0 \xC2\xA0\xADaz~"];
    let mut random = random_numbers(7);
    let mut num_merges = 0;
    for round in 0..200 {
        let alphabet = alphabets[round % alphabets.len()];
        let mut pieces: HashMap<Vec<u8>, u64> = HashMap::new();
        for _ in 0..random(30) {
            let length = random(if round % 5 == 0 { 40 } else { 9 });
            let piece = (0..length)
                .map(|_| alphabet[random(alphabet.len())])
                .collect();
            *pieces.entry(piece).or_default() += random(6) as u64;
        }
        let mut counts = PieceCounts::default();
        for (piece, &count) in &pieces {
            counts.add(piece, count);
        }
        let reserved = [&b"ab"[..], b"aab", b"az~"][..random(4)]
            .iter()
            .map(|token| token.to_vec())
            .collect::<Vec<_>>();
        for tie_break in [TieBreak::Bytes, TieBreak::HuggingFace] {
            let learning = Learning {
                num_merges: random(60),
                tie_break,
                min_frequency: random(4) as u64,
            };
            let items: Vec<_> = pieces.clone().into_iter().collect();
            let expected = learn_naively(&items, &reserved, &learning);
            // However many pairs are left aside at first, they are found when it is their turn.
            for first_cutoff in [1, 5, 1000] {
                let found =
                    learn_from_cutoff(&counts, &reserved, &learning, &Progress::default(), |_| {
                        first_cutoff
                    });
                assert_eq!(found.expect("small counts").to_bytes(), expected);
            }
            num_merges += expected.len();
        }
    }
    assert!(num_merges > 3_000, "only {num_merges} merges were compared");
}
