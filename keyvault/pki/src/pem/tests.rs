use proptest::prelude::*;

use super::*;

fn found(text: &str) -> Vec<(&str, Vec<u8>)> {
    split(text)
        .into_iter()
        .map(|block| (block.label, block.der.to_vec()))
        .collect()
}

#[test]
fn lines_have_64_columns_and_end_in_a_line_feed() {
    for (length, longest, lines) in [(0, 0, 0), (1, 4, 1), (48, 64, 1), (49, 64, 2), (97, 64, 3)] {
        let text = encode(CERTIFICATE, &vec![7; length]);
        let inner: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with("-----"))
            .collect();
        assert_eq!(inner.len(), lines, "{length} bytes");
        assert_eq!(
            inner.iter().map(|line| line.len()).max().unwrap_or(0),
            longest
        );
        assert!(text.starts_with("-----BEGIN CERTIFICATE-----\n"));
        assert!(text.ends_with("-----END CERTIFICATE-----\n"));
    }
    assert_eq!(encode("X", &[]), "-----BEGIN X-----\n-----END X-----\n");
    assert_eq!(
        encode("X", b"abc"),
        "-----BEGIN X-----\nYWJj\n-----END X-----\n"
    );
}

#[test]
fn encoding_never_grows_its_buffer() {
    for length in 0..200 {
        let text = encode("X", &vec![1; length]);
        assert!(text.len() <= text.capacity() && text.capacity() < text.len() + 32);
    }
}

#[test]
fn blocks_are_found_between_other_text() {
    let text = "Bag Attributes\n  friendlyName: x\n-----BEGIN A-----\nYWJj\n-----END A-----\n\
                subject=CN = y\n\n-----BEGIN B C-----\nZGVm\n-----END B C-----";
    assert_eq!(
        found(text),
        [("A", b"abc".to_vec()), ("B C", b"def".to_vec())]
    );
    let texts: Vec<&str> = split(text).into_iter().map(|block| block.text).collect();
    assert_eq!(
        texts,
        [
            "-----BEGIN A-----\nYWJj\n-----END A-----",
            "-----BEGIN B C-----\nZGVm\n-----END B C-----"
        ]
    );
}

#[test]
fn tolerated_forms_decode() {
    let cases = [
        ("CRLF", "-----BEGIN A-----\r\nYWJj\r\n-----END A-----\r\n"),
        (
            "blanks at line ends",
            "-----BEGIN A----- \t\nYWJj  \n-----END A-----  \n",
        ),
        (
            "blanks inside",
            "-----BEGIN A-----\nYW Jj\t\n-----END A-----\n",
        ),
        (
            "short lines",
            "-----BEGIN A-----\nY\nW\nJ\nj\n-----END A-----\n",
        ),
        (
            "one header",
            "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nYWJj\n-----END A-----\n",
        ),
        (
            "an open BEGIN before",
            "-----BEGIN B-----\nZZ\n-----BEGIN A-----\nYWJj\n-----END A-----",
        ),
        (
            "a broken block before",
            "-----BEGIN B-----\n!\n-----END B-----\n-----BEGIN A-----\nYWJj\n-----END A-----",
        ),
        (
            "a stray END before",
            "x\n-----END B-----\n-----BEGIN A-----\nYWJj\n-----END A-----",
        ),
        (
            "no line feed at the end",
            "-----BEGIN A-----\nYWJj\n-----END A-----",
        ),
    ];
    for (name, text) in cases {
        assert_eq!(found(text), [("A", b"abc".to_vec())], "{name}");
    }
    assert_eq!(
        found("-----BEGIN A-----\n-----END A-----\n"),
        [("A", vec![])]
    );
    assert_eq!(
        found("-----BEGIN A-----\nYR==\n-----END A-----\n"),
        [("A", vec![b'a'])]
    );
}

#[test]
fn what_is_no_block_is_left_out() {
    let cases = [
        ("nothing", ""),
        (
            "BEGIN inside a line",
            "x-----BEGIN A-----\nYWJj\n-----END A-----\n",
        ),
        (
            "labels differ",
            "-----BEGIN A-----\nYWJj\n-----END B-----\n",
        ),
        (
            "text after END",
            "-----BEGIN A-----\nYWJj\n-----END A-----x\n",
        ),
        (
            "no dashes after the label",
            "-----BEGIN A\nYWJj\n-----END A-----\n",
        ),
        ("no padding", "-----BEGIN A-----\nYW\n-----END A-----\n"),
        (
            "not base64",
            "-----BEGIN A-----\nY\u{e4}Jj\n-----END A-----\n",
        ),
        ("END cut off", "-----BEGIN A-----\nYWJj\n-----END A---"),
        (
            "headers up to the end",
            "-----BEGIN A-----\nK: v\n-----END A-----\n",
        ),
        (
            "a label with a colon",
            "-----BEGIN A:-----\n-----END A:-----\n",
        ),
    ];
    for (name, text) in cases {
        assert_eq!(found(text), [], "{name}");
    }
}

#[test]
fn debug_shows_no_content() {
    let text = encode(PRIVATE_KEY, b"secret");
    let shown = format!("{:?}", split(&text));
    assert_eq!(
        shown,
        "[Block { label: \"PRIVATE KEY\", der: <6 bytes>, .. }]"
    );
}

proptest! {
    #[test]
    fn what_is_encoded_is_found(ders in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..5), between in "[a-z \n]{0,20}") {
        let text: String = ders.iter().map(|der| format!("{}{between}\n", encode(CERTIFICATE, der))).collect();
        let blocks = split(&text);
        prop_assert_eq!(blocks.len(), ders.len());
        for (block, der) in blocks.iter().zip(&ders) {
            prop_assert_eq!(block.der.as_slice(), der.as_slice());
            prop_assert_eq!(format!("{}\n", block.text), encode(CERTIFICATE, der));
        }
    }

    #[test]
    fn no_text_breaks_the_decoder(text in "(-----|BEGIN |END |A|:|\n|\r\n| |=|YWJj|\u{e4}){0,60}") {
        for block in split(&text) {
            prop_assert!(text.contains(block.text));
        }
    }
}
