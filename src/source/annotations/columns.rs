//! What the columns of a table mean: by the names in its header, or by the cells of a file without
//! one.
//!
//! ```text
//! label,youtube_id,time_start,time_end,split,is_cc    any header, in any order
//! label,id,start,end,split                            Kinetics and nano without a header
//! id,start,end,split                                  the same without labels
//! id,timestamp                                        AVA-Kinetics
//! id,timestamp,x1,y1,x2,y2,label[,person]             AVA-Kinetics and AVA
//! ```

use crate::source::media_kind::by_name;
use crate::source::raw::os_str;

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) enum Role {
    /// A media file.
    Path,
    /// The id of a video, such as YouTube's.
    Id,
    /// Where the video can be fetched.
    Url,
    /// The class.
    Label,
    /// Several classes with commas between them.
    Labels,
    /// Begin of the time range.
    Start,
    /// End of the time range.
    End,
    /// The split.
    Split,
    /// The instant that AVA annotates.
    Stamp,
}

/// Number of roles.
const ROLES: usize = 9;

use Role::{End, Id, Label, Labels, Path, Split, Stamp, Start, Url};

/// The names of columns in published files and usual tables, in lower case. Where several columns
/// of a header could have a role, the name that stands first here has it; a role stands twice so
/// that a weak name loses to a strong one of another role.
const NAMES: &[(&str, Role)] = &[
    ("path", Path),
    ("video_path", Path),
    ("filepath", Path),
    ("file_path", Path),
    ("filename", Path),
    ("file_name", Path),
    ("file", Path),
    ("youtube_id", Id),
    ("ytid", Id),
    ("yt_id", Id),
    ("original_vido_id", Id), // the spelling of PySlowFast's frame lists
    ("video_id", Id),
    ("videoid", Id),
    ("video", Id),
    ("id", Id),
    ("url", Url),
    ("video_url", Url),
    ("label", Label),
    ("class", Label),
    ("class_name", Label),
    ("label_name", Label),
    ("action", Label),
    ("category", Label),
    ("labels", Labels),
    ("start", Start),
    ("time_start", Start),
    ("start_time", Start),
    ("start_sec", Start),
    ("start_seconds", Start),
    ("end", End),
    ("time_end", End),
    ("end_time", End),
    ("end_sec", End),
    ("end_seconds", End),
    ("timestamp", Stamp),
    ("split", Split),
    ("subset", Split),
];

/// Which column has which role.
#[derive(Debug, Clone, Default)]
pub(in crate::source) struct Columns {
    names: Vec<String>,
    places: [Option<usize>; ROLES],
}

impl Columns {
    /// The columns that these names say; `None` if none of them names the media.
    pub(in crate::source) fn of_names(names: Vec<String>) -> Option<Self> {
        let mut columns = Self {
            names,
            ..Self::default()
        };
        for (name, role) in NAMES {
            let found = columns.names.iter().position(|n| same(n, name));
            if found.is_some() && columns.place(*role).is_none() {
                columns.set(*role, found);
            }
        }
        // PySlowFast's frame lists name a picture on each line: the id is the video.
        if columns
            .names
            .first()
            .is_some_and(|n| n == "original_vido_id")
        {
            columns.set(Path, None);
        }
        // A path says more than an id, an id more than an address: the others are kept as they are.
        if columns.place(Path).is_some() {
            columns.set(Id, None);
            columns.set(Url, None);
        } else if columns.place(Id).is_some() {
            columns.set(Url, None);
        }
        if columns.place(Start).is_some() || columns.place(Path).is_some() {
            columns.set(Stamp, None);
        }
        if columns.place(Label).is_some() {
            columns.set(Labels, None);
        }
        let media = [Path, Id, Url].iter().any(|r| columns.place(*r).is_some());
        media.then_some(columns)
    }

    /// The columns of a file without header, judged by the cells of one row.
    pub(in crate::source) fn of_cells(cells: &[&[u8]]) -> Option<Self> {
        let number = |i: usize| cells.get(i).and_then(|cell| number(cell));
        let text = |i: usize| number(i).is_none() && cells.get(i).is_some_and(|c| !c.is_empty());
        if cells
            .first()
            .is_some_and(|c| by_name(os_str(c)) == Some(true) || c.contains(&b'/'))
        {
            return None;
        }
        let share = |i: usize| number(i).is_some_and(|n| (0.0..=1.0).contains(&n));
        let decimal = cells.get(1).is_some_and(|c| c.contains(&b'.'));
        let stamped = match cells.len() {
            2 => number(1).is_some() && decimal,
            7 | 8 => number(1).is_some() && (2..6).all(share) && !text(6),
            _ => false,
        };
        if stamped {
            return Some(Self::fixed(AVA, cells.len()));
        }
        let (start, end) = (number(2), number(3));
        let ordered = start.is_some_and(|start| end.is_some_and(|end| end > start));
        if ordered && text(0) && (cells.len() == 4 || text(4)) {
            return Some(Self::fixed(&[Label, Id, Start, End, Split], cells.len()));
        }
        let after = |start: f64| number(2).is_some_and(|end| end > start || end < 0.0);
        let range = number(1).is_some_and(after) && !text(4);
        let split = cells.len() == 3 || text(3);
        (range && split).then(|| Self::fixed(&[Id, Start, End, Split], cells.len()))
    }

