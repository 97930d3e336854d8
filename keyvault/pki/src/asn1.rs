//! Reading DER element by element.
//!
//! Certificates and PKCS#12 files in the field break rules that no reader here depends on (serial
//! numbers, time formats, name strings), so only the elements that are needed are looked into.
//! Everything returns `None` for what is not DER; callers say which part that was.

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};

/// The elements inside one constructed value.
pub(crate) struct Elements<'a>(SliceReader<'a>);

impl<'a> Elements<'a> {
    /// The elements that follow one another in `content`.
    pub(crate) fn of(content: &'a [u8]) -> Option<Self> {
        SliceReader::new(content).ok().map(Self)
    }

    /// The elements of the SEQUENCE that is all of `der`.
    pub(crate) fn of_sequence(der: &'a [u8]) -> Option<Self> {
        Self::of(whole(der, Tag::Sequence)?)
    }

    /// The next element, whatever it is.
    pub(crate) fn any(&mut self) -> Option<AnyRef<'a>> {
        AnyRef::decode(&mut self.0).ok()
    }

    /// The next element with its tag and length.
    pub(crate) fn raw(&mut self) -> Option<&'a [u8]> {
        self.0.tlv_bytes().ok()
    }

    /// The content of the next element, which has this tag.
    pub(crate) fn expect(&mut self, tag: Tag) -> Option<&'a [u8]> {
        let element = self.any()?;
        (element.tag() == tag).then(|| element.value())
    }

    /// The content of the next element if it has this tag; otherwise nothing is read.
    pub(crate) fn optional(&mut self, tag: Tag) -> Option<&'a [u8]> {
        if self.peek()? == tag {
            self.expect(tag)
        } else {
            None
        }
    }

    /// The elements of the next element, a SEQUENCE.
    pub(crate) fn sequence(&mut self) -> Option<Elements<'a>> {
        Self::of(self.expect(Tag::Sequence)?)
    }

    /// The next element, a non-negative INTEGER of at most 64 bits.
    pub(crate) fn unsigned(&mut self) -> Option<u64> {
        unsigned(self.expect(Tag::Integer)?)
    }

    /// The next element, an OBJECT IDENTIFIER.
    pub(crate) fn oid(&mut self) -> Option<ObjectIdentifier> {
        ObjectIdentifier::from_bytes(self.expect(Tag::ObjectIdentifier)?).ok()
    }

    /// The next element, an AlgorithmIdentifier.
    pub(crate) fn algorithm(&mut self) -> Option<Algorithm<'a>> {
        let mut elements = self.sequence()?;
        let oid = elements.oid()?;
        let parameters = if elements.is_empty() {
            None
        } else {
            Some(elements.any()?)
        };
        Some(Algorithm { oid, parameters })
    }

    /// The tag of the next element.
    pub(crate) fn peek(&self) -> Option<Tag> {
        Tag::peek(&self.0).ok()
    }

    /// Whether all elements are read.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_finished()
    }
}

/// An AlgorithmIdentifier.
pub(crate) struct Algorithm<'a> {
    pub(crate) oid: ObjectIdentifier,
    pub(crate) parameters: Option<AnyRef<'a>>,
}

impl<'a> Algorithm<'a> {
    /// The parameters, when they are a SEQUENCE.
    pub(crate) fn sequence(&self) -> Option<Elements<'a>> {
        Elements::of(self.content(Tag::Sequence)?)
    }

    /// The content of the parameters, when they have this tag.
    pub(crate) fn content(&self, tag: Tag) -> Option<&'a [u8]> {
        let parameters = self.parameters?;
        (parameters.tag() == tag).then(|| parameters.value())
    }
}

/// The content of the one element that is all of `der` and has this tag.
pub(crate) fn whole(der: &[u8], tag: Tag) -> Option<&[u8]> {
    let mut elements = Elements::of(der)?;
    let content = elements.expect(tag)?;
    elements.is_empty().then_some(content)
}

/// The octets of a BIT STRING's content; its length must be a multiple of eight bits.
pub(crate) fn octets(bit_string: &[u8]) -> Option<&[u8]> {
    bit_string.strip_prefix(&[0])
}

/// The tag `[number]` of a constructed value, as EXPLICIT tagging writes it.
pub(crate) const fn explicit(number: u32) -> Tag {
    Tag::ContextSpecific {
        constructed: true,
        number: TagNumber(number),
    }
}

/// The tag `[number]` of a primitive value under IMPLICIT tagging.
pub(crate) const fn implicit(number: u32) -> Tag {
    Tag::ContextSpecific {
        constructed: false,
        number: TagNumber(number),
    }
}

fn unsigned(integer: &[u8]) -> Option<u64> {
    if integer.first()? & 0x80 != 0 {
        return None;
    }
    let digits = integer.strip_prefix(&[0]).unwrap_or(integer);
    if digits.len() > 8 {
        return None;
    }
    Some(
        digits
            .iter()
            .fold(0, |number, byte| (number << 8) | u64::from(*byte)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_non_negative_and_fit() {
        assert_eq!(unsigned(&[0]), Some(0));
        assert_eq!(unsigned(&[0, 0x80]), Some(128));
        assert_eq!(
            unsigned(&[0, 255, 255, 255, 255, 255, 255, 255, 255]),
            Some(u64::MAX)
        );
        assert_eq!(unsigned(&[1, 0, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(unsigned(&[0x80]), None);
        assert_eq!(unsigned(&[]), None);
    }

    #[test]
    fn whole_means_nothing_before_or_after() {
        assert_eq!(whole(&[4, 1, 7], Tag::OctetString), Some(&[7][..]));
        assert_eq!(whole(&[4, 1, 7, 0], Tag::OctetString), None);
        assert_eq!(whole(&[4, 1, 7], Tag::Integer), None);
        assert_eq!(whole(&[4, 2, 7], Tag::OctetString), None);
    }
}
