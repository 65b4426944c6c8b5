//! Messages of protocol buffers, field by field: what is not looked at is written as it was read.

/// A field of a message.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub number: u32,
    pub value: Value,
}

/// Its value, by wire type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(Vec<u8>),
    Fixed32([u8; 4]),
}

impl Field {
    /// A field of bytes: a text or a message.
    pub fn bytes(number: u32, bytes: impl Into<Vec<u8>>) -> Field {
        Field { number, value: Value::Bytes(bytes.into()) }
    }

    /// A field that is a whole number.
    pub fn varint(number: u32, value: u64) -> Field {
        Field { number, value: Value::Varint(value) }
    }

    /// Its bytes, where it is a text or a message.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Value::Bytes(bytes) = &self.value { Some(bytes) } else { None }
    }

    /// Its text.
    pub fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }
}

/// The fields of a message; none where it is none.
pub fn read(mut bytes: &[u8]) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let number = u32::try_from(key >> 3).ok().filter(|number| *number > 0)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut bytes)?),
            1 => Value::Fixed64(take(&mut bytes, 8)?.try_into().ok()?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                Value::Bytes(take(&mut bytes, length)?.to_vec())
            }
            5 => Value::Fixed32(take(&mut bytes, 4)?.try_into().ok()?),
            _ => return None,
        };
        fields.push(Field { number, value });
    }
    Some(fields)
}

/// A message of these fields.
pub fn write(fields: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    for Field { number, value } in fields {
        let mut key = |kind: u64| put_varint(&mut out, u64::from(*number) << 3 | kind);
        match value {
            Value::Varint(value) => {
                key(0);
                put_varint(&mut out, *value);
            }
            Value::Fixed64(bytes) => {
                key(1);
                out.extend_from_slice(bytes);
            }
            Value::Bytes(bytes) => {
                key(2);
                put_varint(&mut out, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
            Value::Fixed32(bytes) => {
                key(5);
                out.extend_from_slice(bytes);
            }
        }
    }
    out
}

/// Whole numbers of a repeated field, packed or one by one.
pub fn numbers(fields: &[Field], number: u32) -> Option<Vec<u64>> {
    let mut all = Vec::new();
    for field in fields.iter().filter(|field| field.number == number) {
        match &field.value {
            Value::Varint(value) => all.push(*value),
            Value::Bytes(bytes) => {
                let mut rest = bytes.as_slice();
                while !rest.is_empty() {
                    all.push(varint(&mut rest)?);
                }
            }
            Value::Fixed64(_) | Value::Fixed32(_) => return None,
        }
    }
    Some(all)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

fn take<'b>(bytes: &mut &'b [u8], length: usize) -> Option<&'b [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields() -> impl Strategy<Value = Vec<Field>> {
        let value = prop_oneof![
            any::<u64>().prop_map(Value::Varint),
            any::<[u8; 8]>().prop_map(Value::Fixed64),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
            any::<[u8; 4]>().prop_map(Value::Fixed32),
        ];
        prop::collection::vec((1..1_000_u32, value).prop_map(|(number, value)| Field { number, value }), 0..20)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(fields in fields()) {
            prop_assert_eq!(read(&write(&fields)), Some(fields));
        }

        #[test]
        fn any_bytes_are_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(fields) = read(&bytes) {
                prop_assert_eq!(read(&write(&fields)), Some(fields));
            }
        }
    }
}
