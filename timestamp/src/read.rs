//! The fields of DER, one after the other (X.690: tag, length in as few bytes as can be, value).

use x509_cert::der::asn1::AnyRef;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{self, DecodeValue, Reader, SliceReader, Tag, TagNumber};

/// Bytes that are not the DER of what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {place} can't be read: {why}")]
pub struct Malformed {
    /// What was read, in the words of its standard.
    pub place: &'static str,
    pub why: der::Error,
}

/// A value with its tag, and all its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) any: AnyRef<'a>,
    pub(crate) whole: &'a [u8],
    place: &'static str,
}

/// What is left of a constructed value.
pub(crate) struct Fields<'a> {
    reader: SliceReader<'a>,
    place: &'static str,
}

/// An algorithm with its parameters (RFC 5280, section 4.1.1.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Algorithm<'a> {
    pub(crate) oid: ObjectIdentifier,
    /// Identifier and parameters, without the tag and length around them.
    pub(crate) body: &'a [u8],
    /// Whether it has no parameters, or NULL.
    pub(crate) plain: bool,
}

/// All values that stand one after the other.
pub(crate) fn members<'a>(bytes: &'a [u8], place: &'static str) -> Result<Vec<Item<'a>>, Malformed> {
    Fields::within(bytes, place)?.rest()
}

/// The tag of a field that has a number.
pub(crate) const fn numbered(number: u32, constructed: bool) -> Tag {
    Tag::ContextSpecific { constructed, number: TagNumber(number) }
}

impl<'a> Item<'a> {
    /// The one value in these bytes; what follows it is refused.
    pub(crate) fn only(bytes: &'a [u8], place: &'static str) -> Result<Self, Malformed> {
        let mut fields = Fields::within(bytes, place)?;
        let item = fields.next()?;
        fields.end()?;
        Ok(item)
    }

    pub(crate) fn is(&self, tag: Tag) -> bool {
        der::Tagged::tag(&self.any) == tag
    }

    pub(crate) fn tagged(self, tag: Tag) -> Result<Self, Malformed> {
        let found = der::Tagged::tag(&self.any);
        found.assert_eq(tag).map_err(|why| Malformed { place: self.place, why })?;
        Ok(self)
    }

    /// The fields of a constructed value with this tag; errors name `place`.
    pub(crate) fn fields(self, tag: Tag, place: &'static str) -> Result<Fields<'a>, Malformed> {
        Fields::within(self.tagged(tag)?.any.value(), place)
    }

    pub(crate) fn sequence(self, place: &'static str) -> Result<Fields<'a>, Malformed> {
        self.fields(Tag::Sequence, place)
    }

    /// All values within a SEQUENCE OF or SET OF.
    pub(crate) fn all(self, tag: Tag, place: &'static str) -> Result<Vec<Item<'a>>, Malformed> {
        self.fields(tag, place)?.rest()
    }

    /// The value as its type has it.
    pub(crate) fn value<T: DecodeValue<'a, Error = der::Error> + der::FixedTag + 'a>(
        self,
    ) -> Result<T, Malformed> {
        let item = self.tagged(T::TAG)?;
        let read = item.any.decode_as::<T>();
        read.map_err(|why| Malformed { place: self.place, why })
    }

    pub(crate) fn oid(self) -> Result<ObjectIdentifier, Malformed> {
        self.value()
    }

    pub(crate) fn octets(self) -> Result<&'a [u8], Malformed> {
        Ok(self.tagged(Tag::OctetString)?.any.value())
    }

    /// The bytes of an INTEGER, which are as few as they can be (X.690, section 8.3).
    pub(crate) fn integer(self) -> Result<&'a [u8], Malformed> {
        self.integer_tagged(Tag::Integer)
    }

    pub(crate) fn integer_tagged(self, tag: Tag) -> Result<&'a [u8], Malformed> {
        let bytes = self.tagged(tag)?.any.value();
        match bytes {
            [] | [0, ..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => Err(self.wrong(Tag::Integer.value_error())),
            _ => Ok(bytes),
        }
    }

    pub(crate) fn algorithm(self, place: &'static str) -> Result<Algorithm<'a>, Malformed> {
        let body = self.any.value();
        let mut fields = self.sequence(place)?;
        let oid = fields.next()?.oid()?;
        let parameters = fields.maybe()?;
        fields.end()?;
        let plain = parameters.is_none_or(|one| one.whole == [5, 0]);
        Ok(Algorithm { oid, body, plain })
    }

    fn wrong(self, why: impl Into<der::Error>) -> Malformed {
        Malformed { place: self.place, why: why.into() }
    }
}

impl<'a> Fields<'a> {
    fn within(bytes: &'a [u8], place: &'static str) -> Result<Self, Malformed> {
        let reader = SliceReader::new(bytes).map_err(|why| Malformed { place, why })?;
        Ok(Self { reader, place })
    }

    pub(crate) fn next(&mut self) -> Result<Item<'a>, Malformed> {
        let place = self.place;
        let read = self.reader.tlv_bytes().and_then(|whole| Ok((whole, AnyRef::try_from(whole)?)));
        read.map(|(whole, any)| Item { any, whole, place }).map_err(|why| Malformed { place, why })
    }

    /// The next field, where there is one.
    pub(crate) fn maybe(&mut self) -> Result<Option<Item<'a>>, Malformed> {
        if self.reader.is_finished() { Ok(None) } else { self.next().map(Some) }
    }

    /// The next field, where it has this tag.
    pub(crate) fn optional(&mut self, tag: Tag) -> Result<Option<Item<'a>>, Malformed> {
        if self.reader.is_finished() {
            return Ok(None);
        }
        let found = Tag::peek(&self.reader).map_err(|why| Malformed { place: self.place, why })?;
        if found == tag { self.next().map(Some) } else { Ok(None) }
    }

    pub(crate) fn rest(mut self) -> Result<Vec<Item<'a>>, Malformed> {
        let mut items = Vec::new();
        while let Some(item) = self.maybe()? {
            items.push(item);
        }
        Ok(items)
    }

    /// Nothing may follow.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        let place = self.place;
        self.reader.finish().map_err(|why| Malformed { place, why })
    }
}
