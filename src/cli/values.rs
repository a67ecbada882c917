//! Values of options: text in, typed values out, and messages that say what is expected.

use kpack::Time;
use kpack::sample::{FrameChoice, Size};

/// Bytes: a number with `k M G T` (powers of 1000) or `KiB MiB GiB TiB` (powers of 1024).
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let expected = || format!("`{text}` is not a size: use a number with k, M, G, KiB, MiB or GiB");
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let scale: u64 = match unit.trim() {
        "" | "B" => 1,
        "k" | "K" | "kB" | "KB" => 1000,
        "M" | "MB" => 1_000_000,
        "G" | "GB" => 1_000_000_000,
        "T" | "TB" => 1_000_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(expected()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole
            .checked_mul(scale)
            .filter(|n| *n > 0)
            .ok_or_else(expected);
    }
    let bytes = number.parse::<f64>().map_err(|_| expected())? * scale as f64;
    match bytes {
        1.0..1e18 => Ok(bytes as u64),
        _ => Err(expected()),
    }
}

/// Least memory of a decoder, in bytes.
const MEMORY_MIN: u64 = 64 << 20;

/// `--max-memory`.
pub(crate) fn memory(text: &str) -> Result<u64, String> {
    match size(text)? {
        bytes if bytes < MEMORY_MIN => Err("no decoder works in less than 64MiB".to_owned()),
        bytes => Ok(bytes),
    }
}

/// `--frames`: `None` for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frames(pub(crate) Option<FrameChoice>);

/// `none`, `all`, `keyframes`, `count:N`, `every:S`, or a number per second (`5`, `12.5`,
/// `30000/1001`).
pub(crate) fn frames(text: &str) -> Result<Frames, String> {
    let expected = || {
        format!(
            "`{text}` chooses no frames: use none, all, N (per second: 5, 12.5, 30000/1001), \
             count:N (spread evenly), every:S (one each S seconds) or keyframes"
        )
    };
    let choice = match text.split_once(':') {
        Some(("count", n)) => FrameChoice::Count(n.parse().map_err(|_| expected())?),
        Some(("every", time)) => {
            let time: Time = time.parse().map_err(|_| expected())?;
            let nanos = u64::try_from(time.nanos()).map_err(|_| expected())?;
            rate(1_000_000_000, nanos).ok_or_else(expected)?
        }
        Some(_) => return Err(expected()),
        None => match text {
            "none" => return Ok(Frames(None)),
            "all" => FrameChoice::All,
            "keyframes" => FrameChoice::Keyframes,
            _ => per_second(text).ok_or_else(expected)?,
        },
    };
    match choice {
        FrameChoice::Count(0) => Err(expected()),
        choice => Ok(Frames(Some(choice))),
    }
}

/// `--fps`: numerator and denominator of frames per second (`5`, `12.5`, `30000/1001`).
pub(crate) fn fps(text: &str) -> Result<(u32, u32), String> {
    match per_second(text) {
        // More would be finer than the ticks of any container.
        Some(FrameChoice::Rate { num, den }) if num / den.max(1) <= 1000 => Ok((num, den)),
        _ => Err(format!(
            "`{text}` is no rate: use frames per second, at most 1000, such as 5, 12.5 or 30000/1001"
        )),
    }
}

