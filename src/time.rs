//! Instants and durations as whole nanoseconds, so that times compare exactly.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time in nanoseconds: an instant from the start of a source, or a duration.
///
/// Parses `12`, `12.5`, `mm:ss(.f)` and `hh:mm:ss(.f)`; in JSON it is a number of seconds.
///
/// ```
/// use kpack::Time;
/// assert_eq!("1:02:03.5".parse::<Time>()?, Time::from_nanos(3_723_500_000_000));
/// assert_eq!("90".parse::<Time>()?, "1:30".parse::<Time>()?);
/// assert!("1:75".parse::<Time>().is_err());
/// # Ok::<(), kpack::ParseTimeError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

/// A text that is not a time.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not a time: use seconds (12.5), mm:ss or hh:mm:ss")]
pub struct ParseTimeError(String);

impl Time {
    /// The start.
    pub const ZERO: Time = Time(0);

    /// From nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }
    /// In nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }
    /// In microseconds, rounded to nearest.
    pub fn micros(self) -> i64 {
        (self.0 + 500).div_euclid(1000)
    }
    /// From seconds, to the nearest nanosecond; out-of-range values saturate, NaN is 0.
    pub fn from_secs(seconds: f64) -> Self {
        // A float-to-int `as` saturates, which is the documented behaviour here.
        Self((seconds * 1e9).round() as i64)
    }
    /// In seconds.
    pub fn secs(self) -> f64 {
        self.0 as f64 / 1e9
    }
    /// `self - other`, saturating.
    #[must_use]
    pub fn since(self, other: Time) -> Time {
        Time(self.0.saturating_sub(other.0))
    }
    /// `self + other`, saturating.
    #[must_use]
    pub fn after(self, other: Time) -> Time {
        Time(self.0.saturating_add(other.0))
    }
}

impl FromStr for Time {
    type Err = ParseTimeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text.trim())
            .map(Time)
            .ok_or_else(|| ParseTimeError(text.to_owned()))
    }
}

/// Nanoseconds of a non-negative time, read digit by digit so that no float rounds it.
fn parse(text: &str) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let parts: Vec<&str> = whole.split(':').collect();
    if parts.len() > 3 {
        return None;
    }
    let mut seconds: i64 = 0;
    for (i, part) in parts.iter().enumerate() {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let n: i64 = part.parse().ok()?;
        if i > 0 && n >= 60 {
            return None;
        }
        seconds = seconds.checked_mul(60)?.checked_add(n)?;
    }
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut nanos = 0;
    for digit in fraction.bytes().chain(std::iter::repeat(b'0')).take(9) {
        nanos = nanos * 10 + i64::from(digit - b'0');
    }
    seconds.checked_mul(1_000_000_000)?.checked_add(nanos)
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.secs())
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.secs())
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Time::from_secs)
    }
}
