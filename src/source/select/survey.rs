//! [`Survey`]: what annotations hold, counted.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value, json};

use super::{Groups, annotations, pattern};
use crate::Time;
use crate::source::{Clip, Input, NamedBy};

/// A class and its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassCount {
    /// As the annotations spell it.
    pub name: String,
    /// In the class map, from 0.
    pub index: u64,
    /// Rows that have it.
    pub count: u64,
}

/// A group of classes and its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupCount {
    /// Its name.
    pub name: String,
    /// Those of its classes that the annotations know.
    pub classes: u64,
    /// Those that they do not.
    pub unknown: Vec<String>,
    /// Rows that have one of its classes.
    pub count: u64,
}

/// What annotations hold. Rows are those of the files, so an AVA clip has as many as there are
/// annotated boxes or instants.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// By index; holes of the class map are left out.
    pub classes: Vec<ClassCount>,
    /// All rows, without repetitions of earlier ones.
    pub rows: u64,
    /// Rows without a class.
    pub unlabelled: u64,
    /// Rows that cannot be understood.
    pub bad: u64,
    /// By split; rows without one are not in it.
    pub splits: BTreeMap<String, u64>,
    /// Different ids; 0 where rows have none.
    pub ids: u64,
    /// Ids with more than one clip.
    pub ids_with_several_clips: u64,
    /// Ids that begin with `-`.
    pub ids_with_a_dash: u64,
    /// Clips with a time range of other than 10 s, as annotations of Kinetics have it.
    pub not_ten_seconds: u64,
    /// The latest start.
    pub max_start: Option<Time>,
}

impl Survey {
    /// Counts the rows of `input`, which were best read with
    /// [`annotations_only`](crate::source::ReadOptions::annotations_only).
    pub fn of(input: &Input) -> Self {
        let mut survey = Self::default();
        let mut counts = vec![0; input.classes.len()];
        let mut ids: HashMap<&str, u32> = HashMap::new();
        for row in &input.rows {
            survey.rows += annotations(&row.clip.columns).map_or(1, |list| list.len() as u64);
            if row
                .problem
                .as_ref()
                .is_some_and(|p| p.class != crate::sample::Class::Missing)
            {
                survey.bad += 1;
                continue;
            }
            survey.count_labels(&row.clip, &mut counts);
            survey.count_times(&row.clip);
            if row.clip.named_by == NamedBy::Id {
                *ids.entry(&row.clip.source).or_default() += 1;
            }
            if let Some(split) = &row.clip.split {
                *survey.splits.entry(split.clone()).or_default() += 1;
            }
        }
        survey.ids = ids.len() as u64;
        survey.ids_with_several_clips = ids.values().filter(|count| **count > 1).count() as u64;
        survey.ids_with_a_dash = ids.keys().filter(|id| id.starts_with('-')).count() as u64;
        let classes = (0..).zip(&input.classes).zip(counts);
        let known = classes.filter(|((_, name), _)| !name.is_empty());
        survey.classes = known
            .map(|((index, name), count)| ClassCount {
                name: name.clone(),
                index,
                count,
            })
            .collect();
        survey
    }

    fn count_labels(&mut self, clip: &Clip, counts: &mut [u64]) {
        let mut add = |index: i64| {
            let slot = usize::try_from(index).ok().and_then(|i| counts.get_mut(i));
            slot.into_iter().for_each(|count| *count += 1);
        };
        match annotations(&clip.columns) {
            Some(list) => {
                let labels = list.iter().map(|a| a["label"].as_i64());
                labels.clone().flatten().for_each(add);
                self.unlabelled += labels.filter(Option::is_none).count() as u64;
            }
            None if clip.labels.is_empty() => self.unlabelled += 1,
            None => clip
                .labels
                .iter()
                .filter_map(|l| l.index)
                .for_each(&mut add),
        }
    }

    fn count_times(&mut self, clip: &Clip) {
        const TEN: Time = Time::from_nanos(10_000_000_000);
        let Some(span) = clip.asked() else {
            return;
        };
        let stamps = annotations(&clip.columns);
        let other = span.end.is_some_and(|end| end.since(span.start) != TEN);
        self.not_ten_seconds += u64::from(stamps.is_none() && other);
        self.max_start = self.max_start.max(Some(span.start));
    }

    /// The groups, in their order, and what they hold.
    pub fn groups(&self, groups: &Groups) -> Vec<GroupCount> {
        let names: Vec<String> = self
            .classes
            .iter()
            .map(|class| class.name.clone())
            .collect();
        let group = |(name, classes): (&str, &[String])| {
            let mut group = GroupCount {
                name: name.to_owned(),
                classes: 0,
                unknown: Vec::new(),
                count: 0,
            };
            for class in classes {
                let found = pattern::position(class, &names).and_then(|i| usize::try_from(i).ok());
                match found.and_then(|i| self.classes.get(i)) {
                    Some(class) => {
                        group.classes += 1;
                        group.count += class.count;
                    }
                    None => group.unknown.push(class.clone()),
                }
            }
            group
        };
        groups.iter().map(group).collect()
    }

    /// `{"classes": {NAME: {"index": I, "count": N}}, "rows": N, "unlabelled": N, ..}`.
    pub fn to_json(&self) -> Map<String, Value> {
        let class = |class: &ClassCount| {
            let about = json!({ "index": class.index, "count": class.count });
            (class.name.clone(), about)
        };
        let mut json = Map::new();
        let classes: Map<String, Value> = self.classes.iter().map(class).collect();
        json.insert("classes".into(), classes.into());
        json.insert("rows".into(), self.rows.into());
        json.insert("unlabelled".into(), self.unlabelled.into());
        json.insert("bad_rows".into(), self.bad.into());
        json.insert("splits".into(), json!(self.splits));
        json.insert("unique_ids".into(), self.ids.into());
        json.insert(
            "ids_with_several_clips".into(),
            self.ids_with_several_clips.into(),
        );
        json.insert("ids_starting_with_dash".into(), self.ids_with_a_dash.into());
        json.insert("durations_not_10_s".into(), self.not_ten_seconds.into());
        json.insert("max_start".into(), json!(self.max_start));
        json
    }
}
