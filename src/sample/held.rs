//! [`Held`]: decoding begins at the last key frame that a clip needs.

use crate::Time;
use crate::media::Packet;

/// Packets of the pictures before the clip's start, until it is known which of them are needed: those
/// from the last key frame on that is shown at or before it.
pub(super) struct Held {
    pub(super) packets: Vec<Packet>,
    /// In nanoseconds from the start of the source; `None` once it is known.
    start: Option<i64>,
}

impl Held {
    pub(super) fn new(start: Time) -> Self {
        Self {
            packets: Vec::new(),
            start: Some(start.nanos()).filter(|start| *start > 0),
        }
    }

    /// Takes the next packet, and gives those that are to be decoded now. `at` tells times of ticks.
    pub(super) fn take(
        &mut self,
        packet: Packet,
        at: impl Fn(Option<i64>) -> Option<i64>,
    ) -> Vec<Packet> {
        let times = at(packet.pts()).zip(at(packet.dts()));
        self.start = self.start.filter(|start| {
            // What is stored behind the start is shown behind it.
            let (shown, stored) = times.unwrap_or((0, i64::MAX));
            if packet.is_key() && shown <= *start && times.is_some() {
                self.packets.clear();
            }
            stored <= *start
        });
        self.packets.push(packet);
        match self.start {
            Some(_) => Vec::new(),
            None => std::mem::take(&mut self.packets),
        }
    }
}
