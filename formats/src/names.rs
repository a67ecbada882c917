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

/// Turns any text into a key: each part between slashes as [`safe_part`] and, if others follow the
/// first, [`safe_folder`] turn them. A text that may be a key already stays as it is, but for such
/// a first part.
pub fn safe_key(text: &str) -> String {
    let mut parts = text.split('/').filter(|p| !p.is_empty()).peekable();
    let mut key = String::with_capacity(text.len());
    while let Some(part) = parts.next() {
        let is_top = key.is_empty() && parts.peek().is_some();
        if !key.is_empty() {
            key.push('/');
        }
        key.push_str(&match is_top {
            true => safe_folder(part.as_bytes()),
            false => safe_part(part.as_bytes()),
        });
    }
    if key.is_empty() {
        key.push('_');
    }
    key.truncate(KEY_MAX);
    key.trim_end_matches('/').to_owned()
}

/// Turns any name into one part of a key: each character that may not stand there becomes `_`.
/// Where a letter or digit of another script, or what is no UTF-8, was lost in this, `-` and the
/// name's CRC-32C in 8 hex digits follow, so that names of the same length stay apart.
pub fn safe_part(name: &[u8]) -> String {
    let (mut part, mut lost) = (String::with_capacity(name.len()), false);
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            let plain = c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            lost |= !c.is_ascii() && c.is_alphanumeric();
            part.push(if plain { c } else { '_' });
        }
        if !chunk.invalid().is_empty() {
            lost = true;
            part.push('_');
        }
    }
    match lost {
        true => with_hash(&part, name),
        false => part,
    }
}

/// As [`safe_part`], for the first of several parts: `__NAME__`, which webdataset's reader passes
/// over with all that is in it, gets the hash, too.
pub fn safe_folder(name: &[u8]) -> String {
    let part = safe_part(name);
    match is_passed_over(&part) {
        true => with_hash(&part, name),
        false => part,
    }
}

fn with_hash(part: &str, name: &[u8]) -> String {
    format!("{part}-{:08x}", crate::crc32c(name))
}

/// Whether webdataset's reader passes over a folder of this name at the top of an archive.
pub(crate) fn is_passed_over(top: &str) -> bool {
    top.len() >= 4 && top.starts_with("__") && top.ends_with("__")
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
            "__a__/b",
            &"ключ/".repeat(500),
            &"x/".repeat(5000),
        ] {
            assert!(check_key(&safe_key(text)).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn what_may_be_a_key_stays_and_foreign_letters_stay_apart() {
        for (text, key) in [
            ("run/a_b-c", "run/a_b-c"),
            ("run far/a.b", "run_far/a_b"),
            ("it\u{2019}s/\u{1f600}", "it_s/_"),
            ("a/__b__", "a/__b__"),
            ("____", "____"),
        ] {
            assert_eq!(safe_key(text), key);
        }
        let tops = [
            "кошка",
            "собак",
            "猫狗",
            "été",
            "öde",
            "__x__",
            "!!!!",
            "(())",
        ];
        let mut keys: Vec<String> = tops.iter().map(|t| safe_key(&format!("{t}/a"))).collect();
        assert_eq!(
            keys[3],
            format!("_t_-{:08x}/a", crate::crc32c("été".as_bytes()))
        );
        for key in &keys {
            let top = key.split('/').next().unwrap_or_default();
            assert!(!is_passed_over(top) && check_key(key).is_ok(), "{key}");
        }
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), tops.len());
    }
}