fn per_second(text: &str) -> Option<FrameChoice> {
    if let Some((num, den)) = text.split_once('/') {
        return rate(num.parse().ok()?, den.parse().ok()?);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let den = 10_u64.checked_pow(fraction.len() as u32)?;
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    rate(whole.checked_mul(den)?.checked_add(fraction)?, den)
}

/// `num / den` in lowest terms; `None` for nothing per second, or for more than fits.
fn rate(num: u64, den: u64) -> Option<FrameChoice> {
    let (mut a, mut b) = (num, den);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    let (num, den) = (num.checked_div(a)?, den.checked_div(a)?);
    if num == 0 || den == 0 {
        return None;
    }
    Some(FrameChoice::Rate {
        num: num.try_into().ok()?,
        den: den.try_into().ok()?,
    })
}

/// Longest side of a picture in pixels.
const LONGEST_SIDE: u32 = kpack::media::MAX_SIDE;

/// A length of time above zero.
pub(crate) fn duration(text: &str) -> Result<Time, String> {
    match text.parse::<Time>() {
        Ok(Time::ZERO) => Err("a length of 0 leaves nothing: use seconds above 0".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}

/// `WxH`.
pub(crate) fn exact_size(text: &str) -> Result<Size, String> {
    let side = |t: &str| t.parse().ok().filter(|n| (1..=LONGEST_SIDE).contains(n));
    let sides = text.split_once(['x', 'X']);
    match sides.and_then(|(w, h)| Some((side(w)?, side(h)?))) {
        Some((width, height)) => Ok(Size::Exact { width, height }),
        None => Err(format!(
            "`{text}` is not a size in pixels: use WIDTHxHEIGHT, each 1 to {LONGEST_SIDE}, such as 340x256"
        )),
    }
}

/// `--short-side`.
pub(crate) fn side(text: &str) -> Result<u32, String> {
    let side = text.parse().ok().filter(|n| (1..=LONGEST_SIDE).contains(n));
    side.ok_or_else(|| format!("`{text}` is not a length: use 1 to {LONGEST_SIDE} pixels"))
}

/// `--max-failures`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum MaxFailures {
    /// This many clips.
    Count(u64),
    /// This share of the clips, 0 to 100.
    Percent(f64),
}

/// `N` or `P%`.
pub(crate) fn max_failures(text: &str) -> Result<MaxFailures, String> {
    let parsed = match text.strip_suffix('%') {
        Some(percent) => percent
            .trim()
            .parse()
            .ok()
            .filter(|p| (0.0..=100.0).contains(p))
            .map(MaxFailures::Percent),
        None => text.parse().ok().map(MaxFailures::Count),
    };
    parsed.ok_or_else(|| format!("`{text}` is no limit: use a number of clips, or 0% to 100%"))
}

/// `-j`.
pub(crate) fn threads(text: &str) -> Result<usize, String> {
    let threads = text.parse().ok().filter(|n| (1..=4096).contains(n));
    threads.ok_or_else(|| format!("`{text}` is no number of threads: use 1 to 4096"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn sizes_take_both_kinds_of_units() {
        for (text, bytes) in [
            ("12", 12),
            ("1k", 1000),
            ("1KiB", 1024),
            ("1.5M", 1_500_000),
            ("2GiB", 2 << 30),
            ("3 GB", 3_000_000_000),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "k", "-1", "0", "1x", "1e3", "99999999999G", "0.0001"] {
            assert!(size(text).unwrap_err().contains("KiB"), "{text}");
        }
    }

    #[test]
    fn frames_are_chosen_in_every_way() {
        let rate = |num, den| Some(FrameChoice::Rate { num, den });
        for (text, choice) in [
            ("none", None),
            ("all", Some(FrameChoice::All)),
            ("keyframes", Some(FrameChoice::Keyframes)),
            ("5", rate(5, 1)),
            ("12.50", rate(25, 2)),
            ("30000/1001", rate(30000, 1001)),
            ("50/2", rate(25, 1)),
            ("count:16", Some(FrameChoice::Count(16))),
            ("every:2.5", rate(2, 5)),
            ("every:1:00", rate(1, 60)),
        ] {
            assert_eq!(frames(text), Ok(Frames(choice)), "{text}");
        }
        for text in [
            "", "0", "-1", "count:0", "every:0", "1/0", "5fps", ".5", "nan", "count:",
        ] {
            assert!(frames(text).unwrap_err().contains("per second"), "{text}");
        }
    }

    #[test]
    fn sides_and_limits() {
        let (width, height) = (340, 256);
        assert_eq!(exact_size("340x256"), Ok(Size::Exact { width, height }));
        assert!(exact_size("340").is_err() && exact_size("0x1").is_err());
        assert!(side("0").is_err());
        assert_eq!(max_failures("5%"), Ok(MaxFailures::Percent(5.0)));
        assert_eq!(max_failures("7"), Ok(MaxFailures::Count(7)));
        assert!(max_failures("101%").is_err() && max_failures("x").is_err());
        assert!(threads("0").is_err());
    }
}
