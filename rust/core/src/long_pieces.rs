//! Long pre-tokens, merged a window at a time, so that a million bytes take a thousand times as long as
//! a thousand.
//!
//! Tokens are those of the whole exactly when every two neighbours are those of their joined bytes.
//! For let some merge of the whole be the first to cross the border of two of the tokens. Until then
//! merges inside the two went on as if nothing stood around them, since the best of all pairs is the
//! best of any part that holds it. So the same merge would be the next one for the two alone, and they
//! were no tokens of their joined bytes. Within a window neighbours are fine for the same reason; what
//! is left to check is the two at each border of windows.

use crate::merge::MergeScratch;
use crate::vocabulary::Vocabulary;

/// Bytes that are merged at a time: few enough for the caches nearest to the processor.
pub(crate) const WINDOW_BYTES: usize = 1024;
/// Tokens this near to the end of a window could be others if more of the text were seen.
const MARGIN_BYTES: usize = 128;
/// After so many borders that do not fit, tokens are too long for the window, and it is made larger.
const MOST_RETRIES: usize = 64;

impl Vocabulary {
    /// Append the ids that `piece` merges to.
    pub(crate) fn merge_by_windows(
        &self,
        piece: &[u8],
        scratch: &mut MergeScratch,
        ids: &mut Vec<u32>,
    ) {
        let first = ids.len();
        let mut window = WINDOW_BYTES;
        while !self.try_window(piece, window, scratch, ids) {
            ids.truncate(first);
            window = (window * 16).min(u32::MAX as usize);
        }
    }

    /// Append the ids that `piece` merges to, unless too many borders of windows do not fit.
    fn try_window(
        &self,
        piece: &[u8],
        window: usize,
        scratch: &mut MergeScratch,
        ids: &mut Vec<u32>,
    ) -> bool {
        let first = ids.len();
        let (mut start, mut num_retries) = (0, 0);
        while start < piece.len() {
            let end = piece.len().min(start + window);
            let border = ids.len();
            self.merge_by_heap(&piece[start..end], scratch, ids);
            if border > first && !self.stand_together(ids[border - 1], ids[border], scratch) {
                if num_retries == MOST_RETRIES {
                    return false;
                }
                num_retries += 1;
                // The token before the border was not to be; the next window begins with its bytes.
                ids.truncate(border);
                start -= self.pop_last(ids);
                continue;
            }
            start = end;
            while end < piece.len() && start > end - MARGIN_BYTES && ids.len() > border + 1 {
                start -= self.pop_last(ids);
            }
        }
        true
    }

    /// Whether two tokens are what their joined bytes merge to.
    fn stand_together(&self, left: u32, right: u32, scratch: &mut MergeScratch) -> bool {
        let bytes = |id| self.token(id).unwrap_or_default();
        let joined = [bytes(left), bytes(right)].concat();
        let mut merged = Vec::new();
        self.merge_by_heap(&joined, scratch, &mut merged);
        merged == [left, right]
    }

    /// Remove the last id; return how many bytes it stands for.
    fn pop_last(&self, ids: &mut Vec<u32>) -> usize {
        ids.pop()
            .and_then(|id| self.token(id))
            .map_or(0, <[u8]>::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::tests::random_numbers;

    /// A vocabulary of random merges over a few letters, learnt from nothing, so that ranks are odd.
    fn random_vocabulary(random: &mut impl FnMut(usize) -> usize) -> Vocabulary {
        let mut tokens: Vec<Vec<u8>> = (0..=255).map(|byte| vec![byte]).collect();
        let mut merges: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let mut parts: Vec<Vec<u8>> = [b"a", b"b", b"c"].map(|letter| letter.to_vec()).to_vec();
        for _ in 0..=random(60) {
            let pair = (
                parts[random(parts.len())].clone(),
                parts[random(parts.len())].clone(),
            );
            let joined = [&pair.0[..], &pair.1].concat();
            if joined.len() > 5_000 || merges.contains(&pair) {
                continue;
            }
            if !tokens.contains(&joined) {
                tokens.push(joined.clone());
                parts.push(joined);
            }
            merges.insert(random(merges.len() + 1), pair);
        }
        let tokens: Vec<(u32, Vec<u8>)> = (0..).zip(tokens).collect();
        Vocabulary::new(&tokens, &merges).expect("all parts are tokens")
    }

    #[test]
    fn windows_make_no_difference() {
        let mut random = random_numbers(11);
        let mut scratch = MergeScratch::with_room_for(WINDOW_BYTES);
        for round in 0..300 {
            let vocabulary = random_vocabulary(&mut random);
            let letters = 1 + random(3);
            let length = WINDOW_BYTES + random(3 * WINDOW_BYTES);
            let piece: Vec<u8> = match round % 3 {
                0 => vec![b'a'; length],
                1 => (0..length).map(|_| b"abc"[random(letters)]).collect(),
                _ => {
                    let word: Vec<u8> = (0..=random(40)).map(|_| b"abc"[random(3)]).collect();
                    word.into_iter().cycle().take(length).collect()
                }
            };
            let (mut windows, mut whole) = (vec![7], Vec::new());
            vocabulary.merge_by_windows(&piece, &mut scratch, &mut windows);
            vocabulary.merge_by_heap(&piece, &mut scratch, &mut whole);
            assert!(windows[1..] == whole, "{}", piece.escape_ascii());
        }
    }
}
