//! Whatever vocabulary and merges are given, building an encoder fails with an error, or every text
//! comes back from its ids, and merging goes by the definition.

#![no_main]

use libfuzzer_sys::fuzz_target;
use nanot_bpe::{Encoder, Pattern, Vocabulary};

/// Read merges of one to four bytes a side from the front of `data`; return them and the text.
fn split_input(data: &[u8]) -> (Vec<(Vec<u8>, Vec<u8>)>, &[u8]) {
    let mut rest = data;
    let mut merges = Vec::new();
    let Some((&count, after)) = rest.split_first() else {
        return (merges, rest);
    };
    rest = after;
    for _ in 0..count % 32 {
        let Some((&lengths, after)) = rest.split_first() else {
            break;
        };
        let (left, right) = (
            1 + usize::from(lengths & 3),
            1 + usize::from(lengths >> 2 & 3),
        );
        if after.len() < left + right {
            break;
        }
        merges.push((after[..left].to_vec(), after[left..left + right].to_vec()));
        rest = &after[left + right..];
    }
    (merges, rest)
}

/// Merge by looking at every pair, the lowest rank and of those the leftmost first.
fn naive(piece: &[u8], merges: &[(Vec<u8>, Vec<u8>)]) -> Vec<Vec<u8>> {
    let mut parts: Vec<Vec<u8>> = piece.iter().map(|&byte| vec![byte]).collect();
    loop {
        let best = parts
            .windows(2)
            .enumerate()
            .filter_map(|(index, pair)| {
                let rank = merges
                    .iter()
                    .position(|(l, r)| *l == pair[0] && *r == pair[1]);
                rank.map(|rank| (rank, index))
            })
            .min();
        let Some((_, index)) = best else { return parts };
        let right = parts.remove(index + 1);
        parts[index].extend(right);
    }
}

fuzz_target!(|data: &[u8]| {
    let (merges, text) = split_input(data);
    let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
    for (left, right) in &merges {
        let joined = [&left[..], right].concat();
        if !tokens.contains(&joined) {
            tokens.push(joined);
        }
    }
    let tokens: Vec<(u32, Vec<u8>)> = (0..).zip(tokens).collect();
    let Ok(vocabulary) = Vocabulary::new(&tokens, &merges) else {
        return;
    };
    let pattern = Pattern::parse("gpt2").expect("a known pattern");
    let encoder =
        Encoder::new(vocabulary, Vec::new(), pattern.clone(), false).expect("no specials");
    let ids = encoder
        .encode(text, true)
        .expect("this pattern has no limit");
    assert_eq!(encoder.decode(&ids).expect("its own ids"), text);
    let mut expected = Vec::new();
    pattern
        .for_each_piece(text, |piece| expected.extend(naive(piece, &merges)))
        .expect("this pattern has no limit");
    let found: Vec<Vec<u8>> = ids
        .iter()
        .map(|&id| tokens[id as usize].1.clone())
        .collect();
    assert_eq!(found, expected);
});
