//! Where each clip's files lie below OUT.
//!
//! The key's own folders that name the split or the class are not repeated: the key `train/run/a`
//! lies at `train/run/a` with [`TreeLayout::SplitClass`], not at `train/run/train/run/a`. Where
//! two clips would meet, or one would lie inside the other's folder, they get 8 hex digits of
//! their key's hash.

use std::collections::{HashMap, HashSet};

use kpack_formats::{safe_folder, safe_part};

use crate::source::{Clip, Row, split_name};

/// Folders below OUT.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TreeLayout {
    /// `OUT/KEY`
    Flat,
    /// `OUT/CLASS/KEY`
    #[default]
    Class,
    /// `OUT/SPLIT/KEY`
    Split,
    /// `OUT/SPLIT/CLASS/KEY`
    SplitClass,
}

impl TreeLayout {
    /// The name on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            TreeLayout::Flat => "flat",
            TreeLayout::Class => "class",
            TreeLayout::Split => "split",
            TreeLayout::SplitClass => "split-class",
        }
    }
    /// Whether there is a folder for the split.
    pub(crate) const fn has_split(self) -> bool {
        matches!(self, TreeLayout::Split | TreeLayout::SplitClass)
    }
    /// Whether there is a folder for the class.
    pub(crate) const fn has_class(self) -> bool {
        matches!(self, TreeLayout::Class | TreeLayout::SplitClass)
    }
}

/// The places of all clips.
#[derive(Debug)]
pub(super) struct Places {
    layout: TreeLayout,
    /// By key: those that had to give way.
    moved: HashMap<String, String>,
}

impl Places {
    pub(super) fn new(rows: &[Row], layout: TreeLayout) -> Self {
        let mut seen: HashMap<String, u32> = HashMap::with_capacity(rows.len());
        for row in rows {
            *seen.entry(natural(&row.clip, layout)).or_insert(0) += 1;
        }
        let mut above: HashSet<&str> = HashSet::new();
        for place in seen.keys() {
            let ends = place.match_indices('/').map(|(at, _)| at);
            let folders = ends.filter_map(|at| place.get(..at));
            above.extend(folders.filter(|folder| seen.contains_key(*folder)));
        }
        let mut moved = HashMap::new();
        for row in rows {
            let place = natural(&row.clip, layout);
            if seen.get(&place).is_some_and(|n| *n > 1) || above.contains(place.as_str()) {
                let hash = kpack_formats::crc32c(row.clip.key.as_bytes());
                moved.insert(row.clip.key.clone(), format!("{place}-{hash:08x}"));
            }
        }
        Self { layout, moved }
    }

    pub(super) fn of(&self, clip: &Clip) -> String {
        let moved = self.moved.get(&clip.key);
        moved.cloned().unwrap_or_else(|| natural(clip, self.layout))
    }
}

/// The place of a clip that nothing is in the way of.
fn natural(clip: &Clip, layout: TreeLayout) -> String {
    let mut folders: Vec<&str> = clip.key.split('/').collect();
    let name = folders.pop().unwrap_or_default();
    let split = clip.split.as_deref();
    let class = clip
        .labels
        .first()
        .map(|label| match (&label.text, label.index) {
            (Some(text), _) => safe(text),
            (None, index) => index.map_or_else(|| "_".to_owned(), |index| index.to_string()),
        });
    let under_split = split.is_some() && folders.first().and_then(|f| split_name(f)) == split;
    let class_at = usize::from(under_split);
    // The first folder of a key may have a hash that the class has not.
    let text = clip.labels.first().and_then(|label| label.text.as_deref());
    let top = text.map(|text| safe_folder(text.as_bytes()));
    let own = folders.get(class_at).map(|folder| Some(*folder));
    if layout.has_class() && own.is_some_and(|own| own == class.as_deref() || own == top.as_deref())
    {
        folders.remove(class_at);
    }
    if layout.has_split() && under_split {
        folders.remove(0);
    }
    let split = split.filter(|_| layout.has_split()).map(safe);
    let class = class.filter(|_| layout.has_class());
    let mut place: Vec<&str> = split
        .as_deref()
        .into_iter()
        .chain(class.as_deref())
        .collect();
    place.extend(folders);
    place.push(name);
    place.join("/")
}

/// A name as a folder's: what may not stand in a key is changed, as in keys.
fn safe(name: &str) -> String {
    match safe_part(name.as_bytes()) {
        part if part.is_empty() => "_".to_owned(),
        part => part,
    }
}

#[cfg(test)]
mod tests {
    use kpack_formats::Label;

    use super::*;

    fn row(key: &str, split: Option<&str>, class: Option<&str>) -> Row {
        let label = class.map(|text| Label {
            index: Some(0),
            text: Some(text.to_owned()),
        });
        let clip = Clip {
            key: key.to_owned(),
            split: split.map(str::to_owned),
            labels: label.into_iter().collect(),
            ..Clip::default()
        };
        Row {
            clip,
            problem: None,
        }
    }

    fn place(row: &Row, layout: TreeLayout) -> String {
        Places::new(std::slice::from_ref(row), layout).of(&row.clip)
    }

    #[test]
    fn folders_of_the_key_are_not_repeated() {
        let row = row("validate/high_jump/a", Some("val"), Some("high jump"));
        for (layout, expected) in [
            (TreeLayout::Flat, "validate/high_jump/a"),
            (TreeLayout::Class, "high_jump/validate/a"),
            (TreeLayout::Split, "val/high_jump/a"),
            (TreeLayout::SplitClass, "val/high_jump/a"),
        ] {
            assert_eq!(place(&row, layout), expected);
        }
    }

    #[test]
    fn class_folders_of_any_letters_are_not_repeated() {
        for class in ["кошка", "été", "__x__"] {
            let key = kpack_formats::safe_key(&format!("{class}/a"));
            let place = place(&row(&key, None, Some(class)), TreeLayout::Class);
            assert_eq!(place, format!("{}/a", safe(class)));
        }
    }

    #[test]
    fn what_is_not_known_has_no_folder() {
        assert_eq!(place(&row("a", None, None), TreeLayout::SplitClass), "a");
        assert_eq!(
            place(&row("a", None, Some("run/far")), TreeLayout::Class),
            "run_far/a"
        );
    }

    #[test]
    fn no_clip_lies_where_or_inside_where_another_does() {
        let rows = [
            row("run", None, None),
            row("run/a", None, Some("run")),
            row("a", None, Some("run")),
            row("b", None, Some("run")),
        ];
        let places = Places::new(&rows, TreeLayout::Class);
        let all: Vec<String> = rows.iter().map(|row| places.of(&row.clip)).collect();
        assert!(
            all.iter().take(3).all(|place| place.contains('-')),
            "{all:?}"
        );
        assert_eq!(all.last().map(String::as_str), Some("run/b"));
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 4);
    }
}
