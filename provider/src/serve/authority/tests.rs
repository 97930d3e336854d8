mod client;
mod tonic_server;

use bytes::BytesMut;
use client::{
    CONTINUATION, DATA, END_HEADERS, Encoder, Field, Form, HEADERS, PADDED, PREFACE, PRIORITY,
    SETTINGS, frame, frames, headers,
};
use loona_hpack::Decoder;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::{AuthorityStream, Rewriter};

const PATH: &str = "/var/run/secrets-store-csi-providers/azure.sock";
const REPLACED: &str = "-var-run-secrets-store-csi-providers-azure.sock";

/// Feeds `input` in pieces of the given sizes (repeated) and returns everything that came out.
fn rewrite(input: &[u8], pieces: &[usize]) -> Vec<u8> {
    let (mut rewriter, mut out) = (Rewriter::new(), BytesMut::new());
    let mut rest = input;
    for &size in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, next) = rest.split_at(size.min(rest.len()));
        rewriter.push(piece, &mut out);
        rest = next;
    }
    rewriter.finish(&mut out);
    out.to_vec()
}

fn connection(parts: &[Vec<u8>]) -> Vec<u8> {
    let mut octets = PREFACE.to_vec();
    octets.extend(frame(SETTINGS, 0, 0, &[]));
    parts.iter().for_each(|part| octets.extend(part));
    octets
}

fn block(fields: &[Field]) -> Vec<u8> {
    let (mut encoder, mut block) = (Encoder::new(), Vec::new());
    fields
        .iter()
        .for_each(|field| encoder.encode(field, &mut block));
    block
}

/// Every header list of a connection, by a decoder that keeps its dynamic table.
fn decode(octets: &[u8]) -> Vec<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut decoder = Decoder::new();
    frames(&octets[PREFACE.len()..])
        .iter()
        .filter(|frame| frame.kind == HEADERS)
        .map(|frame| decoder.decode(frame.block()).unwrap())
        .collect()
}

#[test]
fn a_path_is_replaced_in_every_literal_form() {
    for form in [Form::Incremental, Form::WithoutIndexing, Form::NeverIndexed] {
        for bits in 0..8 {
            let mut field = Field::new(":authority", PATH, form);
            field.literal_name = bits & 1 != 0;
            field.coded_name = bits & 2 != 0;
            field.coded_value = bits & 4 != 0;
            let input = connection(&[headers(END_HEADERS, 1, 0, &block(&[field.clone()]))]);
            let decoded = decode(&rewrite(&input, &[usize::MAX]));
            assert_eq!(
                decoded,
                [[(b":authority".to_vec(), REPLACED.into())]],
                "{field:?}"
            );
        }
    }
}

#[test]
fn an_authority_of_a_current_driver_passes_byte_for_byte() {
    for authority in ["localhost", "azure.sock", "[::1]:80", ""] {
        for coded in [false, true] {
            let mut field = Field::new(":authority", authority, Form::Incremental);
            field.coded_value = coded;
            let path = Field::new(
                ":path",
                "/v1alpha1.CSIDriverProvider/Mount",
                Form::Incremental,
            );
            let input = connection(&[headers(END_HEADERS, 1, 0, &block(&[path, field]))]);
            assert_eq!(rewrite(&input, &[7]), input, "{authority:?}");
        }
    }
}

#[test]
fn what_is_not_understood_passes_byte_for_byte() {
    let literal = block(&[Field::new(":authority", PATH, Form::Incremental)]);
    let mut long = literal.clone();
    long.resize(16_385, 0x82);
    let mut no_name = vec![0x41, 0xff, 0xff, 0xff, 0x7f];
    no_name.extend(literal.clone());
    let cases = [
        ("HTTP/1.1", b"GET /a HTTP/1.1\r\nhost: /a\r\n\r\n".to_vec()),
        (
            "almost the preface",
            [b"PRI * HTTP/2.1".to_vec(), literal.clone()].concat(),
        ),
        (
            "continued",
            connection(&[headers(0, 1, 0, &literal), frame(CONTINUATION, 4, 1, &[])]),
        ),
        ("too long", connection(&[headers(END_HEADERS, 1, 0, &long)])),
        (
            "other frame",
            connection(&[frame(DATA, END_HEADERS, 1, &literal)]),
        ),
        (
            "padding too long",
            connection(&[frame(HEADERS, 0xc, 1, &[&[99], &*literal].concat())]),
        ),
        (
            "priority cut off",
            connection(&[frame(HEADERS, 0x24, 1, &[1, 2, 3, 4])]),
        ),
        (
            "empty block",
            connection(&[frame(HEADERS, END_HEADERS, 1, &[])]),
        ),
        (
            "integer too long",
            connection(&[headers(END_HEADERS, 1, 0, &no_name)]),
        ),
        (
            "string cut off",
            connection(&[headers(END_HEADERS, 1, 0, &literal[..20])]),
        ),
        ("frame cut off", {
            let whole = connection(&[headers(END_HEADERS, 1, 0, &literal)]);
            whole[..whole.len() - 1].to_vec()
        }),
        ("nothing", Vec::new()),
    ];
    for (case, input) in cases {
        for pieces in [1, 10, usize::MAX] {
            assert_eq!(rewrite(&input, &[pieces]), input, "{case}");
        }
    }
}

#[test]
fn the_longest_allowed_frame_is_rewritten() {
    let mut block = block(&[Field::new(":authority", PATH, Form::Incremental)]);
    block.resize(16_384, 0x82);
    let input = connection(&[headers(END_HEADERS, 1, 0, &block)]);
    assert_eq!(
        decode(&rewrite(&input, &[4096]))[0][0].1,
        REPLACED.as_bytes()
    );
}

