//! Of which video a file is, by its name.

/// The video that a name is of, and the time range in it, in microseconds.
pub(crate) fn identity(source: &str) -> (String, Option<(i64, i64)>) {
    let name = source.rsplit('/').next().unwrap_or(source);
    let known =
        |e: &str| (2..=4).contains(&e.len()) && e.bytes().all(|b| b.is_ascii_alphanumeric());
    let stem = match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && known(extension) => stem,
        _ => name,
    };
    let mut parts = stem.rsplitn(3, '_');
    let mut seconds = || {
        let digits = parts.next()?;
        let whole = digits.len() >= 6 && digits.bytes().all(|b| b.is_ascii_digit());
        whole.then(|| digits.parse::<i64>().ok()).flatten()
    };
    let (end, start) = (seconds(), seconds());
    match (start, end, parts.next()) {
        (Some(start), Some(end), Some(id)) if !id.is_empty() && start < end => {
            let micros = |s: i64| s.saturating_mul(1_000_000);
            (id.to_owned(), Some((micros(start), micros(end))))
        }
        _ => (stem.to_owned(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_of_which_video_a_clip_is() {
        for (name, id, range) in [
            (
                "val/run/-3B32lodo2M_000059_000069.mp4",
                "-3B32lodo2M",
                Some((59, 69)),
            ),
            ("a_b_c_000000_000010", "a_b_c", Some((0, 10))),
            ("-3B32lodo2M", "-3B32lodo2M", None),
            ("x_000020_000010.mp4", "x_000020_000010", None),
            ("v1.2_000001_000002.webm", "v1.2", Some((1, 2))),
        ] {
            let range = range.map(|(a, b)| (a * 1_000_000, b * 1_000_000));
            assert_eq!(identity(name), (id.to_owned(), range), "{name}");
        }
    }
}
