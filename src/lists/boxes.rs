//! The boxes of annotated persons, from the JSON beside a clip.

use std::path::Path;

use kpack_formats::lists::BoxLabel;
use serde::Deserialize;

use crate::bounded;

/// The part of the JSON that is about boxes.
#[derive(Deserialize)]
struct Beside {
    #[serde(default)]
    annotations: Vec<Annotation>,
}

/// An annotated instant: seconds from the start of the clip, and where a person is seen.
#[derive(Deserialize)]
struct Annotation {
    clip_timestamp: f64,
    #[serde(rename = "box", default)]
    corners: Option<[f64; 4]>,
    #[serde(default)]
    label: Option<i64>,
    #[serde(default)]
    person: Option<i64>,
}

/// Reads the boxes of a clip; none for a clip without a JSON.
pub(super) fn read(json: Option<&Path>) -> Result<Vec<BoxLabel>, String> {
    let Some(path) = json else {
        return Ok(Vec::new());
    };
    let bytes = match bounded::read(path, bounded::BESIDE) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(format!("{} cannot be read: {e}", path.display())),
    };
    let beside: Beside = serde_json::from_slice(&bytes).map_err(|e| {
        format!(
            "{} holds no annotations as kpack writes them: {e}",
            path.display()
        )
    })?;
    let boxed = |one: Annotation| {
        Some(BoxLabel {
            time: one.clip_timestamp,
            corners: one.corners?,
            action: one.label,
            person: one.person,
        })
    };
    Ok(beside.annotations.into_iter().filter_map(boxed).collect())
}
