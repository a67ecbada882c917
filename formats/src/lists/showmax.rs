//! Showmax' metadata: `{id: class}` of one split, and `{class: index}`.

use std::collections::BTreeMap;

use serde::Serialize;

use super::check::{Check, lines, name, printable};
use super::{Companion, Entry, Rendered};

/// `{id: class}`, sorted; the class of an unlabelled clip is the empty text.
pub(super) fn meta(entries: &[Entry]) -> Rendered {
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let mut strayed = 0_u64;
    let mut out = lines(entries, "", |entry, _| {
        let id = id(entry)?;
        let class = name(entry)?.unwrap_or_default();
        if ids.contains_key(&id) {
            return Err(format!(
                "another clip has the id {id:?} too, and this consumer keeps one clip of each"
            ));
        }
        let folder = entry.place.rsplit('/').nth(1).unwrap_or_default();
        strayed += u64::from(!class.is_empty() && folder != class.replace(' ', "_"));
        ids.insert(id, class);
        Ok(())
    });
    if strayed > 0 {
        let clips = match strayed {
            1 => "1 clip does".to_owned(),
            n => format!("{n} clips do"),
        };
        out.notes.push(format!(
            "{clips} not lie in a folder named after the class with _ for spaces, where \
             this consumer looks: kpack reorg --layout split-class --spelling underscore"
        ));
    }
    out.text = json(&ids);
    out
}

/// `{class: index}`, sorted by class.
pub(super) fn classes(classes: &[String]) -> Companion {
    let named = classes.iter().enumerate().filter(|(_, c)| !c.is_empty());
    let map: BTreeMap<&str, usize> = named.map(|(i, c)| (c.as_str(), i)).collect();
    Companion {
        name: "showmax_classes.json".to_owned(),
        text: json(&map),
    }
}

/// The file name without its extension, or the folder's name.
fn id(entry: &Entry) -> Check<String> {
    printable(&entry.place)?;
    let name = entry.place.rsplit('/').next().unwrap_or_default();
    let stem = match entry.files {
        Some(_) => name,
        None => name.rsplit_once('.').map_or(name, |(stem, _)| stem),
    };
    Ok(stem.to_owned())
}

/// JSON with four spaces of indent.
fn json(value: &impl Serialize) -> String {
    let mut bytes = Vec::new();
    let format = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut to = serde_json::Serializer::with_formatter(&mut bytes, format);
    // A map of texts cannot fail to become JSON.
    let _ = value.serialize(&mut to);
    let mut text = String::from_utf8(bytes).unwrap_or_default();
    text.push('\n');
    text
}
