//! Where GPT-2's pattern cuts a text.
//!
//! The pattern is `'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`. Contractions
//! aside, a pre-token begins
//! - where a run of letters, of numbers or of neither begins, unless U+0020 stands before it,
//! - where white space begins, and
//! - at the last character of white space, unless the text ends there.

use crate::class_masks::{BLOCK_BYTES, ClassMasks, classify};
use crate::classes::Class;
use crate::scanner::Scanner;

/// Blocks that are looked at together.
const WINDOW_BLOCKS: usize = 32;
const WINDOW_BYTES: usize = WINDOW_BLOCKS * BLOCK_BYTES;
/// What must be seen after a position to know whether a pre-token begins there: a contraction, or the
/// rest of a character and the next one.
const LOOK_AHEAD: usize = 8;

/// Call `visit` with where each pre-token of the text begins and ends.
#[inline]
pub(crate) fn scan(scanner: &Scanner<'_>, mut visit: impl FnMut(usize, usize)) {
    let text = scanner.text;
    let mut starts = [0; WINDOW_BLOCKS];
    // Where the next pre-token begins; every window begins there.
    let mut start = 0;
    while start < text.len() {
        let window = start;
        let is_last = text.len() - window < WINDOW_BYTES;
        let num_blocks = find_starts(text, window, &mut starts);
        for (number, &block) in starts[..num_blocks].iter().enumerate() {
            let mut block = block;
            while block != 0 {
                let end = window + number * BLOCK_BYTES + block.trailing_zeros() as usize;
                visit(start, end);
                start = end;
                block &= block - 1;
            }
        }
        if is_last {
            visit(start, text.len());
            return;
        }
        if start == window {
            let end = pre_token_end(scanner, start);
            visit(start, end);
            start = end;
        }
    }
}

/// Mark where pre-tokens begin after `window`, where one does, as far as that is sure; return how
/// many blocks were looked at.
#[inline]
fn find_starts(text: &[u8], window: usize, starts: &mut [u64; WINDOW_BLOCKS]) -> usize {
    let mut masks = [ClassMasks::default(); WINDOW_BLOCKS + 1];
    let length = text.len() - window;
    let (sure, num_blocks) = if length < WINDOW_BYTES {
        (length, length / BLOCK_BYTES + 1)
    } else {
        (WINDOW_BYTES - LOOK_AHEAD, WINDOW_BLOCKS)
    };
    classify(text, window, &mut masks[..num_blocks]);
    if length < WINDOW_BYTES {
        // White space at the end of the text is one pre-token, as if more of it followed.
        masks[length / BLOCK_BYTES].spaces |= 1 << (length % BLOCK_BYTES);
    }
    let mut before = Before::default();
    for number in 0..num_blocks {
        let (block, next) = (&masks[number], &masks[number + 1]);
        let last_spaces = block.spaces & !(block.spaces >> 1 | next.spaces << 63);
        starts[number] = run_starts(block, &mut before) | last_spaces;
        if last_spaces & block.space_tails != 0 {
            move_to_first_bytes(last_spaces & block.space_tails, number, &masks, starts);
        }
    }
    for number in 0..num_blocks {
        let apostrophes = starts[number] & masks[number].apostrophes;
        if apostrophes != 0 {
            split_contractions(apostrophes, number, &text[window..], starts);
        }
    }
    starts[0] &= !1;
    let sure_block = sure / BLOCK_BYTES;
    starts[sure_block] &= (1 << (sure % BLOCK_BYTES)) - 1;
    num_blocks
}

/// The last byte before a block, in the lowest bit of each mask.
#[derive(Default)]
struct Before {
    letters: u64,
    numbers: u64,
    spaces: u64,
    others: u64,
    blanks: u64,
}

/// Where runs of one class begin in a block, unless they join the U+0020 before them.
#[inline]
fn run_starts(block: &ClassMasks, before: &mut Before) -> u64 {
    let after = |mask: u64, before: &mut u64| {
        let shifted = mask << 1 | *before;
        *before = mask >> 63;
        shifted
    };
    let others = !(block.letters | block.numbers | block.spaces);
    let runs = block.letters & !after(block.letters, &mut before.letters)
        | block.numbers & !after(block.numbers, &mut before.numbers)
        | others & !after(others, &mut before.others);
    let white_space = block.spaces & !after(block.spaces, &mut before.spaces);
    runs & !after(block.blanks, &mut before.blanks) | white_space
}

/// Move starts from the last byte of white space to the first byte of its last character.
#[cold]
fn move_to_first_bytes(
    mut last_bytes: u64,
    number: usize,
    masks: &[ClassMasks],
    starts: &mut [u64],
) {
    while last_bytes != 0 {
        let mut at = number * BLOCK_BYTES + last_bytes.trailing_zeros() as usize;
        starts[number] &= !(1 << (at % BLOCK_BYTES));
        while masks[at / BLOCK_BYTES].space_tails >> (at % BLOCK_BYTES) & 1 == 1 {
            at -= 1;
        }
        starts[at / BLOCK_BYTES] |= 1 << (at % BLOCK_BYTES);
        last_bytes &= last_bytes - 1;
    }
}

