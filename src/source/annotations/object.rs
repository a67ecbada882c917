//! [`Object`]: a JSON object whose fields are the cells of a row.

use std::borrow::Cow;
use std::path::PathBuf;

use kpack_formats::Meta;
use serde_json::Value;

use super::columns::{Columns, Role};
use super::row::Cells;
use crate::bounded::brief;

/// Where a row's text begins.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: usize,
}

/// One object and what its fields mean.
pub(super) struct Object<'a> {
    pub(super) columns: &'a Columns,
    pub(super) object: &'a Meta,
    pub(super) place: Place,
}

impl Object<'_> {
    fn value(&self, role: Role) -> Option<&Value> {
        let name = self.columns.names().get(self.columns.place(role)?)?;
        self.object.get(name)
    }
}

impl Cells for Object<'_> {
    fn get(&self, role: Role) -> Result<Option<Cow<'_, str>>, String> {
        let text = match self.value(role) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => Cow::Borrowed(text.trim()),
            Some(Value::Number(number)) => Cow::Owned(number.to_string()),
            Some(other) => {
                let other = brief(&other.to_string());
                let message = format!("{other} is neither a text nor a number");
                return Err(self.at(role, &message));
            }
        };
        Ok((!text.is_empty()).then_some(text))
    }
    fn labels(&self) -> Result<Vec<String>, String> {
        let role = match self.columns.place(Role::Label) {
            Some(_) => Role::Label,
            None => Role::Labels,
        };
        let Some(Value::Array(list)) = self.value(role) else {
            return Ok(self.get(role)?.map(Cow::into_owned).into_iter().collect());
        };
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.trim().to_owned()),
            Value::Number(number) => Ok(number.to_string()),
            other => Err(self.at(role, &format!("{} is no class", brief(&other.to_string())))),
        };
        list.iter().map(text).collect()
    }
    fn media(&self) -> Role {
        let roles = [Role::Path, Role::Id, Role::Url];
        let found = roles.into_iter().find(|r| self.columns.place(*r).is_some());
        found.unwrap_or(Role::Path)
    }
    fn path(&self) -> PathBuf {
        let path = self.get(Role::Path).ok().flatten();
        path.map_or_else(PathBuf::new, |path| PathBuf::from(&*path))
    }
    fn at(&self, role: Role, message: &str) -> String {
        let place = self.columns.place(role);
        let name = place.and_then(|place| self.columns.names().get(place));
        let name = name.map_or("", String::as_str);
        format!(" column {} ({name}): {message}", self.place.column)
    }
}
