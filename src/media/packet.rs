//! What a packet says besides its bytes and times.

use ffmpeg_the_third::ffi;
use ffmpeg_the_third::packet::{Packet, Ref as _};

use super::track::{Track, TrackKind};

/// Whether an edit list hides the packet: it is decoded, its frame is dropped.
pub fn is_hidden(packet: &Packet) -> bool {
    // SAFETY: reading a plain field of a valid packet.
    unsafe { (*packet.as_ptr()).flags & ffi::AV_PKT_FLAG_DISCARD != 0 }
}

/// What decoders drop at the head of an audio track: in ticks, to nearest, and in sample frames.
/// Encoder delay that the container tells, or Opus's pre-skip.
pub(super) fn dropped_ticks(packet: &Packet, track: &Track) -> (i64, u32) {
    if track.kind != TrackKind::Audio {
        return (0, 0);
    }
    let samples = skipped_samples(packet).max(track.delay);
    (track.ticks_of_samples(samples), samples)
}

/// Encoder delay that a packet's side data tells, in sample frames.
fn skipped_samples(packet: &Packet) -> u32 {
    const SKIP_SAMPLES: ffi::AVPacketSideDataType = ffi::AVPacketSideDataType::SKIP_SAMPLES;
    let mut size = 0;
    // SAFETY: the packet is valid; the returned memory belongs to it and has `size` bytes.
    let data = unsafe {
        let data = ffi::av_packet_get_side_data(packet.as_ptr(), SKIP_SAMPLES, &mut size);
        if data.is_null() || size < 4 {
            return 0;
        }
        *data.cast::<[u8; 4]>()
    };
    u32::from_le_bytes(data)
}
