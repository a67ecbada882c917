//! Rows of a table with time ranges, from the command line to the pictures.

use kpack::pipeline::Outcome;

use super::broken::pack;
use super::{fixture, number};

#[test]
fn each_row_of_a_table_gives_the_frames_of_its_range() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let args = ["--layout", "flat", "--audio", "wav"];
    let (ended, rows) = pack("frames", &fixture("lists/clips.csv"), &out, &args);
    assert_eq!(ended.code, 0, "{}", ended.err);
    // The second row begins where the second keyframe stands.
    let want = [
        ("train", "walk", 13..38),
        ("train", "run", 250..275),
        ("val", "walk", 50..75),
        ("val", "run", 0..50),
        ("test", "walk", 1..49),
    ];
    assert_eq!(rows.len(), want.len());
    for (row, (split, label, numbers)) in rows.iter().zip(want) {
        assert_eq!(row.outcome, Outcome::Done);
        assert_eq!(
            (row.split.as_deref(), &*row.label),
            (Some(split), &[label.to_owned()][..])
        );
        let folder = out.join(row.path.as_ref().unwrap());
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let names = files
            .iter()
            .map(|f| f.file_name().unwrap().to_string_lossy().into_owned());
        let wanted = (1..=files.len()).map(|k| format!("img_{k:05}.jpg"));
        assert!(names.eq(wanted), "{}: {files:?}", row.key);
        let seen = files
            .iter()
            .map(|f| number(&image::open(f).unwrap().to_rgb8()));
        let wanted: Vec<u32> = numbers.collect();
        assert_eq!(seen.collect::<Vec<_>>(), wanted, "{}", row.key);
        assert_eq!(row.frames, Some(wanted.len() as u64));
        // The range of the last row is 1.92 s of 48 kHz.
        let samples = (split == "test").then_some(92_160);
        assert_eq!(row.audio_samples, samples, "{}", row.key);
    }
}
