//! [`State`]: where a loader stands, in 32 bytes.

use crate::{Error, Result};

const MAGIC: [u8; 4] = *b"kpl1";

/// Where a loader stands. Kept beside a model's checkpoint, it lets a run go on with the very sample
/// that would have come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Of the dataset and of all options that say which samples come and in which order.
    pub(super) of: u64,
    /// The epoch, from 0.
    pub epoch: u64,
    /// Samples of the epoch that this loader has given.
    pub taken: u64,
}

impl State {
    /// As bytes, little-endian: `kpl1`, CRC-32C of what follows, the dataset and options, the epoch,
    /// the samples taken.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.of.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.epoch.to_le_bytes());
        bytes[24..].copy_from_slice(&self.taken.to_le_bytes());
        let crc = kpack_formats::crc32c(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    ///
    /// # Errors
    /// [`Error::Usage`] for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let wrong = || Error::usage("these bytes are not the state of a loader, or are damaged");
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| wrong())?;
        let number = |at: usize| {
            let mut eight = [0; 8];
            eight.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(eight)
        };
        let crc = kpack_formats::crc32c(&bytes[8..]).to_le_bytes();
        if bytes[..4] != MAGIC || bytes[4..8] != crc {
            return Err(wrong());
        }
        Ok(Self {
            of: number(8),
            epoch: number(16),
            taken: number(24),
        })
    }
}
