//! The little of HPACK (RFC 7541) that is needed to find a literal's value in a header block and
//! to replace characters inside of it, plain or Huffman-coded, without moving anything.

use std::ops::Range;

/// The index of `:authority` in the static table.
const STATIC_AUTHORITY: usize = 1;
const AUTHORITY: &[u8] = b":authority";
/// `:authority` in Huffman code; there is only one way to encode it.
const AUTHORITY_CODED: &[u8] = &[0xb8, 0x3b, 0x53, 0x39, 0xec, 0x32, 0x7d, 0x7f];

/// No header block in a frame is this long; also keeps the arithmetic far from overflow.
const INTEGER_LIMIT: usize = 1 << 16;

/// Six-bit Huffman codes.
const SLASH: u16 = 0b01_1000;
const PERCENT: u16 = 0b01_0101;
const HYPHEN: u16 = 0b01_0110;

/// How many symbols have a code of how many bits. The code is canonical, so this tells where one
/// symbol ends and the next begins. The end-of-string symbol, which must not occur, is left out.
const CODES: [(usize, u64); 21] = [
    (5, 10),
    (6, 26),
    (7, 32),
    (8, 6),
    (10, 5),
    (11, 3),
    (12, 2),
    (13, 6),
    (14, 2),
    (15, 3),
    (19, 3),
    (20, 8),
    (21, 13),
    (22, 26),
    (23, 29),
    (24, 12),
    (25, 4),
    (26, 15),
    (27, 19),
    (28, 29),
    (30, 3),
];

/// Replaces `/` and `%` by `-` in the value of each `:authority` literal.
///
/// Stops at the first thing that is not HPACK: h2 then fails the connection.
pub(super) fn replace_authority(block: &mut [u8]) {
    let mut reader = Reader { block, at: 0 };
    while let Some(field) = reader.next_authority() {
        let Some(octets) = reader.block.get_mut(field.octets) else {
            return;
        };
        if field.coded {
            replace_in_code(octets);
        } else {
            for octet in octets
                .iter_mut()
                .filter(|octet| matches!(octet, b'/' | b'%'))
            {
                *octet = b'-';
            }
        }
    }
}

struct Reader<'a> {
    block: &'a mut [u8],
    at: usize,
}

struct StringLiteral {
    coded: bool,
    octets: Range<usize>,
}

impl Reader<'_> {
    /// The value of the next `:authority` literal; `None` at the end of what can be read.
    fn next_authority(&mut self) -> Option<StringLiteral> {
        loop {
            let first = *self.block.get(self.at)?;
            // Representations of RFC 7541 section 6, told apart by the first bits.
            let name_prefix = match first {
                0x80.. => {
                    self.integer(7)?;
                    continue;
                }
                0x40.. => 6,
                0x20.. => {
                    self.integer(5)?;
                    continue;
                }
                _ => 4,
            };
            let authority = match self.integer(name_prefix)? {
                0 => {
                    let name = self.string()?;
                    let octets = self.block.get(name.octets)?;
                    octets
                        == if name.coded {
                            AUTHORITY_CODED
                        } else {
                            AUTHORITY
                        }
                }
                index => index == STATIC_AUTHORITY,
            };
            let value = self.string()?;
            if authority {
                return Some(value);
            }
        }
    }

    /// An integer (section 5.1) whose first octet holds `prefix` bits of it.
    fn integer(&mut self, prefix: u32) -> Option<usize> {
        let limit = (1_usize << prefix) - 1;
        let mut value = usize::from(self.octet()?) & limit;
        if value < limit {
            return Some(value);
        }
        for shift in [0, 7, 14] {
            let octet = self.octet()?;
            value += usize::from(octet & 0x7f) << shift;
            if octet & 0x80 == 0 {
                return (value < INTEGER_LIMIT).then_some(value);
            }
        }
        None
    }

    fn octet(&mut self) -> Option<u8> {
        let octet = *self.block.get(self.at)?;
        self.at += 1;
        Some(octet)
    }

    /// A string literal (section 5.2) that lies wholly inside the block.
    fn string(&mut self) -> Option<StringLiteral> {
        let coded = *self.block.get(self.at)? & 0x80 != 0;
        let length = self.integer(7)?;
        let octets = self.at..self.at + length;
        self.block.get(octets.clone())?;
        self.at = octets.end;
        Some(StringLiteral { coded, octets })
    }
}

fn replace_in_code(octets: &mut [u8]) {
    let mut at = 0;
    while let Some(length) = code_length(window(octets, at)) {
        let end = at + length;
        if end > octets.len() * 8 {
            return;
        }
        if length == 6 {
            replace_code(octets, at);
        }
        at = end;
    }
}

/// The 32 bits from bit `at` on. What is missing reads as ones, like the padding of a string, so
/// that it is no code.
fn window(octets: &[u8], at: usize) -> u64 {
    let octet = |index| u64::from(octets.get(index).copied().unwrap_or(0xff));
    let first = at / 8;
    let bits = (first..first + 5).fold(0, |bits, index| bits << 8 | octet(index));
    bits >> (8 - at % 8) & 0xffff_ffff
}

/// The length of the code at the beginning of the 32 bits; `None` for end of string or padding.
fn code_length(window: u64) -> Option<usize> {
    let mut end = 0;
    for (length, count) in CODES {
        end += count << (32 - length);
        if window < end {
            return Some(length);
        }
    }
    None
}

/// Replaces the six-bit code at bit `at` if it is one of the two.
fn replace_code(octets: &mut [u8], at: usize) {
    let first = at / 8;
    let shift = 10 - at % 8;
    let octet = |index| octets.get(index).copied().unwrap_or(0);
    let pair = u16::from_be_bytes([octet(first), octet(first + 1)]);
    if !matches!(pair >> shift & 0x3f, SLASH | PERCENT) {
        return;
    }
    let replaced = pair & !(0x3f << shift) | HYPHEN << shift;
    for (octet, value) in octets.iter_mut().skip(first).zip(replaced.to_be_bytes()) {
        *octet = value;
    }
}
