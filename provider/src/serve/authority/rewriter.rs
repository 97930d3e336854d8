//! Finds the header blocks in the octets a client sends; no I/O.

use bytes::BytesMut;

use super::header_block;

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEAD_LENGTH: usize = 9;
/// The default of `SETTINGS_MAX_FRAME_SIZE`, which the server leaves as it is.
const MAX_FRAME_SIZE: usize = 16_384;

const HEADERS: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// The adapter's state machine over one connection's incoming octets.
///
/// Its output has the length of its input and differs only inside `:authority` values. The input
/// may be split anywhere.
#[derive(Debug)]
pub struct Rewriter {
    state: State,
    /// A frame's head, or a HEADERS frame, until it is complete: never more than
    /// `HEAD_LENGTH + MAX_FRAME_SIZE` octets.
    held: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// So many octets were those of the preface.
    Preface(usize),
    /// Collects the head of a frame.
    Head,
    /// Collects a HEADERS frame of this length, head included.
    Headers(usize),
    /// So many octets of the frame are still to pass.
    Body(usize),
    /// Not HTTP/2: everything passes.
    Opaque,
}

impl Default for Rewriter {
    fn default() -> Self {
        Self::new()
    }
}

impl Rewriter {
    /// The state before the first octet of a connection.
    pub fn new() -> Self {
        Self {
            state: State::Preface(0),
            held: Vec::new(),
        }
    }

    /// Takes octets as they arrive and appends what may be passed on.
    pub fn push(&mut self, mut input: &[u8], out: &mut BytesMut) {
        while !input.is_empty() {
            input = match self.state {
                State::Preface(matched) => self.preface(matched, input, out),
                State::Head => self.head(input, out),
                State::Headers(length) => self.headers(length, input, out),
                State::Body(remaining) => {
                    let (passed, rest) = take(input, remaining);
                    out.extend_from_slice(passed);
                    self.state = match remaining - passed.len() {
                        0 => State::Head,
                        remaining => State::Body(remaining),
                    };
                    rest
                }
                State::Opaque => {
                    out.extend_from_slice(input);
                    &[]
                }
            };
        }
    }

    /// The client closed its side: appends what was held back of an incomplete frame.
    pub fn finish(&mut self, out: &mut BytesMut) {
        out.extend_from_slice(&self.held);
        self.held.clear();
        self.state = State::Opaque;
    }

    fn preface<'a>(&mut self, matched: usize, input: &'a [u8], out: &mut BytesMut) -> &'a [u8] {
        let (_, expected) = PREFACE.split_at(matched);
        let (passed, rest) = take(input, expected.len());
        out.extend_from_slice(passed);
        self.state = match () {
            () if !expected.starts_with(passed) => State::Opaque,
            () if passed.len() == expected.len() => State::Head,
            () => State::Preface(matched + passed.len()),
        };
        rest
    }

    fn head<'a>(&mut self, input: &'a [u8], out: &mut BytesMut) -> &'a [u8] {
        let rest = self.hold(input, HEAD_LENGTH);
        if let [l2, l1, l0, kind, flags, _, _, _, _] = *self.held.as_slice() {
            let length = usize::from(l2) << 16 | usize::from(l1) << 8 | usize::from(l0);
            let whole = kind == HEADERS && flags & END_HEADERS != 0;
            if whole && (1..=MAX_FRAME_SIZE).contains(&length) {
                self.state = State::Headers(HEAD_LENGTH + length);
            } else {
                out.extend_from_slice(&self.held);
                self.held.clear();
                self.state = if length == 0 {
                    State::Head
                } else {
                    State::Body(length)
                };
            }
        }
        rest
    }

    fn headers<'a>(&mut self, length: usize, input: &'a [u8], out: &mut BytesMut) -> &'a [u8] {
        let rest = self.hold(input, length);
        if self.held.len() == length {
            if let Some(block) = block(&mut self.held) {
                header_block::replace_authority(block);
            }
            out.extend_from_slice(&self.held);
            self.held.clear();
            self.state = State::Head;
        }
        rest
    }

    fn hold<'a>(&mut self, input: &'a [u8], length: usize) -> &'a [u8] {
        let (taken, rest) = take(input, length.saturating_sub(self.held.len()));
        self.held.extend_from_slice(taken);
        rest
    }
}

fn take(input: &[u8], at_most: usize) -> (&[u8], &[u8]) {
    input.split_at(at_most.min(input.len()))
}

/// The header block of a HEADERS frame, without padding and priority; `None` if they do not fit.
fn block(frame: &mut [u8]) -> Option<&mut [u8]> {
    let (head, mut payload) = frame.split_at_mut_checked(HEAD_LENGTH)?;
    let flags = *head.get(4)?;
    if flags & PADDED != 0 {
        let (padding, padded) = payload.split_first_mut()?;
        let length = padded.len().checked_sub(usize::from(*padding))?;
        (payload, _) = padded.split_at_mut_checked(length)?;
    }
    if flags & PRIORITY != 0 {
        (_, payload) = payload.split_at_mut_checked(5)?;
    }
    Some(payload)
}