    /// The columns of AVA and AVA-Kinetics.
    pub(in crate::source) fn of_ava() -> Self {
        Self::fixed(AVA, AVA_NAMES.len())
    }

    fn fixed(roles: &[Role], count: usize) -> Self {
        let names: Vec<String> = match roles {
            AVA => AVA_NAMES.iter().map(|n| (*n).to_owned()).collect(),
            _ => (0..count)
                .map(|i| {
                    roles
                        .get(i)
                        .map_or_else(|| other_name(i, roles.len()), |r| name_of(*r))
                })
                .collect(),
        };
        let mut columns = Self {
            names,
            ..Self::default()
        };
        for (i, role) in roles.iter().enumerate().take(count) {
            columns.set(*role, Some(i));
        }
        columns
    }

    /// The column with `role`, counted from 0.
    pub(in crate::source) fn place(&self, role: Role) -> Option<usize> {
        self.places.get(role as usize).copied().flatten()
    }

    /// Whether the table has no header and rows of AVA's two lengths.
    pub(in crate::source) fn is_ava(&self) -> bool {
        self.names.iter().map(String::as_str).eq(AVA_NAMES)
    }

    fn set(&mut self, role: Role, place: Option<usize>) {
        if let Some(slot) = self.places.get_mut(role as usize) {
            *slot = place;
        }
    }

    /// All names.
    pub(in crate::source) fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether a column has no role, so that its cells are kept with the clip.
    pub(in crate::source) fn is_other(&self, column: usize) -> bool {
        !self.places.contains(&Some(column))
    }
}

const AVA: &[Role] = &[Id, Stamp];
const AVA_NAMES: [&str; 8] = [
    "video_id",
    "timestamp",
    "x1",
    "y1",
    "x2",
    "y2",
    "label",
    "person_id",
];

/// The strongest name of a role.
fn name_of(role: Role) -> String {
    let strong = NAMES.iter().find(|(_, r)| *r == role);
    strong.map_or_else(String::new, |(name, _)| (*name).to_owned())
}

/// The name of a column behind the known ones; Kinetics has just one there.
fn other_name(column: usize, known: usize) -> String {
    match column == known {
        true => "is_cc".to_owned(),
        false => format!("column_{}", column + 1),
    }
}

fn same(column: &str, name: &str) -> bool {
    column.trim().eq_ignore_ascii_case(name)
}

fn number(cell: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(cell.trim_ascii()).ok()?;
    let plain = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'-');
    text.parse().ok().filter(|_| text.bytes().all(plain))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn cells(line: &str) -> Option<Vec<Role>> {
        let cells: Vec<&[u8]> = line.split(',').map(str::as_bytes).collect();
        let columns = Columns::of_cells(&cells)?;
        let all = [Path, Id, Url, Label, Labels, Start, End, Split, Stamp];
        let mut found: Vec<_> = all
            .into_iter()
            .filter_map(|role| Some((columns.place(role)?, role)))
            .collect();
        found.sort_unstable_by_key(|(place, _)| *place);
        Some(found.into_iter().map(|(_, role)| role).collect())
    }

    #[test]
    fn files_without_header_are_known_by_their_cells() {
        let kinetics = Some(vec![Label, Id, Start, End, Split]);
        assert_eq!(cells("running,-abc_12345x,10,20,train"), kinetics);
        assert_eq!(cells("running,-abc_12345x,10,20,train,0"), kinetics);
        assert_eq!(
            cells("running,12345678901,10,20.5"),
            Some(vec![Label, Id, Start, End])
        );
        assert_eq!(
            cells("-abc_12345x,10,20,test"),
            Some(vec![Id, Start, End, Split])
        );
        assert_eq!(cells("-abc_12345x,10,20"), Some(vec![Id, Start, End]));
        assert_eq!(cells("-abc_12345x,10.000000"), Some(vec![Id, Stamp]));
        assert_eq!(
            cells("-abc_12345x,0902,0.1,0.2,0.3,1,80,1"),
            Some(vec![Id, Stamp])
        );
        for other in [
            "a.mp4,3",
            "a.mp4,300,3",
            "d/clip,300,3",
            "run,3",
            "Read me, please",
        ] {
            assert_eq!(cells(other), None, "{other}");
        }
    }

    #[test]
    fn a_header_may_use_any_usual_name() {
        let names =
            |line: &str| Columns::of_names(line.split(',').map(str::to_owned).collect::<Vec<_>>());
        let columns = names("Time_Start,is_cc,YouTube_ID,label,split,time_end").unwrap();
        assert_eq!(columns.place(Id), Some(2));
        assert_eq!(
            (columns.place(Start), columns.place(End)),
            (Some(0), Some(5))
        );
        assert!(columns.is_other(1) && !columns.is_other(3));
        let both = names("video_id,path,url").unwrap();
        assert_eq!((both.place(Path), both.place(Id)), (Some(1), None));
        assert!(both.is_other(0) && both.is_other(2));
        assert!(names("label,start,end").is_none());
    }
}
