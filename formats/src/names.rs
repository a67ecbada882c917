//! Which keys and blob names may be written. Readers pass on what a file holds; writers refuse.

use crate::{Error, Result};

/// Longest key that is written, in bytes.
const KEY_MAX: usize = 1024;

/// Checks that `key` is safe as a path below a folder and as a tar member's name: components of
/// `[A-Za-z0-9_-]`, joined by single slashes.
///
/// # Errors
/// [`crate::Kind::Usage`] naming the key.
pub fn check_key(key: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    let safe = |part: &str| !part.is_empty() && part.bytes().all(plain);
    if key.len() <= KEY_MAX && key.split('/').all(safe) {
        return Ok(());
    }
    let shown: String = key.chars().take(100).collect();
    Err(Error::usage(format!(
        "key {shown:?} cannot be written: use A-Z a-z 0-9 _ - and single slashes inside, at most \
         {KEY_MAX} bytes"
    )))
}

/// Checks that `name` may name a blob: lower case, `[a-z0-9_-]` in parts joined by single dots.
///
/// # Errors
/// [`crate::Kind::Usage`] naming the blob.
pub fn check_blob_name(name: &str) -> Result<()> {
    if is_blob_name(name) {
        return Ok(());
    }
    let shown: String = name.chars().take(100).collect();
    Err(Error::usage(format!(
        "blob name {shown:?} cannot be written: use a-z 0-9 _ - and single dots inside, at most \
         200 bytes"
    )))
}

pub(crate) fn is_blob_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    name.len() <= 200
        && name
            .split('.')
            .all(|p| !p.is_empty() && p.bytes().all(plain))
}

/// Number and extension of a blob that is a numbered frame: `000001.jpg`, six digits or as many
/// as the number needs.
pub fn frame_number(name: &str) -> Option<(u64, &str)> {
    let (digits, extension) = name.split_once('.')?;
    let image = matches!(extension, "jpg" | "jpeg" | "png" | "webp");
    let width = digits.len() == 6 || digits.len() > 6 && !digits.starts_with('0');
    if !image || !width || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some((digits.parse().ok()?, extension))
}

/// Turns any text into a key: what may not stand in one becomes `_`. A text that may be a key
/// already stays as it is.
pub fn safe_key(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let part = |p: &str| {
        p.chars()
            .map(|c| if plain(c) { c } else { '_' })
            .collect::<String>()
    };
    let parts: Vec<String> = text
        .split('/')
        .filter(|p| !p.is_empty())
        .map(part)
        .collect();
    let mut key = if parts.is_empty() {
        "_".to_owned()
    } else {
        parts.join("/")
    };
    key.truncate(KEY_MAX);
    key.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_would_leave_the_folder_or_confuse_readers_are_refused() {
        for good in ["a", "a/b", "A-b_9", "-x"] {
            assert!(check_key(good).is_ok(), "{good}");
        }
        for bad in [
            "", "/a", "a/", "a//b", "..", "a/../b", "a.b", "a b", "a\nb", "ä", "a\\b",
        ] {
            assert!(check_key(bad).is_err(), "{bad:?}");
        }
        assert!(check_key(&"k".repeat(KEY_MAX + 1)).is_err());
    }

    #[test]
    fn blob_names_are_lower_case_extensions() {
        for good in ["jpg", "000001.jpg", "seg.json", "a_b-c"] {
            assert!(check_blob_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".jpg", "jpg.", "a..b", "JPG", "a/b", "a b"] {
            assert!(check_blob_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_numbered_pictures_are_frames() {
        assert_eq!(frame_number("000001.jpg"), Some((1, "jpg")));
        assert_eq!(frame_number("1000000.png"), Some((1_000_000, "png")));
        for other in [
            "1.jpg",
            "0000001.jpg",
            "000001.wav",
            "000001.a.jpg",
            "jpg",
            "00000x.jpg",
        ] {
            assert_eq!(frame_number(other), None, "{other}");
        }
    }

    #[test]
    fn any_text_becomes_a_key() {
        for text in [
            "",
            "/",
            "../../etc/passwd",
            "a.b c",
            "ключ",
            &"x/".repeat(5000),
        ] {
            assert!(check_key(&safe_key(text)).is_ok(), "{text:?}");
        }
    }
}
