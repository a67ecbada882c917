//! Sources that lie on this machine: paths and `file://` addresses.

use std::io::ErrorKind;
use std::path::PathBuf;

use super::net::Net;
use super::plan::Source;
use super::table::Got;
use super::{Fail, Failure};
use crate::sample::Class;

pub(super) fn takes(address: &str) -> bool {
    address.starts_with("file://") || !address.contains("://")
}

pub(super) fn get(_: &Net<'_>, source: &Source) -> Result<Got, Fail> {
    let path = match (&source.path, source.address.strip_prefix("file://")) {
        (Some(path), _) => path.clone(),
        (None, Some(path)) => PathBuf::from(path.strip_prefix("localhost").unwrap_or(path)),
        (None, None) => PathBuf::from(&source.address),
    };
    match std::fs::metadata(&path) {
        Ok(meta) if meta.is_file() => Ok(Got {
            path,
            owned: false,
            there: true,
            came: None,
        }),
        Ok(_) => {
            let reason = format!("{}: is no file", path.display());
            Err(Failure::last(Class::Missing, reason).into())
        }
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let reason = format!("{}: not found", path.display());
            Err(Failure::last(Class::Missing, reason).into())
        }
        Err(e) => {
            let reason = format!("{}: cannot be looked up: {e}", path.display());
            Err(Failure::last(Class::Missing, reason).into())
        }
    }
}