/// Let pre-tokens begin after the contractions at `apostrophes`, and none inside.
#[inline]
fn split_contractions(mut apostrophes: u64, number: usize, text: &[u8], starts: &mut [u64]) {
    while apostrophes != 0 {
        let at = number * BLOCK_BYTES + apostrophes.trailing_zeros() as usize;
        let length = contraction_length(&text[at..]);
        if length > 0 {
            let (inside, after) = (at + 1, at + length);
            // What lies beyond the window is not sure and left to the next one.
            if let Some(block) = starts.get_mut(inside / BLOCK_BYTES) {
                *block &= !(1 << (inside % BLOCK_BYTES));
            }
            if let Some(block) = starts.get_mut(after / BLOCK_BYTES) {
                *block |= 1 << (after % BLOCK_BYTES);
            }
        }
        apostrophes &= apostrophes - 1;
    }
}

/// End of the pre-token that begins at `start`, which must lie in the text.
///
/// This is the pattern character by character, for pre-tokens longer than a window.
fn pre_token_end(scanner: &Scanner<'_>, start: usize) -> usize {
    let text = scanner.text;
    let first = text[start];
    if first == b'\'' {
        let length = contraction_length(&text[start..]);
        if length > 0 {
            return start + length;
        }
    }
    // One U+0020, and no other white space, joins what follows it.
    let body = start + usize::from(first == b' ' && start + 1 < text.len());
    let Some((class, length)) = scanner.class_at(body) else {
        return body;
    };
    let run = if class.is_in(Class::LETTER) {
        Class::LETTER
    } else if class.is_in(Class::NEITHER) {
        Class::NEITHER
    } else if class == Class::NUMBER {
        Class::NUMBER
    } else {
        return scanner.white_space(start).without_last(start, text);
    };
    scanner.run_end(run, body + length)
}

/// Length of the English contraction that begins with the apostrophe at the start of `text`, or 0.
fn contraction_length(text: &[u8]) -> usize {
    match text[1..] {
        [b's' | b'd' | b'm' | b't', ..] => 2,
        [b'l', b'l', ..] | [b'v' | b'r', b'e', ..] => 3,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::tests::{ALPHABET, random_numbers};
    use crate::scanner::scan as scan_by_character;

    /// What the fast scanner and the one by characters make of a text.
    fn both(text: &[u8]) -> [Vec<(usize, usize)>; 2] {
        let (mut fast, mut plain) = (Vec::new(), Vec::new());
        scan(&Scanner::new(text), |start, end| fast.push((start, end)));
        scan_by_character(text, pre_token_end, |start, end| plain.push((start, end)));
        [fast, plain]
    }

    #[test]
    fn texts_of_several_windows_are_cut_as_by_character() {
        let mut random = random_numbers(5);
        for round in 0..60 {
            // Few characters make long runs, which reach over the borders of blocks and windows.
            let (few, most) = (1 + random(12), WINDOW_BYTES * 3 * (1 + round % 2) / 2);
            let chosen: Vec<_> = (0..few).map(|_| ALPHABET[random(ALPHABET.len())]).collect();
            let mut text = Vec::new();
            let length = random(most);
            while text.len() < length {
                let longest = if random(20) == 0 { 3_000 } else { 9 };
                text.extend(chosen[random(few)].repeat(1 + random(longest)));
            }
            let [fast, plain] = both(&text);
            assert!(fast == plain, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_crosses_a_border_is_cut_as_by_character() {
        let pieces: [&[u8]; 7] = [
            b"'s's",
            b" 'll",
            b"'ve1",
            b"\xE3\x80\x80\xE3\x80\x80a",
            b"\xC2\xA0 x",
            b"  ",
            b"\xF0\x9F\x99\x82'm",
        ];
        for border in [BLOCK_BYTES, WINDOW_BYTES] {
            for piece in pieces {
                for before in border - 9..border + 2 {
                    for filler in [&b"a"[..], b"a b ", b" ", b"."] {
                        let mut text: Vec<u8> =
                            filler.iter().copied().cycle().take(before).collect();
                        text.extend_from_slice(piece);
                        let [fast, plain] = both(&text);
                        assert!(fast == plain, "{}", text.escape_ascii());
                        text.extend_from_slice(b"tail of the text ".repeat(9).as_slice());
                        let [fast, plain] = both(&text);
                        assert!(fast == plain, "{}", text.escape_ascii());
                    }
                }
            }
        }
    }
}
