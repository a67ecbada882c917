//! How many frames come out.

use std::process::{Command, Stdio};

use kpack::sample::{FrameChoice, Recipe, Size};

use super::{files, stream};
use crate::media::{frames, make};

#[test]
fn frame_counts_are_those_of_ffprobe() {
    let Some(files) = files("frame_counts_are_those_of_ffprobe") else {
        return;
    };
    let recipe = Recipe {
        size: Size::Exact {
            width: 16,
            height: 16,
        },
        ..frames(FrameChoice::All)
    };
    for path in files {
        if stream(&path, "v:0").is_none() {
            continue;
        }
        let mut command = Command::new("ffprobe");
        command.args([
            "-v",
            "error",
            "-threads",
            "1",
            "-count_frames",
            "-select_streams",
            "v:0",
        ]);
        command.args(["-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"]);
        let counting = command
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let counting = counting.stderr(Stdio::null()).spawn().unwrap();
        let (_, facts) = make(&path, None, &recipe);
        let counted = counting.wait_with_output().unwrap().stdout;
        let counted = String::from_utf8(counted).unwrap();
        // A transport stream is listed again with its program.
        let first = counted.lines().next().unwrap();
        let counted = first.trim_end_matches(',').parse().ok();
        assert_eq!(facts.frames, counted, "{}", path.display());
    }
}
