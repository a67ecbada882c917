//! Which pictures of a folder are the frames: a folder may hold several numbered series, such as
//! `img_00001.jpg`, `flow_x_00001.jpg` and `flow_y_00001.jpg`, and one of them is the clip.
//!
//! A series is the pictures whose names differ in their numbers only. Of several, the frames are
//! the one named `img`, `image`, `frame`, `rgb` or by numbers alone, else the longest whose name
//! is not that of optical flow, depth or a mask; of all that is left, the first by name. Where no
//! name comes twice but for its number, all pictures are frames.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::picture;

/// The numbers in a name, by which frames are ordered, and the name.
type Numbered<'a> = (Vec<u64>, &'a str);

/// How likely the pictures of a series are those of the clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Named,
    Unknown,
    /// Made from the pictures: optical flow, depth, masks.
    Derived,
}

/// The frames among `pictures`, in their order. Empty where all series are derived ones.
pub(super) fn frames<'a>(pictures: &[&'a str]) -> Vec<&'a str> {
    let mut series: BTreeMap<String, Vec<Numbered<'a>>> = BTreeMap::new();
    for name in pictures.iter().filter(|name| is_numbered(name)) {
        let (mask, numbers) = parts(name);
        series.entry(mask).or_default().push((numbers, name));
    }
    let told = |mask: &String| rank(mask) != Rank::Unknown;
    let irregular = series.values().all(|list| list.len() == 1) && !series.keys().any(told);
    if series.is_empty() || series.len() > 1 && irregular {
        let mut all: Vec<&str> = pictures.to_vec();
        all.sort_by_cached_key(|name| (parts(name).1.last().copied().unwrap_or(u64::MAX), *name));
        return all;
    }
    let alone = series.len() == 1;
    let best = series
        .into_iter()
        .filter(|(mask, _)| alone || rank(mask) != Rank::Derived)
        .min_by_key(|(mask, list)| (rank(mask), Reverse(list.len())));
    let mut frames = best.map(|(_, list)| list).unwrap_or_default();
    frames.sort();
    one_kind(frames).into_iter().map(|(_, name)| name).collect()
}

/// Whether a picture's name has a number.
pub(super) fn is_numbered(name: &str) -> bool {
    stem(name).bytes().any(|b| b.is_ascii_digit())
}

/// Where a number comes twice (`img_00001.jpg` and `img_00001.png`), the pictures of the extension
/// that most have.
fn one_kind(frames: Vec<Numbered<'_>>) -> Vec<Numbered<'_>> {
    if !frames.windows(2).any(|two| two[0].0 == two[1].0) {
        return frames;
    }
    let mut kinds: BTreeMap<String, Vec<Numbered<'_>>> = BTreeMap::new();
    for frame in frames {
        let kind = picture(frame.1).unwrap_or_default();
        kinds.entry(kind).or_default().push(frame);
    }
    let best = kinds.into_values().min_by_key(|list| Reverse(list.len()));
    best.unwrap_or_default()
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// The name with `#` for its numbers, and the numbers.
fn parts(name: &str) -> (String, Vec<u64>) {
    let (mut mask, mut numbers) = (String::new(), Vec::new());
    let mut rest = stem(name);
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let end = from
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(from.len());
        let (digits, after) = from.split_at(end);
        mask.push_str(&before.to_lowercase());
        mask.push('#');
        numbers.push(digits.parse().unwrap_or(u64::MAX));
        rest = after;
    }
    mask.push_str(&rest.to_lowercase());
    (mask, numbers)
}

fn rank(mask: &str) -> Rank {
    let letters: String = mask.chars().filter(|c| c.is_alphabetic()).collect();
    match letters.as_str() {
        "" | "img" | "image" | "im" | "frame" | "frames" | "rgb" => Rank::Named,
        "x" | "y" | "u" | "v" | "depth" | "mask" => Rank::Derived,
        other if other.contains("flow") => Rank::Derived,
        _ => Rank::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_series_is_the_clip_whatever_stands_beside_it() {
        let cases: [(&[&str], &[&str]); 9] = [
            (
                &["flow_x_1.jpg", "flow_y_1.jpg", "img_1.jpg"],
                &["img_1.jpg"],
            ),
            (
                &["0010.jpg", "0009.jpg", "a_1.jpg", "a_2.jpg", "a_3.jpg"],
                &["0009.jpg", "0010.jpg"],
            ),
            (
                &["cover.jpg", "shot_10.jpg", "shot_9.JPG"],
                &["shot_9.JPG", "shot_10.jpg"],
            ),
            (&["flow_2.png", "flow_1.png"], &["flow_1.png", "flow_2.png"]),
            (&["flow_x_1.jpg", "flow_y_1.jpg"], &[]),
            (&["b.jpg", "a.jpg"], &["a.jpg", "b.jpg"]),
            (
                &["3fa.jpg", "b12c.jpg", "e4.jpg"],
                &["3fa.jpg", "e4.jpg", "b12c.jpg"],
            ),
            (
                &["frame1.jpg", "frame1.png", "frame2.jpg"],
                &["frame1.jpg", "frame2.jpg"],
            ),
            (
                &["00-02-01.jpg", "00-01-30.jpg"],
                &["00-01-30.jpg", "00-02-01.jpg"],
            ),
        ];
        for (pictures, expected) in cases {
            assert_eq!(frames(pictures), expected, "{pictures:?}");
        }
    }
}
