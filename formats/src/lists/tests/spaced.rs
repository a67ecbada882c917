//! Lists whose fields stand behind spaces.

use std::collections::BTreeMap;

use super::*;

#[test]
fn mmaction2_video_splits_at_single_spaces() {
    let entries = videos();
    let list = render("mmaction2-video", &entries);
    let parse = |line: &&str| {
        let fields: Vec<&str> = line.trim().split(' ').collect();
        match fields.as_slice() {
            [path] => ((*path).to_owned(), -1),
            [path, label] => ((*path).to_owned(), label.parse().unwrap()),
            _ => panic!("not enough or too many values: {line}"),
        }
    };
    let read: Vec<_> = lines_of(&list.text).iter().map(parse).collect();
    assert_eq!(read, said(&entries, &[2, 4]));
    assert_eq!(
        refused(&list, &entries),
        [entries[2].path.as_str(), "two\nlines.mp4"]
    );
    assert_eq!(list.written, 4);
}

#[test]
fn mmaction2_rawframe_reads_folder_count_label() {
    let entries = folders();
    let list = render("mmaction2-rawframe", &entries);
    let parse = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let labels: Vec<i64> = fields[2..].iter().map(|f| f.parse().unwrap()).collect();
        assert!(labels.len() <= 1, "{line}");
        let count: u64 = fields[1].parse().unwrap();
        (
            fields[0].to_owned(),
            count,
            labels.first().copied().unwrap_or(-1),
        )
    };
    let read: Vec<_> = lines_of(&list.text).iter().map(parse).collect();
    let owned = |path: &str, count, label| (path.to_owned(), count, label);
    assert_eq!(
        read,
        [
            owned("run/-a", 163, 2),
            owned("run/it's,b", 1, 1),
            owned("c", 300, -1)
        ]
    );
    assert_eq!(refused(&list, &entries), ["run/with space", "run/odd"]);
    assert!(list.refused[1].1.contains("img_{:05}.jpg from 0"));
    assert!(list.notes.is_empty());
}

#[test]
fn mmaction2_audio_demands_a_label_and_the_videos_frames() {
    let mut entries = videos();
    entries[5].frames = None;
    let list = render("mmaction2-audio", &entries);
    let parse = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [path, frames, label] = fields.as_slice() else {
            panic!("{line}");
        };
        assert_eq!(frames.parse::<u64>().unwrap(), 263);
        ((*path).to_owned(), label.parse().unwrap())
    };
    let read: Vec<_> = lines_of(&list.text).iter().map(parse).collect();
    assert_eq!(read, said(&entries, &[2, 3, 4, 5]));
    assert!(list.refused[1].1.contains("demands one"));
}

#[test]
fn slowfast_never_reads_an_unlabelled_clip_as_class_0() {
    let entries = videos();
    let list = render("slowfast", &entries);
    let mut read = Vec::new();
    for line in lines_of(&list.text) {
        let fields: Vec<&str> = line.split(' ').collect();
        assert_eq!(fields.len(), 2, "one field would be label 0: {line}");
        read.push((fields[0].to_owned(), fields[1].parse().unwrap()));
    }
    assert_eq!(read, said(&entries, &[2, 4]));
}

#[test]
fn slowfast_frames_has_a_header_and_a_line_a_frame() {
    let entries = folders();
    let list = render("slowfast-frames", &entries);
    let lines = lines_of(&list.text);
    assert!(lines[0].starts_with("original_vido_id"));
    let mut videos: BTreeMap<u64, (String, Vec<String>, String)> = BTreeMap::new();
    for line in &lines[1..] {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [name, video, frame, path, labels] = fields.as_slice() else {
            panic!("{line}");
        };
        let video = videos
            .entry(video.parse().unwrap())
            .or_insert_with(|| ((*name).to_owned(), Vec::new(), labels.replace('"', "")));
        assert_eq!(frame.parse::<usize>().unwrap(), video.1.len());
        video.1.push((*path).to_owned());
    }
    let shapes: Vec<_> = videos
        .values()
        .map(|(name, paths, labels)| {
            (
                name.as_str(),
                paths.len(),
                paths[0].as_str(),
                labels.as_str(),
            )
        })
        .collect();
    assert_eq!(
        shapes,
        [
            ("-a", 163, "run/-a/img_00001.jpg", "2"),
            ("it's,b", 1, "run/it's,b/img_00001.jpg", "1"),
            ("c", 300, "c/img_00001.jpg", ""),
            ("odd", 7, "run/odd/img_00000.jpg", "2"),
        ]
    );
    assert_eq!(refused(&list, &entries), ["run/with space"]);
}

