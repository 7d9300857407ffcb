//! Names in certificates (RFC 5280, section 4.1.2.4 and 4.2.1.6).

use crate::read::{Item, Malformed};
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode, Tag, Tagged};
use x509_cert::name::Name;

/// Whether two names are the same: whatever the kind of string (of those that are a part of UTF-8), the blanks, and the case of
/// ASCII's letters. OpenSSL compares names so, and TSAs write one name in two ways.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one == other || matches!((plain(one), plain(other)), (Ok(one), Ok(other)) if one == other)
}

/// For each part of a name its type, and a text that is the same for the same value.
type Parts = Vec<Vec<(ObjectIdentifier, Result<String, Vec<u8>>)>>;

fn plain(name: &[u8]) -> Result<Parts, Malformed> {
    let mut parts = Vec::new();
    for set in Item::only(name, "name")?.all(Tag::Sequence, "name")? {
        let mut values = Vec::new();
        for one in set.all(Tag::Set, "name")? {
            let mut fields = one.sequence("name")?;
            let oid = fields.next()?.oid()?;
            let value = fields.next()?;
            fields.end()?;
            values.push((oid, text(&value).ok_or_else(|| value.whole.to_vec())));
        }
        parts.push(values);
    }
    Ok(parts)
}

fn text(value: &Item<'_>) -> Option<String> {
    if !matches!(value.any.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String) {
        return None;
    }
    let text = std::str::from_utf8(value.any.value()).ok()?;
    Some(text.split_ascii_whitespace().collect::<Vec<_>>().join(" ").to_ascii_lowercase())
}

/// The name for people, as RFC 4514 writes it; in hexadecimal digits where it can't be read.
pub(crate) fn display(name: &[u8]) -> String {
    match Name::from_der(name) {
        Ok(name) => name.to_string().escape_debug().to_string(),
        Err(_) => data_encoding::HEXLOWER.encode(name),
    }
}

/// Whether a `GeneralName` is the directory name `name`.
pub(crate) fn is_directory_name(general: &Item<'_>, name: &[u8]) -> bool {
    general.is(crate::read::numbered(4, true)) && same(general.any.value(), name)
}
