//! Where the time of packing goes, step by step. Off, it costs one load of a flag per step.
//!
//! A thread is in one step at a time: a step that begins inside another stops its clock, and gives
//! it back at its end. So the steps of a thread never add up to more than its time.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use serde::Serialize;

/// A step of packing a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Opening a file and reading its header.
    Open,
    /// Reading packets: disk or page cache, and the container.
    Read,
    /// Decoding pictures and sound.
    Decode,
    /// Scaling pictures and coding them as JPEG, PNG or WebP.
    Pictures,
    /// Resampling sound.
    Sound,
    /// Encoding video or sound anew.
    Encode,
    /// The rest of making a sample.
    Other,
    /// Writing samples into a shard.
    Write,
    /// Waiting for the disk at the end of a shard.
    Sync,
}

impl Step {
    /// All steps, in the order in which a clip passes them.
    pub const ALL: [Step; 9] = [
        Step::Open,
        Step::Read,
        Step::Decode,
        Step::Pictures,
        Step::Sound,
        Step::Encode,
        Step::Other,
        Step::Write,
        Step::Sync,
    ];

    /// Whether workers do it, beside each other; else the one thread that writes.
    pub fn is_of_workers(self) -> bool {
        !matches!(self, Step::Write | Step::Sync)
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Step::Open => "open",
            Step::Read => "read",
            Step::Decode => "decode",
            Step::Pictures => "pictures",
            Step::Sound => "sound",
            Step::Encode => "encode",
            Step::Other => "other",
            Step::Write => "write",
            Step::Sync => "sync",
        }
    }
}

static ON: AtomicBool = AtomicBool::new(false);
static NANOS: [AtomicU64; Step::ALL.len()] = [const { AtomicU64::new(0) }; Step::ALL.len()];

thread_local! {
    /// The step this thread is in, and since when.
    static NOW: Cell<Option<(Step, Instant)>> = const { Cell::new(None) };
}

/// Starts all clocks of this process at zero.
pub fn start() {
    NANOS.iter().for_each(|nanos| nanos.store(0, Relaxed));
    ON.store(true, Relaxed);
}

/// Stops them; gives the seconds of each step, over all threads.
pub fn stop() -> Vec<(Step, f64)> {
    ON.store(false, Relaxed);
    let seconds = |(step, nanos): (Step, &AtomicU64)| (step, nanos.load(Relaxed) as f64 / 1e9);
    Step::ALL.into_iter().zip(&NANOS).map(seconds).collect()
}

/// Until it is dropped this thread is in `step`.
pub fn enter(step: Step) -> Entered {
    if !ON.load(Relaxed) {
        return Entered(None);
    }
    let now = Instant::now();
    let before = NOW.replace(Some((step, now)));
    if let Some((step, since)) = before {
        add(step, now - since);
    }
    Entered(Some(before.map(|(step, _)| step)))
}

/// Goes back to the step before when it is dropped.
#[derive(Debug)]
#[must_use = "the step ends when this is dropped"]
pub struct Entered(Option<Option<Step>>);

impl Drop for Entered {
    fn drop(&mut self) {
        let Some(before) = self.0 else {
            return;
        };
        let now = Instant::now();
        if let Some((step, since)) = NOW.replace(before.map(|step| (step, now))) {
            add(step, now - since);
        }
    }
}

fn add(step: Step, time: std::time::Duration) {
    let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    if let Some(sum) = NANOS.get(step as usize) {
        sum.fetch_add(nanos, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_step_inside_another_gives_the_clock_back() {
        start();
        {
            let _encode = enter(Step::Encode);
            sleep(Duration::from_millis(30));
            let sound = enter(Step::Sound);
            sleep(Duration::from_millis(60));
            drop(sound);
            sleep(Duration::from_millis(30));
        }
        let times = stop();
        let of = |step: Step| times.iter().find(|(s, _)| *s == step).map_or(0.0, |t| t.1);
        let (encode, sound) = (of(Step::Encode), of(Step::Sound));
        assert!(encode >= 0.06 && sound >= 0.06, "{times:?}");
    }
}
