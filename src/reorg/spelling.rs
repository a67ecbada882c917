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
pub(super) struct Names(BTreeMap<String, String>);

impl Names {
    pub(super) fn new(names: &[String]) -> Self {
        let mut map: BTreeMap<String, String> = BTreeMap::new();
        // An exact name wins over the spelling of another.
        for spelling in Spelling::ALL.into_iter().rev() {
            for name in names.iter().filter(|name| !name.is_empty()) {
                map.insert(spelling.folder(name), name.clone());
            }
        }
        Self(map)
    }

    /// The class's name; `None` if no name is known that could be spelled so.
    pub(super) fn of(&self, folder: &str) -> Option<&str> {
        self.0.get(folder).map(String::as_str)
    }

    pub(super) fn is_empty(&self) -> bool {
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
