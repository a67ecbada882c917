//! Annotation lists: what dataloaders read, one shape per consumer. Pure: entries in, text out.
//!
//! ```text
//! mmaction2-video      some/clip.mp4 1                 slowfast        some/clip.mp4 1
//! mmaction2-rawframe   some/clip 163 1                 slowfast-frames clip 0 0 some/clip/img_00001.jpg "1"
//! mmaction2-audio      some/clip.wav 300 1             pytorchvideo    some/a clip.mp4 1
//! mmaction2-ava        clip,2,0.1,0.2,0.3,0.4,80,-1    torchvision     youtube_id,time_start,time_end,label
//! videomae             some/clip.mp4 1                 dmvr            video_path,start,end,label
//! videomaev2-video     some/clip.mp4 1                 nano            some/clip.mp4 1
//! videomaev2-frames    some/clip 163 1                 showmax         {"clip": "high jump"}
//! videomaev2-pretrain  some/clip.mp4 0 -1, or some/clip 1 163
//! ```
//!
//! A consumer is a line in [`CONSUMERS`]. What its parser would misread (a space where the path
//! ends at the first space, a missing label that would become class 0) is refused with a reason,
//! never written.

mod ava;
mod check;
mod showmax;
mod spaced;
mod tables;
#[cfg(test)]
mod tests;

use crate::Label;

/// Name of the class map beside the lists: one name a line, in index order.
pub const CLASS_MAP: &str = "labels.txt";

/// What a line of a list points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// A video file.
    Video,
    /// A folder of frames.
    Frames,
    /// A sound file.
    Audio,
    /// A video file or a folder of frames.
    Either,
}

/// One clip that is there and can be read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// The file or folder as the list names it, with prefix.
    pub path: String,
    /// The same below the folder that the list is of, without prefix; with `/` between parts.
    pub place: String,
    /// Class labels; empty for an unlabelled clip.
    pub labels: Vec<Label>,
    /// Frames of the clip's video, where they were counted.
    pub frames: Option<u64>,
    /// The frame files, where `path` is a folder of them.
    pub files: Option<FrameFiles>,
    /// Time range in the file in seconds; end `None` where it is not known.
    pub range: Option<(f64, f64)>,
    /// Whether the file is longer than the range, so that a list without times would show too much.
    pub longer: bool,
    /// Boxes of annotated persons.
    pub boxes: Vec<BoxLabel>,
    /// Frames per second of `files`, where they are known and follow each other evenly.
    pub rate: Option<f64>,
}

/// The names of numbered frames: `before`, the number in at least `width` digits, `after`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameFiles {
    /// What stands before the number, such as `img_`.
    pub before: String,
    /// Digits, with zeros in front; 0 or 1 for none.
    pub width: usize,
    /// What stands behind the number, such as `.jpg`.
    pub after: String,
    /// Number of the first frame.
    pub first: u64,
    /// Number of frames; their numbers have no gap.
    pub count: u64,
}

impl FrameFiles {
    /// File name of the frame with this number.
    pub fn name(&self, number: u64) -> String {
        let Self {
            before,
            width,
            after,
            ..
        } = self;
        format!("{before}{number:0width$}{after}")
    }
    /// The template in Python's format language, such as `img_{:05}.jpg`.
    pub fn template(&self) -> String {
        let Self {
            before,
            width,
            after,
            ..
        } = self;
        match width {
            0 | 1 => format!("{before}{{}}{after}"),
            _ => format!("{before}{{:0{width}}}{after}"),
        }
    }
}

/// An annotated person at one instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoxLabel {
    /// Seconds from the start of the clip.
    pub time: f64,
    /// Left, top, right, bottom, each 0 to 1.
    pub corners: [f64; 4],
    /// Number of the action, from 1; `None` for a box without one.
    pub action: Option<i64>,
    /// Number of the person; `None` where the annotations have none.
    pub person: Option<i64>,
    /// Index, from 0, of the frame shown at `time`; `None` where the clip has none then.
    pub frame: Option<u64>,
}

/// The list of one split, and what could not be in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The whole file.
    pub text: String,
    /// Entries that are in it.
    pub written: u64,
    /// Positions of the entries that are not, and why, on one line each.
    pub refused: Vec<(usize, String)>,
    /// What the user has to tell the consumer, one line each.
    pub notes: Vec<String>,
}

/// A file that a consumer reads besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Companion {
    /// File name.
    pub name: String,
    /// The whole file.
    pub text: String,
}

/// One dataloader: a line in [`CONSUMERS`].
#[derive(Debug, Clone, Copy)]
pub struct Consumer {
    /// Name on the command line.
    pub name: &'static str,
    /// One line for help and docs.
    pub about: &'static str,
    /// What its lines point to.
    pub wants: Wants,
    /// Whether [`Entry::frames`] has to be known for files too.
    pub counts_frames: bool,
    /// Whether [`Entry::range`] has to be known; else a clip of a longer file cannot be listed.
    pub times: bool,
    /// Whether [`Entry::boxes`] are read.
    pub boxes: bool,
    /// Whether class indexes follow from the folders' names, as sorted bytewise.
    pub classes_are_folders: bool,
    /// What its list is called: split in braces, as `{}.csv`.
    file: &'static str,
    /// Writes the entries of one split.
    render: fn(&[Entry]) -> Rendered,
    /// Its class map, where that is not [`CLASS_MAP`] alone.
    companion: Option<fn(&[String]) -> Companion>,
}

