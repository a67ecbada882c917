//! [`Groups`]: named groups of classes, `{"GROUP": ["class", ..], ..}`. A class may be in several.

use std::path::Path;

use serde_json::Value;

use super::pattern;
use crate::bounded;
use crate::{Error, Result};

/// Names of groups and of the classes in each, in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Groups(Vec<(String, Vec<String>)>);

impl Groups {
    /// Reads a file of groups.
    ///
    /// # Errors
    /// A file that cannot be read or has another shape, named.
    pub fn read(path: &Path) -> Result<Self> {
        let text = bounded::read_text(path, bounded::VALUES)
            .map_err(Error::io("cannot read the categories of", path))?;
        let bad = |message: String| Error::Input {
            path: path.to_owned(),
            message: format!("{message}: expected a JSON object of lists of class names"),
        };
        let text = text.trim_start_matches('\u{feff}');
        let value: Value = serde_json::from_str(text).map_err(|e| bad(e.to_string()))?;
        let object = value
            .as_object()
            .ok_or_else(|| bad("is no object".to_owned()))?;
        let name = |group: &str, value: &Value| {
            let name = value.as_str().map(str::to_owned);
            name.ok_or_else(|| bad(format!("group `{group}` holds {value}")))
        };
        let group = |(group, names): (&String, &Value)| {
            let names = names
                .as_array()
                .ok_or_else(|| bad(format!("group `{group}` is no list")))?;
            let names = names.iter().map(|value| name(group, value));
            Ok((group.clone(), names.collect::<Result<_>>()?))
        };
        Ok(Self(object.iter().map(group).collect::<Result<_>>()?))
    }

    /// Every group and its classes, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.0
            .iter()
            .map(|(name, classes)| (name.as_str(), classes.as_slice()))
    }

    /// The classes of a group, whose name may be spelled as those of classes.
    ///
    /// # Errors
    /// [`Error::Usage`] for a name that is no group's.
    pub fn classes(&self, group: &str) -> Result<&[String]> {
        let names: Vec<String> = self.0.iter().map(|(name, _)| name.clone()).collect();
        let found = pattern::position(group, &names).and_then(|i| usize::try_from(i).ok());
        let found = found.and_then(|i| self.0.get(i));
        found.map(|(_, classes)| classes.as_slice()).ok_or_else(|| {
            Error::usage(format!(
                "`{group}` is no category: expected one of {}",
                names.join(", ")
            ))
        })
    }
}
