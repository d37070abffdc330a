//! What a token cache holds, and that threads and cuts leave no trace in it.

use super::*;
use crate::Pattern;
use crate::Vocabulary;

const DELIMITER: &[u8] = b"<|x|>";

/// Bytes as ids, the delimiter as 256, and one merge.
fn encoder() -> Encoder {
    let bytes = (0..=255).map(|byte: u8| (u32::from(byte), vec![byte]));
    let more = [(256, DELIMITER.to_vec()), (257, b"ab".to_vec())];
    let tokens: Vec<_> = bytes.chain(more).collect();
    let vocabulary = Vocabulary::new(&tokens, &[(b"a", b"b")]).expect("valid");
    Encoder::new(
        vocabulary,
        vec![(DELIMITER.to_vec(), 256)],
        Pattern::Gpt2,
        false,
    )
    .expect("valid")
}

/// A folder that is removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("nanot-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    fn spans(&self, text: &[u8]) -> Vec<Span> {
        let path = self.0.join("text");
        std::fs::write(&path, text).expect("the text is written");
        vec![Span {
            path,
            start: 0,
            stop: text.len() as u64,
        }]
    }

    /// Run a job on the spans; return what was written and both files.
    fn write(&self, spans: &[Span], num_threads: usize) -> Result<(Written, [Vec<u8>; 2]), Error> {
        let paths = [self.0.join("tokens.npy"), self.0.join("documents.npy")];
        let job = TokenArraysJob {
            spans,
            tokens_path: &paths[0],
            documents_path: &paths[1],
            delimiter: Some(DELIMITER),
            invalid_utf8: InvalidUtf8::Reject,
            held_out_below: 0,
            keep_held_out: false,
            num_threads,
        };
        let written = write_token_arrays(&encoder(), &job, &Progress::default())?;
        Ok((
            written,
            paths.map(|path| std::fs::read(path).expect("the file was written")),
        ))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn ids(file: &[u8]) -> Vec<u32> {
    let values = file[128..].as_chunks::<2>().0;
    values
        .iter()
        .map(|&value| u32::from(u16::from_le_bytes(value)))
        .collect()
}

#[test]
fn documents_begin_with_the_delimiter_and_blank_ones_are_skipped() {
    let folder = Folder::new("documents");
    let spans = folder.spans(b"<|x|>\nab\n<|x|>\r\n c<|x|> \n<|x|>\n\nd");
    let (written, [tokens, documents]) = folder.write(&spans, 2).expect("valid");
    let expected: [&[u32]; 3] = [&[256, 257, 10], &[256, 32, 99], &[256, 10, 100]];
    assert_eq!(ids(&tokens), expected.concat());
    assert_eq!(
        written,
        Written {
            tokens: 9,
            documents: 3
        }
    );
    assert_eq!(documents.len(), 256 + 3 * 36);
    let second = &documents[256 + 36..];
    assert_eq!(&second[..24], [3_u64, 16, 2].map(u64::to_le_bytes).concat());
}

#[test]
fn threads_blocks_and_parts_make_no_difference() {
    let folder = Folder::new("threads");
    let mut text = Vec::new();
    let mut expected = Vec::new();
    // Short documents, so that delimiters cross the ends of blocks, and one of many parts.
    for number in 0..150_000 {
        text.extend_from_slice(format!("{number} ab  z").as_bytes());
        text.extend_from_slice(if number % 2 == 0 {
            b"<|x|>\n"
        } else {
            b"<|x|>\r\n"
        });
    }
    text.extend(b" word\nab".repeat(1_000_000)); // 8 bytes each
    let (short, long) = text.split_at(text.len() - 8_000_000);
    let encoder = encoder();
    for document in short.split(|&byte| byte == b'>') {
        let document = document.strip_suffix(b"<|x|").unwrap_or(document);
        let document = document.trim_ascii_start(); // the line break after a delimiter
        if !document.is_empty() {
            expected.push(256);
            expected.extend(encoder.encode(document, false).expect("no limit"));
        }
    }
    expected.push(256);
    expected.extend(encoder.encode(long, false).expect("no limit"));
    let spans = folder.spans(&text);
    let (written, files) = folder.write(&spans, 1).expect("valid");
    assert_eq!(
        written,
        Written {
            tokens: expected.len() as u64,
            documents: 150_001
        }
    );
    assert!(ids(&files[0]) == expected);
    for num_threads in [2, 5] {
        let (_, others) = folder.write(&spans, num_threads).expect("valid");
        assert!(files == others);
    }
}

#[test]
fn the_first_malformed_byte_is_named_whatever_the_threads() {
    let folder = Folder::new("malformed");
    let mut text = b"fine text. ".repeat(800_000);
    text[3_000_000] = 0xFF;
    text[7_000_000] = 0xFF;
    let spans = folder.spans(&text);
    for num_threads in [1, 4] {
        let result = folder.write(&spans, num_threads);
        assert!(matches!(
            result,
            Err(Error::InvalidUtf8 {
                offset: 3_000_000,
                ..
            })
        ));
    }
}

#[test]
fn a_file_that_ends_too_early_is_an_error() {
    let folder = Folder::new("short");
    let mut spans = folder.spans(b"abc");
    spans[0].stop = 5;
    let result = folder.write(&spans, 2);
    assert!(matches!(
        result,
        Err(Error::FileTooShort {
            length: 3,
            expected: 5,
            ..
        })
    ));
}
