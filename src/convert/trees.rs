//! What a tree of files holds.

use kpack_formats::ReadOptions;
use kpack_formats::framedir::{PassedOver, sites};
use kpack_formats::mds::Holdings;

use super::find::Found;
use super::scan::{Listed, list};
use super::source::{Place, Source};
use crate::Result;

/// Lists the samples of the tree `found`.
pub(super) fn scan(found: &Found, options: &ReadOptions) -> Result<(Source, Vec<Listed>)> {
    let sites = sites(&found.path, options)?;
    let (mut all, mut listed, mut holdings) = (Vec::new(), Vec::new(), Holdings::default());
    for (number, (site, sample)) in (0..).zip(sites.samples) {
        all.push(site);
        holdings.add(&sample);
        listed.push(list(sample, place(number)));
    }
    let mut source = Source::new(found.clone(), false, all, holdings);
    source.notes.extend(note(&sites.passed_over));
    Ok((source, listed))
}

/// The place of a tree's sample, by its number.
fn place(number: u64) -> Place {
    Place {
        offset: number,
        length: 1 << 20,
        indexed: None,
    }
}

/// Says what was passed over, if anything was.
fn note(passed: &PassedOver) -> Option<String> {
    let many = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let files = passed.example.as_ref().map(|example| {
        let example = example.display();
        let files = many(passed.files, "file");
        format!("{files} that belong to no sample, for example {example}")
    });
    let hidden = (passed.hidden > 0).then(|| many(passed.hidden, "hidden name"));
    let both: Vec<String> = files.into_iter().chain(hidden).collect();
    (!both.is_empty()).then(|| format!("passed over: {}", both.join("; ")))
}
