//! Numbers and bytes in a row: the small form of a state.

#[derive(Default)]
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    /// Seven bits a byte, the last one without its high bit.
    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes().first().copied().unwrap_or(0) | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes().first().copied().unwrap_or(0));
    }

    pub(super) fn signed(&mut self, number: i64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    /// Most features are small whole numbers: these take a byte or two, others nine.
    pub(super) fn float(&mut self, value: f64) {
        let whole = value as u32;
        if f64::from(whole).to_bits() == value.to_bits() {
            self.number(u64::from(whole) + 1);
        } else {
            self.number(0);
            self.0.extend_from_slice(&value.to_bits().to_le_bytes());
        }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }
}

pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte & 0x80 == 0 {
                return Some(number);
            }
            shift += 7;
        }
    }

    /// How many follow: no more than there are bytes.
    pub(super) fn count(&mut self) -> Option<u64> {
        self.number().filter(|count| *count <= self.0.len() as u64)
    }

    pub(super) fn below(&mut self, limit: u32) -> Option<u32> {
        self.number().and_then(|number| u32::try_from(number).ok()).filter(|number| *number < limit)
    }

    pub(super) fn array<const LENGTH: usize>(&mut self) -> Option<[u8; LENGTH]> {
        let (array, rest) = self.0.split_first_chunk::<LENGTH>()?;
        self.0 = rest;
        Some(*array)
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(super) fn float(&mut self) -> Option<f64> {
        match self.number()? {
            0 => Some(f64::from_bits(u64::from_le_bytes(self.array()?))),
            whole => u32::try_from(whole - 1).ok().map(f64::from),
        }
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}
