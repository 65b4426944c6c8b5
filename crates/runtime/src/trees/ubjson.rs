//! UBJSON, draft 12, as a source of serde: what XGBoost writes, with bounds on what a file can make us do.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;
use std::fmt;

/// Containers inside one another.
const DEPTH_MAX: usize = 64;

/// Why some bytes cannot be read, and where.
#[derive(Debug)]
pub(super) struct Fault(String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

impl serde::de::Error for Fault {
    fn custom<T: fmt::Display>(what: T) -> Fault {
        Fault(what.to_string())
    }
}

/// Reads a value that is all of the bytes.
pub(super) fn from_slice<'de, T: serde::Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Fault> {
    let mut reader = Reader { rest: bytes, length: bytes.len(), depth: 0 };
    let value = T::deserialize(Typed { reader: &mut reader, marker: None }).map_err(|fault| reader.at(&fault.0))?;
    match reader.rest {
        [] => Ok(value),
        _ => Err(reader.at("there is more behind the end of the value")),
    }
}

struct Reader<'de> {
    rest: &'de [u8],
    length: usize,
    depth: usize,
}

impl<'de> Reader<'de> {
    fn at(&self, what: &str) -> Fault {
        Fault(format!("{what}, at byte {}", self.length - self.rest.len()))
    }

    fn take(&mut self, count: usize) -> Result<&'de [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| Fault::custom("the file ends early"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(|| Fault::custom("the file ends early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// The next marker; the filler `N` is passed over.
    fn marker(&mut self) -> Result<u8, Fault> {
        loop {
            let [marker] = self.array()?;
            if marker != b'N' {
                return Ok(marker);
            }
        }
    }

    fn peeks(&mut self, marker: u8) -> bool {
        while let [b'N', rest @ ..] = self.rest {
            self.rest = rest;
        }
        match self.rest {
            [first, rest @ ..] if *first == marker => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// A length: an integer that is not negative.
    fn count(&mut self) -> Result<usize, Fault> {
        let marker = self.marker()?;
        let number = match marker {
            b'i' => i64::from(i8::from_be_bytes(self.array()?)),
            b'U' => i64::from(u8::from_be_bytes(self.array()?)),
            b'I' => i64::from(i16::from_be_bytes(self.array()?)),
            b'l' => i64::from(i32::from_be_bytes(self.array()?)),
            b'L' => i64::from_be_bytes(self.array()?),
            _ => return Err(Fault(format!("a length has the type {}", shown(marker)))),
        };
        usize::try_from(number).map_err(|_| Fault(format!("a length is {number}")))
    }

    fn text(&mut self) -> Result<&'de str, Fault> {
        let count = self.count()?;
        std::str::from_utf8(self.take(count)?).map_err(|_| Fault::custom("a text is not UTF-8"))
    }

    /// The head of a container: its type and count, where it has them.
    fn head(&mut self) -> Result<Items, Fault> {
        let marker = if self.peeks(b'$') { Some(self.marker()?) } else { None };
        let left = if self.peeks(b'#') { Some(self.count()?) } else { None };
        let least = match marker {
            None => 1,
            Some(marker) if left.is_none() => return Err(Fault(format!("a container of {} has no count", shown(marker)))),
            Some(b'i' | b'U' | b'C') => 1,
            Some(b'I') => 2,
            Some(b'l' | b'd') => 4,
            Some(b'L' | b'D') => 8,
            // Of what takes no bytes, a few bytes could ask for any number.
            Some(marker) => return Err(Fault(format!("a container of the type {} is not read", shown(marker)))),
        };
        if left.is_some_and(|left| left > self.rest.len() / least) {
            return Err(Fault::custom("a container says that it holds more than the file"));
        }
        Ok(Items { marker, left })
    }

    fn enter<T>(&mut self, inside: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        if self.depth == DEPTH_MAX {
            return Err(Fault(format!("more than {DEPTH_MAX} containers lie inside one another")));
        }
        self.depth += 1;
        let inside = inside(self);
        self.depth -= 1;
        inside
    }
}

fn shown(marker: u8) -> String {
    format!("`{}`", marker.escape_ascii())
}

struct Items {
    marker: Option<u8>,
    left: Option<usize>,
}

/// A value of which the marker may already be known.
struct Typed<'r, 'de> {
    reader: &'r mut Reader<'de>,
    marker: Option<u8>,
}

impl<'de> Deserializer<'de> for Typed<'_, 'de> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let reader = self.reader;
        let marker = self.marker.map_or_else(|| reader.marker(), Ok)?;
        match marker {
            b'Z' => visitor.visit_unit(),
            b'T' => visitor.visit_bool(true),
            b'F' => visitor.visit_bool(false),
            b'i' => visitor.visit_i8(i8::from_be_bytes(reader.array()?)),
            b'U' => visitor.visit_u8(u8::from_be_bytes(reader.array()?)),
            b'I' => visitor.visit_i16(i16::from_be_bytes(reader.array()?)),
            b'l' => visitor.visit_i32(i32::from_be_bytes(reader.array()?)),
            b'L' => visitor.visit_i64(i64::from_be_bytes(reader.array()?)),
            b'd' => visitor.visit_f32(f32::from_be_bytes(reader.array()?)),
            b'D' => visitor.visit_f64(f64::from_be_bytes(reader.array()?)),
            b'C' => {
                let [letter] = reader.array()?;
                visitor.visit_char(char::from(letter))
            }
            b'S' => visitor.visit_borrowed_str(reader.text()?),
            b'[' => reader.enter(|reader| {
                let items = reader.head()?;
                visitor.visit_seq(Inside { reader, items })
            }),
            b'{' => reader.enter(|reader| {
                let items = reader.head()?;
                visitor.visit_map(Inside { reader, items })
            }),
            other => Err(Fault(format!("a value has the type {}", shown(other)))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.marker.is_none() && self.reader.peeks(b'Z') { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Inside<'r, 'de> {
    reader: &'r mut Reader<'de>,
    items: Items,
}

impl Inside<'_, '_> {
    /// Whether another item follows before `end`.
    fn more(&mut self, end: u8) -> bool {
        match &mut self.items.left {
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
            None => !self.reader.peeks(end),
        }
    }
}

impl<'de> SeqAccess<'de> for Inside<'_, 'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Fault> {
        if !self.more(b']') {
            return Ok(None);
        }
        seed.deserialize(Typed { reader: self.reader, marker: self.items.marker }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        self.items.left
    }
}

impl<'de> MapAccess<'de> for Inside<'_, 'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Fault> {
        if !self.more(b'}') {
            return Ok(None);
        }
        let key = self.reader.text()?;
        seed.deserialize(serde::de::value::BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        seed.deserialize(Typed { reader: self.reader, marker: self.items.marker })
    }
}
