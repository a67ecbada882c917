//! How frame files are named.

use crate::{Error, Result};

/// A template such as `img_{:05}.jpg` and the first number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    before: String,
    width: usize,
    after: String,
    start: u64,
    /// Whether a sample without frames gets a JSON too. Default true.
    pub json: bool,
}

impl Default for Naming {
    fn default() -> Self {
        Self {
            before: "img_".into(),
            width: 5,
            after: String::new(),
            start: 1,
            json: true,
        }
    }
}

impl Naming {
    /// Reads a template with one number: `{}`, `{:d}`, `{:05}`, `{:05d}`, `%d` or `%05d`. The
    /// template's own extension is replaced by that of the frames. `start` is the first number.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`].
    pub fn parse(template: &str, start: u64) -> Result<Self> {
        let wrong = |why: &str| {
            let text = format!("frame name {template:?} {why}; write it like img_{{:05}}.jpg");
            Error::usage(text)
        };
        let (before, width, after) =
            number_of(template).ok_or_else(|| wrong("has no number such as {:05}"))?;
        let after = match after.rsplit_once('.') {
            Some((rest, _)) if super::picture(after).is_some() => rest,
            _ => after,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if !before.chars().chain(after.chars()).all(plain) || before.starts_with('.') {
            return Err(wrong("may hold A-Z a-z 0-9 _ - . beside its number"));
        }
        if after.starts_with(|c: char| c.is_ascii_digit()) || after.contains("{") {
            return Err(wrong("goes on with digits after its number"));
        }
        if width > 20 || before.len() + after.len() > 200 {
            return Err(wrong("is too long"));
        }
        let (before, after) = (before.to_owned(), after.to_owned());
        Ok(Self {
            before,
            width,
            after,
            start,
            json: true,
        })
    }

    /// File name of the frame at `position`, from 0.
    pub(super) fn file(&self, position: u64, extension: &str) -> String {
        let Self {
            before,
            width,
            after,
            start,
            ..
        } = self;
        let number = u128::from(*start) + u128::from(position);
        format!("{before}{number:0width$}{after}.{extension}")
    }
}

/// What stands before the number, its width, and what stands after it.
fn number_of(template: &str) -> Option<(&str, usize, &str)> {
    let (before, inside, after) = match template.split_once('{') {
        Some((before, rest)) => {
            let (inside, after) = rest.split_once('}')?;
            let inside = match inside {
                "" => "",
                _ => inside.strip_prefix(':')?,
            };
            (before, inside.strip_suffix('d').unwrap_or(inside), after)
        }
        None => {
            let (before, rest) = template.split_once('%')?;
            let (inside, after) = rest.split_once('d')?;
            (before, inside, after)
        }
    };
    let width = match inside {
        "" => 0,
        _ => inside.strip_prefix('0')?.parse().ok()?,
    };
    Some((before, width, after))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
    use super::*;

    #[test]
    fn templates_of_every_consumer() {
        for (template, start, first) in [
            ("img_{:05}.jpg", 1, "img_00001.jpg"),
            ("frame{:d}.jpg", 0, "frame0.jpg"),
            ("{:05d}.jpg", 1, "00001.jpg"),
            ("%06d.jpg", 1, "000001.jpg"),
            ("{}", 7, "7.jpg"),
            ("x_{:03}_l.jpeg", 1, "x_001_l.jpg"),
        ] {
            assert_eq!(
                Naming::parse(template, start).unwrap().file(0, "jpg"),
                first
            );
        }
        assert_eq!(
            Naming::default(),
            Naming::parse("img_{:05}.jpg", 1).unwrap()
        );
        assert_eq!(Naming::default().file(99_999, "png"), "img_100000.png");
    }

    #[test]
    fn templates_that_leave_the_folder_or_hide_are_refused() {
        for bad in [
            "",
            "img.jpg",
            "../{:05}.jpg",
            "a/{}.jpg",
            "{:x}.jpg",
            "{:5}.jpg",
            ".{}.jpg",
            "{",
            "{}{}.jpg",
            "a b{}.jpg",
            "{}1.jpg",
            "{:099999999999999999999}.jpg",
            "{:030}.jpg",
        ] {
            assert!(Naming::parse(bad, 1).is_err(), "{bad}");
        }
    }
}
