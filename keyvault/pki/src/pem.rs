//! PEM text: writing one block, and finding the blocks of a text.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use zeroize::Zeroizing;

/// Label of a certificate's block.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// Label of a PKCS#8 private key's block.
pub const PRIVATE_KEY: &str = "PRIVATE KEY";
/// Label of a `SubjectPublicKeyInfo` block.
pub const PUBLIC_KEY: &str = "PUBLIC KEY";

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";
const COLUMNS: usize = 64;

/// Padding is required, but the unused bits of the last character may be anything: what other
/// decoders accept must not fail here.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// One block of a PEM text.
#[derive(Clone, PartialEq, Eq)]
pub struct Block<'a> {
    /// What stands after `BEGIN`, such as `CERTIFICATE`.
    pub label: &'a str,
    /// The block as it stands in the text, from the first dash of the `BEGIN` line to the last
    /// dash of the `END` line: headers and line breaks untouched, no line break at the end.
    pub text: &'a str,
    /// The decoded base64, usually DER.
    pub der: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Block<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Block")
            .field("label", &self.label)
            .field("der", &format_args!("<{} bytes>", self.der.len()))
            .finish_non_exhaustive()
    }
}

/// Writes one block: base64 in lines of 64 characters, every line ended by a line feed.
///
/// The label is written as it is; callers pass constants. The text is allocated once, so that a
/// private key leaves no copies behind when the caller wipes it.
#[must_use]
pub fn encode(label: &str, der: &[u8]) -> String {
    let base64 = Zeroizing::new(STANDARD.encode(der));
    let lines = base64.len().div_ceil(COLUMNS);
    let mut text = String::with_capacity(base64.len() + lines + 2 * label.len() + 32);
    text.push_str("-----BEGIN ");
    text.push_str(label);
    text.push_str("-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at_checked(COLUMNS).unwrap_or((rest, ""));
        text.push_str(line);
        text.push('\n');
        rest = next;
    }
    text.push_str("-----END ");
    text.push_str(label);
    text.push_str("-----\n");
    text
}

/// The blocks of a text, in order.
///
/// Tolerant in the way of widely used decoders: text between blocks is skipped, lines may end in
/// CRLF and in blanks, base64 may be broken anywhere, headers are passed over, and a block that
/// does not decode is left out rather than failing the rest.
#[must_use]
pub fn split(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut position = 0;
    while let Some((block, next)) = next_block(text, position) {
        blocks.push(block);
        position = next;
    }
    blocks
}

/// The first whole block at or after `from`, and where to go on.
///
/// An `END` line is paired with the last `BEGIN` line before it, so that a `BEGIN` without an
/// `END` does not swallow the block after it.
fn next_block(text: &str, from: usize) -> Option<(Block<'_>, usize)> {
    let bytes = text.as_bytes();
    let mut position = from;
    loop {
        let end = find(bytes, END, position)?;
        let after_end = end + END.len();
        match block_before(text, position, end, after_end) {
            Candidate::Block(block) => {
                let (_, next) = line(bytes, after_end)?;
                return Some((block, next));
            }
            Candidate::Skip => position = after_end,
            Candidate::Stop => return None,
        }
    }
}

enum Candidate<'a> {
    Block(Block<'a>),
    /// Not a block; search on after this `END`.
    Skip,
    /// The headers run past the `END`: nothing after it can be told apart.
    Stop,
}

fn block_before(text: &str, from: usize, end: usize, after_end: usize) -> Candidate<'_> {
    let parse = || -> Option<Candidate<'_>> {
        let bytes = text.as_bytes();
        let begin = rfind(bytes.get(from..end)?, BEGIN)? + from;
        if begin > from && bytes.get(begin - 1) != Some(&b'\n') {
            return None;
        }
        let label_start = begin + BEGIN.len();
        let (first_line, mut body) = line(bytes, label_start)?;
        let label_length = first_line.strip_suffix(DASHES)?.len();
        let label = text.get(label_start..label_start + label_length)?;

        let mut headers = false;
        loop {
            let Some((content, next)) = line(bytes, body) else {
                return Some(Candidate::Stop);
            };
            if !content.contains(&b':') {
                break;
            }
            headers = true;
            body = next;
        }
        if headers && end < body {
            return Some(if after_end < body {
                Candidate::Stop
            } else {
                Candidate::Skip
            });
        }

        let trailer = bytes.get(after_end..)?.strip_prefix(label.as_bytes())?;
        let after = trailer.strip_prefix(DASHES)?;
        let stop = bytes.len() - after.len();
        if line(bytes, stop).is_some_and(|(content, _)| !content.is_empty()) {
            return None;
        }
        // Without content the line break of `BEGIN` is also the one before `END`: end < body.
        let der = decode_base64(bytes.get(body..end).unwrap_or_default())?;
        let text = text.get(begin..stop)?;
        Some(Candidate::Block(Block { label, text, der }))
    };
    parse().unwrap_or(Candidate::Skip)
}

fn decode_base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let mut compact = Zeroizing::new(Vec::with_capacity(text.len()));
    compact.extend(text.iter().copied().filter(|byte| !blank(byte)));
    LENIENT.decode(compact.as_slice()).ok().map(Zeroizing::new)
}

/// The line at `from` without its end and trailing blanks, and the start of the next one.
/// `None` at the end of the text.
fn line(bytes: &[u8], from: usize) -> Option<(&[u8], usize)> {
    let rest = bytes.get(from..).filter(|rest| !rest.is_empty())?;
    let (mut content, next) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(length) => {
            let content = rest.get(..length)?;
            (
                content.strip_suffix(b"\r").unwrap_or(content),
                from + length + 1,
            )
        }
        None => (rest, bytes.len()),
    };
    while let [head @ .., b' ' | b'\t'] = content {
        content = head;
    }
    Some((content, next))
}

fn find(bytes: &[u8], needle: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(needle.len())
        .position(|window| window == needle)
        .map(|at| at + from)
}

fn rfind(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .rposition(|window| window == needle)
}

#[cfg(test)]
mod tests;
