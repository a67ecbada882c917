//! The boxes of annotated persons, from the JSON beside a clip.

use std::fs;
use std::path::Path;

use kpack_formats::lists::BoxLabel;
use serde::Deserialize;

/// The part of the JSON that is about boxes.
#[derive(Deserialize)]
struct Beside {
    #[serde(default)]
    boxes: Vec<Boxed>,
}

/// One annotated person: seconds from the start of the clip, corners from 0 to 1.
#[derive(Deserialize)]
struct Boxed {
    time: f64,
    #[serde(rename = "box")]
    corners: [f64; 4],
    #[serde(default)]
    label: Option<Action>,
    #[serde(default)]
    person: Option<i64>,
}

/// AVA's actions are numbers, which tables hold as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Action {
    Number(i64),
    Text(String),
}

/// Reads the boxes of a clip; `None` for a clip without a JSON.
pub(super) fn read(json: Option<&Path>) -> Result<Vec<BoxLabel>, String> {
    let Some(path) = json else {
        return Ok(Vec::new());
    };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(format!("{} cannot be read: {e}", path.display())),
    };
    let beside: Beside = serde_json::from_slice(&bytes).map_err(|e| {
        format!(
            "{} holds no boxes as kpack writes them: {e}",
            path.display()
        )
    })?;
    let boxed = |one: Boxed| BoxLabel {
        time: one.time,
        corners: one.corners,
        action: match one.label {
            Some(Action::Number(action)) => Some(action),
            Some(Action::Text(text)) => text.trim().parse().ok(),
            None => None,
        },
        person: one.person,
    };
    Ok(beside.boxes.into_iter().map(boxed).collect())
}
