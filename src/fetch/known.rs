//! Which rows need nothing any more.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use rayon::prelude::*;

use super::adopt::Present;
use super::journal::{FetchRow, Identity, identity_of};
use super::name::folders;
use super::{FetchOptions, PastEnd, clip};
use crate::pipeline::{Outcome, OutcomeRow};
use crate::source::{Input, Row};
use crate::tree::TreeLayout;
use crate::worker::Workers;
use crate::{Error, Result};

/// The rows that need nothing any more: refused ones, and those that the journal and the disk agree
/// to be done, that the same mirrors do not have, or that the user's rules still leave out.
pub(super) fn settled(
    input: &Input,
    known: &HashMap<Identity, FetchRow>,
    media: &Path,
    options: &FetchOptions,
    mirror: Option<&str>,
) -> Result<Vec<Option<FetchRow>>> {
    let trim = clip::trim_name(options.trim);
    let settled = |row: &Row| -> Result<Option<FetchRow>> {
        if let Some(problem) = &row.problem {
            let row = OutcomeRow::problem(&row.clip, problem);
            let rest = FetchRow::default();
            return Ok(Some(FetchRow { row, ..rest }));
        }
        let Some(found) = known.get(&identity_of(&row.clip)) else {
            return Ok(None);
        };
        let stays = match found.row.outcome {
            Outcome::Done => {
                let there = is_there(&found.row, media);
                let other = found.trim.as_deref().filter(|t| *t != trim);
                if let (true, Some(other)) = (there, other) {
                    return Err(Error::usage(format!(
                        "{} holds clips that were cut with --trim {other}: use that, or another folder",
                        media.display()
                    )));
                }
                there
            }
            Outcome::Skipped => found.rule.as_ref().is_some_and(|rule| {
                let least = options.min_length.map(clip::min_length_rule);
                let past = options.past_end == PastEnd::Skip && rule == clip::PAST_END_RULE;
                past || Some(rule) == least.as_ref()
            }),
            // Nothing new would be found there.
            Outcome::Failed => found.mirror.is_some() && found.mirror.as_deref() == mirror,
        };
        // What the input says of the clip may have changed.
        let now = OutcomeRow::of(&row.clip, None);
        let mut found = found.clone();
        found.row.key = now.key;
        (found.row.label, found.row.label_index) = (now.label, now.label_index);
        found.row.split = now.split;
        Ok(stays.then_some(found))
    };
    input.rows.iter().map(settled).collect()
}

/// Fills in the rows whose clips lie in `media` already although no row says so. A broken file stays
/// open where the journal says that it is our own. Clips are looked for under every layout.
pub(super) fn adopt(
    input: &Input,
    settled: &mut [Option<FetchRow>],
    known: &HashMap<Identity, FetchRow>,
    (stems, layout): (&[String], TreeLayout),
    (media, work): (&Path, &Path),
    workers: &Workers,
) -> Result<()> {
    if settled.iter().all(Option::is_some) {
        return Ok(());
    }
    let present = Present::scan(media, work)?;
    let done = known
        .values()
        .filter(|row| row.row.outcome == Outcome::Done);
    let owners: HashMap<&str, &str> = done
        .filter_map(|row| Some((row.row.media.as_deref()?, row.row.source.as_str())))
        .collect();
    let rows = settled.par_iter_mut().zip(&input.rows).zip(stems);
    let open = rows.filter(|((settled, _), _)| settled.is_none());
    open.try_for_each(|((settled, row), stem)| {
        let below = stem.get(folders(&row.clip, layout).len()..);
        let places = LAYOUTS.iter().filter_map(|layout| {
            let folders = folders(&row.clip, *layout);
            Some(folders + below?)
        });
        let mut places = std::iter::once(stem.clone()).chain(places);
        let from = (media, workers);
        let Some(found) = places.find_map(|place| present.row(&row.clip, &place, from)) else {
            return Ok(());
        };
        let ours = known.get(&identity_of(&row.clip));
        let ours = ours.is_some_and(|ours| ours.row.outcome == Outcome::Done);
        if ours && found.row.outcome != Outcome::Done {
            return Ok(());
        }
        let name = found.row.media.as_deref().unwrap_or_default();
        match owners.get(name).filter(|owner| **owner != row.clip.source) {
            Some(owner) => Err(Error::usage(format!(
                "{} is the clip of {owner}, so that of {} cannot be written: use another folder, or --name-template",
                media.join(name).display(),
                row.clip.source
            ))),
            None => {
                *settled = Some(found);
                Ok(())
            }
        }
    })
}

/// All layouts, in the order in which they are looked at.
const LAYOUTS: [TreeLayout; 4] = [
    TreeLayout::Flat,
    TreeLayout::Class,
    TreeLayout::Split,
    TreeLayout::SplitClass,
];

/// How many clips lie elsewhere than new ones would be put.
pub(super) fn elsewhere(settled: &[Option<FetchRow>], stems: &[String]) -> u64 {
    let rows = settled.iter().zip(stems);
    let away = rows.filter(|(row, stem)| {
        let media = row.as_ref().and_then(|row| row.row.media.as_deref());
        let done = row.as_ref().map(|row| row.row.outcome) == Some(Outcome::Done);
        let rest = media.map(|media| media.strip_prefix(stem.as_str()));
        done && rest.is_some_and(|rest| rest.is_none_or(|rest| !rest.starts_with('.')))
    });
    away.count() as u64
}

/// Rows that failed for what lies in the folder, told at the start.
pub(super) fn broken(input: &Input, settled: &[Option<FetchRow>]) -> Vec<usize> {
    let rows = settled.iter().zip(&input.rows).enumerate();
    let broken = rows.filter(|(_, (settled, row))| {
        let failed = |row: &FetchRow| row.row.outcome == Outcome::Failed && row.mirror.is_none();
        row.problem.is_none() && settled.as_ref().is_some_and(failed)
    });
    broken.map(|(i, _)| i).collect()
}

fn is_there(row: &OutcomeRow, media: &Path) -> bool {
    let Some(name) = &row.media else { return false };
    let meta = fs::metadata(media.join(name));
    meta.is_ok_and(|meta| meta.is_file() && Some(meta.len()) == row.bytes)
}