#[tokio::test]
async fn the_stream_yields_the_rewritten_octets_and_then_its_end() {
    let literal = block(&[Field::new(":authority", PATH, Form::Incremental)]);
    let mut input = connection(&[headers(END_HEADERS, 1, 0, &literal)]);
    input.extend(frame(DATA, 0, 1, &[b'/'; 40_000]));
    input.extend(b"cut");
    let (mut theirs, ours) = duplex(64);
    let sent = input.clone();
    let writer = tokio::spawn(async move {
        theirs.write_all(&sent).await.unwrap();
        theirs.shutdown().await.unwrap();
        let mut answer = Vec::new();
        theirs.read_to_end(&mut answer).await.unwrap();
        answer
    });
    let (mut stream, mut received) = (AuthorityStream::new(ours), Vec::new());
    stream.read_to_end(&mut received).await.unwrap();
    assert_eq!(received, rewrite(&input, &[usize::MAX]));
    assert_ne!(received, input);
    stream.write_all(b"answer /").await.unwrap();
    drop(stream);
    assert_eq!(writer.await.unwrap(), b"answer /");
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        PATH,
        "%2Fvar%2Frun%2Fazure.sock",
        "/",
        "",
        "localhost",
        "/a%b/c:d",
    ];
    prop_oneof![
        4 => select(known.to_vec()).prop_map(|text| text.as_bytes().to_vec()),
        2 => "[/%a-z0-9.:_-]{1,40}".prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..40),
        // Longer than most of the table sizes below.
        1 => (b'a'..=b'z', 0..600_usize).prop_map(|(octet, length)| vec![octet; length]),
    ]
}

fn field() -> impl Strategy<Value = Field> {
    let names = [
        ":authority",
        ":authority",
        ":path",
        "content-type",
        "user-agent",
        "x-a",
        "/%",
    ];
    let forms = [
        Form::Indexed,
        Form::Indexed,
        Form::Incremental,
        Form::WithoutIndexing,
        Form::NeverIndexed,
    ];
    (
        select(names.to_vec()),
        value(),
        select(forms.to_vec()),
        0_u8..8,
    )
        .prop_map(|(name, value, form, bits)| Field {
            name: name.into(),
            value,
            form,
            literal_name: bits & 1 != 0,
            coded_name: bits & 2 != 0,
            coded_value: bits & 4 != 0,
        })
}

#[derive(Debug, Clone)]
struct Request {
    resize: Option<usize>,
    fields: Vec<Field>,
    flags: u8,
    padding: u8,
    data: Vec<u8>,
}

fn request() -> impl Strategy<Value = Request> {
    let flags = select(vec![0, PADDED, PRIORITY, PADDED | PRIORITY]);
    let resize = proptest::option::weighted(0.3, 0..600_usize);
    (
        resize,
        vec(field(), 1..6),
        flags,
        any::<u8>(),
        vec(any::<u8>(), 0..20),
    )
        .prop_map(|(resize, fields, flags, padding, data)| Request {
            resize,
            fields,
            flags,
            padding,
            data,
        })
}

proptest! {
    // Two and a half header blocks each on average, so more than 10,000 of them.
    #![proptest_config(ProptestConfig::with_cases(4_400))]

    #[test]
    fn only_authorities_change_over_many_requests_and_any_split(
        requests in vec(request(), 1..5),
        pieces in vec(1..60_usize, 1..6),
    ) {
        let mut encoder = Encoder::new();
        let mut parts = Vec::new();
        for (stream, request) in (1..).step_by(2).zip(&requests) {
            let mut block = Vec::new();
            if let Some(capacity) = request.resize {
                encoder.resize(capacity, &mut block);
            }
            request.fields.iter().for_each(|field| encoder.encode(field, &mut block));
            parts.push(headers(request.flags | END_HEADERS, stream, request.padding, &block));
            parts.push(frame(DATA, 0, stream, &request.data));
        }
        let input = connection(&parts);
        let output = rewrite(&input, &pieces);

        let list = |of: fn(&Field) -> (Vec<u8>, Vec<u8>)| -> Vec<Vec<_>> {
            requests.iter().map(|request| request.fields.iter().map(of).collect()).collect()
        };
        prop_assert_eq!(decode(&input), list(Field::original));
        prop_assert_eq!(decode(&output), list(Field::expected));
        prop_assert_eq!(output.len(), input.len());
        for (before, after) in frames(&input[PREFACE.len()..]).iter().zip(frames(&output[PREFACE.len()..])) {
            prop_assert_eq!((before.kind, before.flags, before.stream), (after.kind, after.flags, after.stream));
            if before.kind != HEADERS {
                prop_assert_eq!(before.payload, after.payload);
            }
        }
    }
}

proptest! {
    #[test]
    fn what_does_not_begin_like_http2_passes_unchanged(
        matched in 0..PREFACE.len(),
        tail in vec(any::<u8>(), 1..300),
        pieces in vec(1..60_usize, 1..6),
    ) {
        prop_assume!(tail[0] != PREFACE[matched]);
        let input = [&PREFACE[..matched], &tail].concat();
        prop_assert_eq!(rewrite(&input, &pieces), input);
    }

    #[test]
    fn arbitrary_header_blocks_keep_their_length_and_do_not_panic(
        block in vec(any::<u8>(), 0..300),
        flags in any::<u8>(),
        pieces in vec(1..60_usize, 1..6),
    ) {
        let input = connection(&[frame(HEADERS, flags, 1, &block), frame(DATA, 0, 1, b"/after/")]);
        let output = rewrite(&input, &pieces);
        prop_assert_eq!(output.len(), input.len());
        prop_assert!(output.ends_with(b"/after/"));
    }
}
