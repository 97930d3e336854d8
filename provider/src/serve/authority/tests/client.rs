//! What a client puts on the wire, written out by hand: every HPACK representation, and frames.

use std::collections::VecDeque;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0x0;
pub(super) const HEADERS: u8 = 0x1;
pub(super) const RST_STREAM: u8 = 0x3;
pub(super) const SETTINGS: u8 = 0x4;
pub(super) const CONTINUATION: u8 = 0x9;
pub(super) const END_STREAM: u8 = 0x1;
pub(super) const END_HEADERS: u8 = 0x4;
pub(super) const PADDED: u8 = 0x8;
pub(super) const PRIORITY: u8 = 0x20;

const STATIC_NAMES: [(&str, usize); 4] = [
    (":authority", 1),
    (":path", 4),
    ("content-type", 31),
    ("user-agent", 58),
];
const STATIC_LENGTH: usize = 61;

/// RFC 7541 appendix B: the length of each octet's code. The codes follow, being canonical.
#[rustfmt::skip]
const CODE_LENGTHS: [usize; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];

#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// By index where the table has the field, else `Incremental`.
    Indexed,
    Incremental,
    WithoutIndexing,
    NeverIndexed,
}

#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) value: Vec<u8>,
    pub(super) form: Form,
    pub(super) literal_name: bool,
    pub(super) coded_name: bool,
    pub(super) coded_value: bool,
}

impl Field {
    pub(super) fn new(name: &str, value: impl Into<Vec<u8>>, form: Form) -> Self {
        let (literal_name, coded_name, coded_value) = (false, true, true);
        Self {
            name: name.into(),
            value: value.into(),
            form,
            literal_name,
            coded_name,
            coded_value,
        }
    }

    /// The field as a server should see it behind the adapter.
    pub(super) fn expected(&self) -> (Vec<u8>, Vec<u8>) {
        let value = match self.name.as_str() {
            ":authority" => self
                .value
                .iter()
                .map(|&o| if o == b'/' || o == b'%' { b'-' } else { o })
                .collect(),
            _ => self.value.clone(),
        };
        (self.name.clone().into(), value)
    }

    pub(super) fn original(&self) -> (Vec<u8>, Vec<u8>) {
        (self.name.clone().into(), self.value.clone())
    }
}

/// An HPACK encoder with the dynamic table of one connection.
pub(super) struct Encoder {
    table: VecDeque<(String, Vec<u8>)>,
    capacity: usize,
    codes: Vec<u32>,
}

impl Encoder {
    pub(super) fn new() -> Self {
        let mut symbols: Vec<usize> = (0..256).collect();
        symbols.sort_by_key(|&symbol| (CODE_LENGTHS[symbol], symbol));
        let mut codes = vec![0; 256];
        let (mut code, mut length) = (0_u32, 5);
        for symbol in symbols {
            code <<= CODE_LENGTHS[symbol] - length;
            length = CODE_LENGTHS[symbol];
            codes[symbol] = code;
            code += 1;
        }
        Self {
            table: VecDeque::new(),
            capacity: 4096,
            codes,
        }
    }

    pub(super) fn resize(&mut self, capacity: usize, out: &mut Vec<u8>) {
        self.capacity = capacity;
        self.evict();
        integer(0x20, 5, capacity, out);
    }

    pub(super) fn encode(&mut self, field: &Field, out: &mut Vec<u8>) {
        let found = self
            .table
            .iter()
            .position(|(n, v)| *n == field.name && *v == field.value);
        let (bits, prefix) = match (field.form, found) {
            (Form::Indexed, Some(at)) => return integer(0x80, 7, STATIC_LENGTH + 1 + at, out),
            (Form::Indexed | Form::Incremental, _) => (0x40, 6),
            (Form::WithoutIndexing, _) => (0x00, 4),
            (Form::NeverIndexed, _) => (0x10, 4),
        };
        match self.name_index(&field.name).filter(|_| !field.literal_name) {
            Some(index) => integer(bits, prefix, index, out),
            None => {
                integer(bits, prefix, 0, out);
                self.string(field.name.as_bytes(), field.coded_name, out);
            }
        }
        self.string(&field.value, field.coded_value, out);
        if bits == 0x40 {
            self.table
                .push_front((field.name.clone(), field.value.clone()));
            self.evict();
        }
    }

    fn name_index(&self, name: &str) -> Option<usize> {
        let fixed = STATIC_NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, index)| *index);
        let dynamic = || self.table.iter().position(|(n, _)| n == name);
        fixed.or_else(|| dynamic().map(|at| STATIC_LENGTH + 1 + at))
    }

    fn evict(&mut self) {
        while self
            .table
            .iter()
            .map(|(n, v)| n.len() + v.len() + 32)
            .sum::<usize>()
            > self.capacity
        {
            self.table.pop_back();
        }
    }

    fn string(&self, octets: &[u8], coded: bool, out: &mut Vec<u8>) {
        if !coded {
            integer(0, 7, octets.len(), out);
            return out.extend_from_slice(octets);
        }
        let (mut bits, mut pending, mut coded) = (0_u64, 0, Vec::new());
        for &octet in octets {
            let length = CODE_LENGTHS[usize::from(octet)];
            bits = bits << length | u64::from(self.codes[usize::from(octet)]);
            pending += length;
            while pending >= 8 {
                pending -= 8;
                coded.push((bits >> pending) as u8);
            }
        }
        if pending > 0 {
            coded.push((bits << (8 - pending) | 0xff >> pending) as u8);
        }
        integer(0x80, 7, coded.len(), out);
        out.extend_from_slice(&coded);
    }
}

fn integer(bits: u8, prefix: u32, value: usize, out: &mut Vec<u8>) {
    let limit = (1 << prefix) - 1;
    if value < limit {
        return out.push(bits | value as u8);
    }
    out.push(bits | limit as u8);
    let mut rest = value - limit;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// A HEADERS frame with what the flags ask for around the block.
pub(super) fn headers(flags: u8, stream: u32, padding: u8, block: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    if flags & PADDED != 0 {
        payload.push(padding);
    }
    if flags & PRIORITY != 0 {
        payload.extend([0, 0, 0, 0, 15]);
    }
    payload.extend_from_slice(block);
    if flags & PADDED != 0 {
        // Padding that looks like a path in an authority must survive.
        payload.extend([0x41, 0x01, b'/'].iter().cycle().take(usize::from(padding)));
    }
    frame(HEADERS, flags, stream, &payload)
}

pub(super) struct Frame<'a> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: &'a [u8],
}

/// Splits what one side sent (without a preface) into its complete frames.
pub(super) fn frames(mut octets: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    while let Some((head, rest)) = octets.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let Some((payload, rest)) = rest.split_at_checked(length) else {
            break;
        };
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
        frames.push(Frame {
            kind: head[3],
            flags: head[4],
            stream,
            payload,
        });
        octets = rest;
    }
    frames
}

impl<'a> Frame<'a> {
    pub(super) fn block(&self) -> &'a [u8] {
        let mut block = self.payload;
        if self.flags & PADDED != 0 {
            block = &block[1..block.len() - usize::from(block[0])];
        }
        if self.flags & PRIORITY != 0 {
            block = &block[5..];
        }
        block
    }
}
