//! The data of the L1 logs that derivation reads: both kinds, deposits and config updates, hold one ABI-encoded `bytes`.

use thiserror::Error;

/// Bytes of an ABI word.
const WORD: usize = 32;

/// Why log data is no ABI encoding of one `bytes` value as Solidity makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LogDataError {
    /// Offset and length do not fit in.
    #[error("{actual} bytes are too short for offset and length")]
    TooShort {
        /// Length of the data.
        actual: usize,
    },
    /// The data does not consist of whole words.
    #[error("{actual} bytes are no whole number of words")]
    Alignment {
        /// Length of the data.
        actual: usize,
    },
    /// The content does not start after the two head words.
    #[error("the offset word is not 32")]
    Offset,
    /// The content does not end in the last word.
    #[error("the length word does not fit to {actual} bytes of content and padding")]
    Length {
        /// Length of the data after the head.
        actual: usize,
    },
}

/// The content of `abi.encode(bytes)`, with the least padding and without anything after it. What the padding holds does not matter.
pub(crate) fn abi_bytes(data: &[u8]) -> Result<&[u8], LogDataError> {
    let actual = data.len();
    if actual < 2 * WORD {
        return Err(LogDataError::TooShort { actual });
    }
    if !actual.is_multiple_of(WORD) {
        return Err(LogDataError::Alignment { actual });
    }
    let (head, tail) = data.split_at(2 * WORD);
    if small_word(&head[..WORD]) != Some(WORD) {
        return Err(LogDataError::Offset);
    }
    let length = small_word(&head[WORD..])
        .filter(|length| length.checked_next_multiple_of(WORD) == Some(tail.len()))
        .ok_or(LogDataError::Length { actual: tail.len() })?;
    Ok(&tail[..length])
}

/// A word as a length, `None` if it is too large for one.
fn small_word(word: &[u8]) -> Option<usize> {
    let value = be_u64(word)?;
    usize::try_from(value).ok()
}

/// A big-endian number of any width, `None` if it does not fit into 64 bits.
pub(crate) fn be_u64(bytes: &[u8]) -> Option<u64> {
    let (high, low) = bytes.split_at(bytes.len().saturating_sub(8));
    let fits = high.iter().all(|byte| *byte == 0);
    fits.then(|| {
        low.iter()
            .fold(0, |value, byte| (value << 8) | u64::from(*byte))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(value: u8) -> [u8; 32] {
        let mut word = [0; 32];
        word[31] = value;
        word
    }

    #[test]
    fn content_is_found_between_head_and_padding() {
        let mut content = [0; 32];
        content[..3].copy_from_slice(&[7, 8, 9]);
        let data = [word(32), word(3), content].concat();
        assert_eq!(abi_bytes(&data), Ok([7, 8, 9].as_slice()));
        assert_eq!(abi_bytes(&[word(32), word(0)].concat()), Ok([].as_slice()));
    }

    #[test]
    fn a_length_that_overflows_is_refused() {
        let data = [word(32), [0xff; 32], [0; 32]].concat();
        assert_eq!(abi_bytes(&data), Err(LogDataError::Length { actual: 32 }));
    }

    #[test]
    fn numbers_of_any_width_are_read() {
        assert_eq!(be_u64(&[]), Some(0));
        assert_eq!(be_u64(&[1, 2]), Some(258));
        assert_eq!(be_u64(&word(5)), Some(5));
        assert_eq!(be_u64(&[1, 0, 0, 0, 0, 0, 0, 0, 0]), None);
    }
}
