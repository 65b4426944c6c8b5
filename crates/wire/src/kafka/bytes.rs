//! Numbers and texts of Kafka's protocol: big-endian, with their lengths before them; and the varints of records.
//!
//! What is read comes from outside: every length is held against what is there.

use super::Damaged;

/// What is written.
#[derive(Debug, Default)]
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn i8(&mut self, value: i8) -> &mut Writer {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn i16(&mut self, value: i16) -> &mut Writer {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn i32(&mut self, value: i32) -> &mut Writer {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(super) fn i64(&mut self, value: i64) -> &mut Writer {
        self.0.extend(value.to_be_bytes());
        self
    }

    /// A text; one that is longer than a length can say is cut off, and no name of a topic is.
    pub(super) fn text(&mut self, text: &str) -> &mut Writer {
        let bytes = text.as_bytes();
        let length = bytes.len().min(i16::MAX as usize);
        self.i16(i16::try_from(length).unwrap_or(i16::MAX));
        self.0.extend(&bytes[..length]);
        self
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Writer {
        self.i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
        self.0.extend(bytes);
        self
    }
}

/// What is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Damaged> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Damaged("it ends too soon"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        self.take(N)?.try_into().map_err(|_| Damaged("it ends too soon"))
    }

    pub(super) fn i8(&mut self) -> Result<i8, Damaged> {
        Ok(i8::from_be_bytes(self.array()?))
    }

    pub(super) fn i16(&mut self) -> Result<i16, Damaged> {
        Ok(i16::from_be_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32, Damaged> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Damaged> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn i64(&mut self) -> Result<i64, Damaged> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// A text; none where its length is -1.
    pub(super) fn text(&mut self) -> Result<Option<&'a str>, Damaged> {
        let Ok(length) = usize::try_from(self.i16()?) else { return Ok(None) };
        std::str::from_utf8(self.take(length)?).map(Some).map_err(|_| Damaged("a name in it is no text"))
    }

    /// Bytes; none where their length is -1.
    pub(super) fn bytes(&mut self) -> Result<Option<&'a [u8]>, Damaged> {
        let Ok(length) = usize::try_from(self.i32()?) else { return Ok(None) };
        self.take(length).map(Some)
    }

    /// Items of an array. How many there are is told by whom nobody knows: each is read before room is made for the next.
    pub(super) fn items<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T, Damaged>) -> Result<Vec<T>, Damaged> {
        let count = self.i32()?.max(0);
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    pub(super) fn varint(&mut self) -> Result<i64, Damaged> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err(Damaged("a number in it has no end"))
    }

    /// Bytes with a varint before them; none where it is negative.
    pub(super) fn short(&mut self) -> Result<Option<&'a [u8]>, Damaged> {
        let Ok(length) = usize::try_from(self.varint()?) else { return Ok(None) };
        self.take(length).map(Some)
    }
}
