//! Finds the whole samples of a damaged tar. Behind damage the next block that is a header is taken
//! up. A sample beside the damage may lack members: it counts only if the members at its torn side
//! are named as those of the samples that are surely whole.

use std::path::Path;

use super::header::{self, BLOCK};
use super::member::MemberReader;
use super::reader::key_of;
use crate::input::Input;
use crate::names::frame_number;
use crate::salvage::{Pieces, Stretch, is_damage};
use crate::{Blob, ReadOptions, Result};

/// Consecutive members of one key.
struct Group {
    key: String,
    begin: u64,
    end: u64,
    first: String,
    last: String,
    /// Whether all members in front, and behind, are surely there.
    open: [bool; 2],
    /// Why one is not.
    why: String,
}

/// The samples of `shard` from byte `from` on, and what lies between them. `path` serves messages.
///
/// # Errors
/// [`crate::Kind::Io`].
pub fn salvage(shard: &Blob, from: u64, path: &Path) -> Result<Vec<Stretch>> {
    let mut walk = Walk {
        shard,
        path,
        groups: Vec::new(),
        lost: Vec::new(),
    };
    let (mut at, mut torn) = (from, from > 0);
    while at < shard.len() {
        let Some((damaged, why)) = walk.run(at, torn)? else {
            break;
        };
        let next = walk.next_header(damaged + 1)?;
        walk.lost.push(Stretch {
            key: None,
            offset: damaged,
            length: next - damaged,
            lost: Some(why),
        });
        (at, torn) = (next, true);
    }
    Ok(walk.judged())
}

struct Walk<'a> {
    shard: &'a Blob,
    path: &'a Path,
    groups: Vec<Group>,
    lost: Vec<Stretch>,
}

impl Walk<'_> {
    /// Reads members from `base` on; gives the place of the next damage and what it is.
    fn run(&mut self, base: u64, mut torn: bool) -> Result<Option<(u64, String)>> {
        let options = ReadOptions::default();
        let input = Input::of_blob(self.shard.clone(), base, self.path);
        let mut members = MemberReader::new(input, &options);
        let mut end = base;
        loop {
            let member = match members.next_member() {
                Ok(Some(member)) => member,
                Ok(None) => {
                    // Without end blocks the archive may have been cut between two members.
                    if members.offset() + base < end + BLOCK as u64 {
                        self.tear("the archive ends without its end blocks");
                    }
                    return Ok(None);
                }
                Err(e) if is_damage(e.kind()) => {
                    let why = e.message().to_owned();
                    self.tear(&why);
                    return Ok(Some((base + e.at().offset.unwrap_or(0), why)));
                }
                Err(e) => return Err(e),
            };
            end = base + members.offset();
            let Some((key, name)) = key_of(&member.name) else {
                continue;
            };
            let begin = base + member.start;
            match self.groups.last_mut().filter(|group| group.key == key) {
                Some(group) if !torn => {
                    group.last = name;
                    group.end = end;
                }
                _ => {
                    let why = match torn {
                        true => "it follows damage, and members in front of it may be missing",
                        false => "",
                    };
                    self.groups.push(Group {
                        key,
                        begin,
                        end,
                        first: name.clone(),
                        last: name,
                        open: [torn, false],
                        why: why.to_owned(),
                    });
                }
            }
            torn = false;
        }
    }

    fn tear(&mut self, why: &str) {
        if let Some(group) = self.groups.last_mut() {
            group.open[1] = true;
            group.why = format!("members behind it may be missing: {why}");
        }
    }

    /// The next block that is a header, at any byte: what was lost need not be whole blocks.
    fn next_header(&self, from: u64) -> Result<u64> {
        const STEP: usize = 64 << 10;
        let (mut pieces, mut at) = (Pieces::of(self.shard), from);
        while at + BLOCK as u64 <= self.shard.len() {
            let bytes = pieces.get(at, STEP + BLOCK)?;
            let tries = bytes.len().saturating_sub(BLOCK - 1).min(STEP);
            let found = (0..tries).find(|i| {
                let magic = bytes.get(i + 257..i + 262) == Some(b"ustar");
                let block = bytes.get(*i..).and_then(|rest| rest.first_chunk::<BLOCK>());
                magic && block.is_some_and(header::is_valid)
            });
            match found {
                Some(i) => return Ok(at + i as u64),
                None => at += tries.max(1) as u64,
            }
        }
        Ok(self.shard.len())
    }

    /// Decides which of the torn samples count.
    fn judged(self) -> Vec<Stretch> {
        let Walk { groups, lost, .. } = self;
        let sure = groups.iter().find(|group| group.open == [false, false]);
        let usual = sure.map(|group| (group.first.clone(), kind(&group.last)));
        let mut stretches = lost;
        for (i, group) in groups.iter().enumerate() {
            // A key on both sides of the damage lost something in between.
            let beside = [i.checked_sub(1), Some(i + 1)].into_iter().flatten();
            let mut beside = beside.filter_map(|i| groups.get(i));
            let split = beside.any(|other| other.key == group.key);
            let front = !group.open[0]
                || usual
                    .as_ref()
                    .is_some_and(|(first, _)| *first == group.first);
            let back = !group.open[1]
                || usual
                    .as_ref()
                    .is_some_and(|(_, last)| *last == kind(&group.last));
            let whole = front && back && !split;
            stretches.push(Stretch {
                key: Some(group.key.clone()),
                offset: group.begin,
                length: group.end - group.begin,
                lost: (!whole).then(|| match split {
                    true => "some of its members are damaged".to_owned(),
                    false => group.why.clone(),
                }),
            });
        }
        stretches.sort_by_key(|stretch| stretch.offset);
        stretches
    }
}

/// A member's name; all frames are alike.
fn kind(name: &str) -> String {
    match frame_number(name) {
        Some((_, extension)) => format!("frame.{extension}"),
        None => name.to_owned(),
    }
}
