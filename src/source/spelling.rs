//! How class folders are spelled.

use std::collections::BTreeMap;

/// A class's name as a folder's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spelling {
    /// As it is: `massaging person's head`.
    #[default]
    Raw,
    /// `_` for spaces: `massaging_person's_head`.
    Underscore,
    /// `-` for spaces: `massaging-person's-head`.
    Dash,
    /// `_` for spaces, without apostrophes and parentheses: `massaging_persons_head`.
    Torchvision,
}

impl Spelling {
    #[cfg(test)]
    const ALL: [Spelling; 4] = [
        Spelling::Raw,
        Spelling::Underscore,
        Spelling::Dash,
        Spelling::Torchvision,
    ];

    /// The folder of the class `name`: one component that is no way out of its parent.
    pub fn folder(self, name: &str) -> String {
        let folder: String = match self {
            Spelling::Raw => name.to_owned(),
            Spelling::Underscore => name.replace(' ', "_"),
            Spelling::Dash => name.replace(' ', "-"),
            Spelling::Torchvision => {
                let kept = name.chars().filter(|c| !matches!(c, '\'' | '(' | ')'));
                kept.map(|c| if c == ' ' { '_' } else { c }).collect()
            }
        };
        let folder: String = folder
            .chars()
            .map(|c| {
                if c == '/' || c == '\\' || c.is_control() {
                    '_'
                } else {
                    c
                }
            })
            .collect();
        match folder.starts_with('.') || folder.is_empty() {
            true => format!("_{folder}"),
            false => folder,
        }
    }
}

/// Finds the class that a folder's name means, in whatever spelling.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, Meant>);

/// What a spelling means.
#[derive(Debug)]
enum Meant {
    /// The class of this index, and its name.
    Class(usize, String),
    /// One of several classes.
    Several,
}

impl Names {
    /// Of the classes `names`; an empty name is none.
    pub(crate) fn new(names: &[String]) -> Self {
        let mut map: BTreeMap<String, Meant> = BTreeMap::new();
        for spelling in [Spelling::Underscore, Spelling::Dash, Spelling::Torchvision] {
            for (index, name) in names.iter().enumerate().filter(|(_, n)| !n.is_empty()) {
                let meant = map
                    .entry(spelling.folder(name))
                    .or_insert_with(|| Meant::Class(index, name.clone()));
                if !matches!(meant, Meant::Class(_, known) if known == name) {
                    *meant = Meant::Several;
                }
            }
        }
        // A name as it is means itself, whatever else could be spelled so.
        for (index, name) in names.iter().enumerate().filter(|(_, n)| !n.is_empty()) {
            let raw = Spelling::Raw.folder(name);
            map.insert(raw, Meant::Class(index, name.clone()));
        }
        Self(map)
    }

    /// Index and name of the class; `None` if no name is known that could be spelled so, or several.
    pub(crate) fn find(&self, folder: &str) -> Option<(usize, &str)> {
        match self.0.get(folder)? {
            Meant::Class(index, name) => Some((*index, name)),
            Meant::Several => None,
        }
    }

    /// The class's name, as [`Names::find`] has it.
    pub(crate) fn of(&self, folder: &str) -> Option<&str> {
        self.find(folder).map(|(_, name)| name)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_leads_back_to_the_name() {
        let names = [
            "massaging person's head".to_owned(),
            "skiing (not slalom or crosscountry)".to_owned(),
            "zumba".to_owned(),
        ];
        let known = Names::new(&names);
        for spelling in Spelling::ALL {
            for name in &names {
                assert_eq!(known.of(&spelling.folder(name)), Some(name.as_str()));
            }
        }
        assert_eq!(known.of("skiing"), None);
        let close = ["high jump", "high_jump", "(a) b", "a b"].map(str::to_owned);
        let known = Names::new(&close);
        assert_eq!(known.find("high_jump"), Some((1, "high_jump")));
        assert_eq!(known.find("high-jump"), Some((0, "high jump")));
        assert_eq!(known.find("a_b"), None, "two classes are spelled so");
        let torchvision = Spelling::Torchvision.folder("massaging person's head");
        assert_eq!(torchvision, "massaging_persons_head");
    }

    #[test]
    fn no_name_leads_out_of_its_folder() {
        for name in ["..", ".", "", "a/../../b", "a\\b", "x\ny"] {
            let folder = Spelling::Raw.folder(name);
            assert!(!folder.contains(['/', '\\', '\n']), "{folder}");
            assert!(!folder.is_empty() && !folder.starts_with('.'), "{folder}");
        }
    }
}
