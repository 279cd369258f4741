//! The primitives of which span batches are made: variable-length integers, arrays, bit lists. They borrow from the bytes.

use super::SpanError;

/// Bytes that are read from the front.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

/// A list of bits: a big-endian number without leading bits beyond its length, of which bit 0 is the lowest.
#[derive(Clone, Copy)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    pub(super) const fn len(&self) -> usize {
        self.rest.len()
    }

    /// What was not read yet.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], SpanError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(SpanError::Structure(what))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<&'a [u8; N], SpanError> {
        let (array, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(SpanError::Structure(what))?;
        self.rest = rest;
        Ok(array)
    }

    pub(super) fn arrays<const N: usize>(
        &mut self,
        count: usize,
        what: &'static str,
    ) -> Result<&'a [[u8; N]], SpanError> {
        let bytes = count.checked_mul(N).ok_or(SpanError::Structure(what))?;
        let (arrays, _) = self.take(bytes, what)?.as_chunks::<N>();
        Ok(arrays)
    }

    /// Seven bits a byte, lowest first; the highest bit says that another byte follows. Longer than necessary is allowed, more
    /// than 64 bits are not.
    pub(super) fn varint(&mut self, what: &'static str) -> Result<u64, SpanError> {
        const MAX_BYTES: usize = 10;
        let mut value = 0;
        for index in 0..MAX_BYTES {
            let [byte] = *self.array(what)?;
            let is_last_place = index == MAX_BYTES - 1;
            if is_last_place && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(SpanError::Structure(what))
    }

    pub(super) fn varints(
        &mut self,
        count: usize,
        what: &'static str,
    ) -> Result<Vec<u64>, SpanError> {
        let mut numbers = Vec::with_capacity(count.min(self.len()));
        for _ in 0..count {
            numbers.push(self.varint(what)?);
        }
        Ok(numbers)
    }

    pub(super) fn bits(
        &mut self,
        length: usize,
        what: &'static str,
    ) -> Result<Bits<'a>, SpanError> {
        let bytes = self.take(length.div_ceil(8), what)?;
        let spare = bytes.len() * 8 - length;
        match bytes.first() {
            Some(first) if spare > 0 && first >> (8 - spare) != 0 => {
                Err(SpanError::Structure(what))
            }
            _ => Ok(Bits { bytes }),
        }
    }
}

impl Bits<'_> {
    /// False beyond the end.
    pub(super) fn get(&self, index: usize) -> bool {
        self.bytes
            .iter()
            .rev()
            .nth(index / 8)
            .is_some_and(|byte| byte >> (index % 8) & 1 == 1)
    }

    /// How many are set.
    pub(super) fn count(&self) -> usize {
        self.bytes
            .iter()
            .map(|byte| byte.count_ones() as usize)
            .sum()
    }
}
