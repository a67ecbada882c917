//! [`FrameTimes`]: when frames are shown, also those that do not know it.

use super::frame::Frame;
use super::input::Input;
use super::track::Track;

/// Gives the frames of a track their times as they come out of a decoder. Of containers that tell only when
/// packets are decoded (avi) the last frames have none.
pub struct FrameTimes {
    origin: i64,
    last: Option<i64>,
}

impl FrameTimes {
    /// For frames of a track of `input`, from any of them on.
    pub fn new(input: &Input) -> Self {
        Self {
            origin: input.origin_nanos(),
            last: None,
        }
    }

    /// When the next frame of `track` is shown, in nanoseconds from the start of the source. One without
    /// a time follows the one before it as frames of the track usually do; the first is at the start.
    pub fn of(&mut self, frame: &Frame, track: &Track) -> i64 {
        let follows = self
            .last
            .map_or(0, |t| t.saturating_add(track.usual_step()));
        let told = frame.pts().map(|t| track.nanos(t));
        let at = told.map_or(follows, |t| t.saturating_sub(self.origin));
        self.last = self.last.max(Some(at));
        at
    }
}