#[test]
fn a_name_that_comes_again_would_join_two_clips_frames() {
    let entries = [folder("a/x", 2, None), folder("b/x", 2, None)];
    assert_eq!(
        refused(&render("slowfast-frames", &entries), &entries),
        ["b/x"]
    );
}

/// pandas.read_csv(delimiter=' ', header=None), as far as it concerns paths.
fn pandas(text: &str) -> Vec<Vec<String>> {
    let rows: Vec<Vec<String>> = lines_of(text)
        .iter()
        .map(|line| {
            assert!(!line.contains('"'), "pandas takes quotes away: {line}");
            line.split(' ').map(str::to_owned).collect()
        })
        .collect();
    let columns = rows.first().map_or(0, Vec::len);
    for row in &rows {
        assert_eq!(row.len(), columns, "pandas would fill up with NaN");
        assert!(row.iter().all(|cell| !cell.is_empty()), "NaN");
    }
    rows
}

#[test]
fn videomae_reads_two_columns_with_pandas() {
    let entries = videos();
    for name in ["videomae", "videomaev2-video"] {
        let list = render(name, &entries);
        let read: Vec<_> = pandas(&list.text)
            .into_iter()
            .map(|row| (row[0].clone(), row[1].parse().unwrap()))
            .collect();
        assert_eq!(read, said(&entries, &[2, 4, 5]), "{name}");
    }
    let bare = [video("dir.mp4/bare", Some(PERSON))];
    assert!(render("videomae", &bare).refused[0].1.contains(".mp4"));
    assert_eq!(render("videomaev2-video", &bare).written, 1);
}

#[test]
fn videomaev2_frames_has_the_label_last() {
    let entries = folders();
    let list = render("videomaev2-frames", &entries);
    let read: Vec<(String, u64, i64)> = pandas(&list.text)
        .into_iter()
        .map(|row| {
            (
                row[0].clone(),
                row[1].parse().unwrap(),
                row[2].parse().unwrap(),
            )
        })
        .collect();
    let owned = |path: &str, count, label| (path.to_owned(), count, label);
    assert_eq!(
        read,
        [
            owned("run/-a", 163, 2),
            owned("run/it's,b", 1, 1),
            owned("c", 300, -1)
        ]
    );
}

#[test]
fn videomaev2_pretrain_takes_videos_and_frames() {
    let mut entries = videos();
    entries.extend(folders());
    let list = render("videomaev2-pretrain", &entries);
    let mut read = Vec::new();
    for line in lines_of(&list.text) {
        let fields: Vec<&str> = line.split(' ').collect();
        let [path, start, total] = fields.as_slice() else {
            panic!("{line}");
        };
        read.push((
            *path,
            start.parse::<i64>().unwrap(),
            total.parse::<i64>().unwrap(),
        ));
    }
    assert_eq!(read[0], ("run/-3B32lodo2M_000010_000020.mp4", 0, -1));
    assert_eq!(read[2], ("none_000000_000010.mp4", 0, -1));
    assert_eq!(
        read[4..],
        [
            ("run/-a", 1, 163),
            ("run/it's,b", 1, 1),
            ("c", 1, 300),
            ("run/odd", 0, 7)
        ]
    );
}

#[test]
fn pytorchvideo_splits_at_the_last_space() {
    let mut entries = videos();
    entries.push(video("spaces but no label.mp4", None));
    entries.push(video("ends with space ", Some(PERSON)));
    entries.push(video("line\u{2028}separator.mp4", Some(PERSON)));
    let list = render("pytorchvideo", &entries);
    let parse = |line: &&str| {
        let at = line.trim_end().rfind(char::is_whitespace).unwrap();
        let (path, label) = (line[..at].trim_end(), line[at..].trim());
        (path.to_owned(), label.parse().unwrap())
    };
    let read: Vec<_> = lines_of(&list.text).iter().map(parse).collect();
    assert_eq!(read, said(&entries, &[4, 7, 8]));
}

#[test]
fn a_folder_that_pandas_would_take_for_a_number_is_refused() {
    let names = ["00123", "1e5", "NA", "null", "nan", "True", "v_00123"];
    let entries: Vec<Entry> = names
        .iter()
        .map(|name| folder(name, 9, Some(PERSON)))
        .collect();
    let list = render("videomaev2-frames", &entries);
    assert_eq!(list.text, "v_00123 9 2\n");
    assert!(list.refused.iter().all(|(_, why)| why.contains("--prefix")));
}