impl Consumer {
    /// File name of the list of a split (`data` for clips without one).
    pub fn file(&self, split: &str) -> String {
        self.file.replace("{}", split)
    }
    /// The list of the entries of one split.
    pub fn render(&self, entries: &[Entry]) -> Rendered {
        (self.render)(entries)
    }
    /// The class map in the shape that this consumer reads, where it has one of its own.
    pub fn companion(&self, classes: &[String]) -> Option<Companion> {
        self.companion.map(|make| make(classes))
    }
}

/// The consumer of this name.
pub fn consumer(name: &str) -> Option<&'static Consumer> {
    CONSUMERS.iter().find(|consumer| consumer.name == name)
}

/// What most consumers have in common.
const PLAIN: Consumer = Consumer {
    name: "",
    about: "",
    wants: Wants::Video,
    counts_frames: false,
    times: false,
    boxes: false,
    classes_are_folders: false,
    file: "{}.txt",
    render: spaced::mmaction2_video,
    companion: None,
};

/// All consumers, by name.
pub static CONSUMERS: &[Consumer] = &[
    Consumer {
        name: "mmaction2-video",
        about: "VideoDataset: `path label`",
        ..PLAIN
    },
    Consumer {
        name: "mmaction2-rawframe",
        about: "RawframeDataset: `folder frames label`",
        wants: Wants::Frames,
        render: spaced::mmaction2_rawframe,
        ..PLAIN
    },
    Consumer {
        name: "mmaction2-audio",
        about: "AudioDataset: `path frames label`",
        wants: Wants::Audio,
        counts_frames: true,
        render: spaced::mmaction2_audio,
        ..PLAIN
    },
    Consumer {
        name: "mmaction2-ava",
        about: "AVADataset: boxes by video and second",
        wants: Wants::Frames,
        boxes: true,
        file: "{}.csv",
        render: ava::mmaction2,
        ..PLAIN
    },
    Consumer {
        name: "slowfast",
        about: "PySlowFast Kinetics: `path label`",
        file: "{}.csv",
        render: spaced::slowfast,
        ..PLAIN
    },
    Consumer {
        name: "slowfast-frames",
        about: "PySlowFast AVA, Charades, SSv2: one line a frame",
        wants: Wants::Frames,
        file: "{}.csv",
        render: spaced::slowfast_frames,
        ..PLAIN
    },
    Consumer {
        name: "videomae",
        about: "VideoMAE: `path label`, exactly one space",
        file: "{}.csv",
        render: spaced::videomae,
        ..PLAIN
    },
    Consumer {
        name: "videomaev2-video",
        about: "VideoMAEv2 fine-tuning on videos: `path label`",
        file: "{}.csv",
        render: spaced::videomaev2_video,
        ..PLAIN
    },
    Consumer {
        name: "videomaev2-frames",
        about: "VideoMAEv2 fine-tuning on frames: `folder frames label`",
        wants: Wants::Frames,
        file: "{}.csv",
        render: spaced::videomaev2_frames,
        ..PLAIN
    },
    Consumer {
        name: "videomaev2-pretrain",
        about: "VideoMAEv2 pre-training: `path 0 -1`, or `folder first frames`",
        wants: Wants::Either,
        file: "{}.csv",
        render: spaced::videomaev2_pretrain,
        ..PLAIN
    },
    Consumer {
        name: "pytorchvideo",
        about: "LabeledVideoPaths: `path label`; the path may hold spaces",
        wants: Wants::Either,
        render: spaced::pytorchvideo,
        ..PLAIN
    },
    Consumer {
        name: "torchvision",
        about: "Kinetics: CSV of DIR/<split>/<class>/<id>_<start>_<end>.mp4",
        classes_are_folders: true,
        file: "{}.csv",
        render: tables::torchvision,
        ..PLAIN
    },
    Consumer {
        name: "dmvr",
        about: "DMVR, Scenic: CSV of paths, times, labels",
        times: true,
        file: "{}.csv",
        render: tables::dmvr,
        ..PLAIN
    },
    Consumer {
        name: "nano",
        about: "nano-datasets: `path label`, and its class file",
        file: "nano-{}.csv",
        render: spaced::nano,
        companion: Some(spaced::nano_classes),
        ..PLAIN
    },
    Consumer {
        name: "showmax",
        about: "Showmax metadata JSON: class by id, index by class",
        wants: Wants::Either,
        file: "showmax_{}.json",
        render: showmax::meta,
        companion: Some(showmax::classes),
        ..PLAIN
    },
];
