//! CSV and JSON.

use std::collections::{BTreeMap, HashMap};

use super::*;

#[test]
fn mmaction2_ava_reads_eight_fields() {
    let one = BoxLabel {
        time: 2.0,
        corners: [0.077, 0.151, 0.283, 0.811],
        action: Some(80),
        person: Some(1),
        frame: Some(60),
    };
    let with = |boxes: &[BoxLabel]| Entry {
        boxes: boxes.to_vec(),
        rate: Some(30.0),
        ..folder("-5KQ66BBWC4", 90, None)
    };
    let entries = [
        with(&[
            one,
            BoxLabel {
                person: None,
                ..one
            },
        ]),
        with(&[BoxLabel { time: 1.5, ..one }]),
        with(&[BoxLabel {
            action: None,
            ..one
        }]),
        with(&[BoxLabel {
            corners: [0.0, 0.0, 1.5, 1.0],
            ..one
        }]),
        with(&[]),
        Entry {
            path: "a,b".to_owned(),
            ..with(&[one])
        },
    ];
    let list = render("mmaction2-ava", &entries);
    let mut read = Vec::new();
    for line in lines_of(&list.text) {
        let fields: Vec<&str> = line.trim().split(',').collect();
        assert_eq!(fields.len(), 8, "{line}");
        let second: i64 = fields[1].parse().unwrap();
        let corners: Vec<f64> = fields[2..6].iter().map(|f| f.parse().unwrap()).collect();
        let ids: Vec<i64> = fields[6..].iter().map(|f| f.parse().unwrap()).collect();
        read.push((fields[0], second, corners, ids));
    }
    let corners = one.corners.to_vec();
    assert_eq!(
        read,
        [
            ("-5KQ66BBWC4", 2, corners.clone(), vec![80, 1]),
            ("-5KQ66BBWC4", 2, corners, vec![80, -1]),
        ]
    );
    let reasons: Vec<&str> = list.refused.iter().map(|(_, r)| r.as_str()).collect();
    for (reason, word) in
        reasons
            .iter()
            .zip(["1.5 s", "without an action", "outside", "no boxes", "comma"])
    {
        assert!(reason.contains(word), "{reason}");
    }
    assert_eq!(reasons.len(), 5);
    assert!(list.notes[0].contains("fps=30,") && list.notes[0].contains("timestamp_end=3,"));
    assert!(list.notes[1].contains("1 clip of 6 has a box between whole seconds"));
}

#[test]
fn mmaction2_ava_gets_frames_of_one_rate_at_which_it_finds_each_box() {
    let one = BoxLabel {
        time: 3.0,
        corners: [0.1, 0.1, 0.2, 0.2],
        action: Some(1),
        person: None,
        frame: Some(84),
    };
    let clip = |path: &str, rate: Option<f64>, one: BoxLabel| Entry {
        rate,
        boxes: vec![one],
        ..folder(path, 168, None)
    };
    let at = |frame: Option<u64>| BoxLabel { frame, ..one };
    let corners = |corners: [f64; 4]| BoxLabel { corners, ..one };
    let entries = [
        clip("other", Some(30.0), at(Some(90))),
        clip("a", Some(28.0), one),
        clip("b", Some(28.001), at(Some(83))),
        clip("uneven", None, at(Some(19))),
        clip("short", Some(28.0), at(None)),
        clip("late", Some(28.0), at(Some(60))),
        clip("turned", Some(28.0), corners([0.2, 0.1, 0.1, 0.2])),
        clip("flat", Some(28.0), corners([0.1, 0.2, 0.2, 0.2])),
    ];
    let list = render("mmaction2-ava", &entries);
    assert_eq!(
        list.text,
        "a,0003,0.1,0.1,0.2,0.2,1,-1\nb,0003,0.1,0.1,0.2,0.2,1,-1\n"
    );
    assert!(list.notes[0].contains("fps=28,"), "{:?}", list.notes);
    for ((_, reason), word) in list.refused.iter().zip([
        "30 frames a second, other clips have 28",
        "even rate",
        "no frame (of 168)",
        "frame 60 (from 0) shows, and this consumer reads frame 84",
        "without an area",
        "without an area",
    ]) {
        assert!(reason.contains(word), "{reason}");
    }
    assert_eq!(list.refused.len(), 6);
}

/// RFC 4180, as Python's csv.DictReader reads it.
fn dict_reader(text: &str) -> Vec<HashMap<String, String>> {
    let rows: Vec<Vec<String>> = lines_of(text).iter().map(|line| cells(line)).collect();
    let header = rows[0].clone();
    let row = |cells: &Vec<String>| {
        assert_eq!(cells.len(), header.len());
        header.iter().cloned().zip(cells.iter().cloned()).collect()
    };
    rows[1..].iter().map(row).collect()
}

fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell)),
            c => cell.push(c),
        }
    }
    cells.push(cell);
    cells
}

#[test]
fn torchvision_finds_the_files_that_its_csv_names() {
    let entries = [
        video(
            "val/massaging_persons_head/-3B32lodo2M_000010_000020.mp4",
            Some(PERSON),
        ),
        video("test/a, b/a_b_000000_000010.AVI", None),
        video("val/run/no_times.mp4", Some(PERSON)),
        video("run/x_000000_000010.mp4", Some(PERSON)),
        video("valid/run/x_000000_000010.mp4", Some(PERSON)),
        video("val/run/x_000000_000010.mkv", Some(PERSON)),
    ];
    let list = render("torchvision", &entries);
    let rows = dict_reader(&list.text);
    let read: Vec<(&str, i64, i64, &str)> = rows
        .iter()
        .map(|row| {
            let time = |name: &str| row[name].parse::<i64>().unwrap();
            (
                row["youtube_id"].as_str(),
                time("time_start"),
                time("time_end"),
                row["label"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        read,
        [
            ("-3B32lodo2M", 10, 20, "massaging person's head"),
            ("a_b", 0, 10, "a, b")
        ]
    );
    assert_eq!(list.refused.len(), 4);
}

#[test]
fn dmvr_reads_paths_and_seconds() {
    let mut entries = videos();
    entries[0].range = Some((1.5, 6.0));
    entries[5].range = None;
    let list = render("dmvr", &entries);
    let rows = dict_reader(&list.text);
    let read: Vec<_> = rows
        .iter()
        .map(|row| {
            let time = |name: &str| row[name].parse::<f64>().unwrap();
            (
                row["video_path"].as_str(),
                time("start"),
                time("end"),
                row["label"].as_str(),
            )
        })
        .collect();
    assert_eq!(
        read,
        [
            ("run/-3B32lodo2M_000010_000020.mp4", 1.5, 6.0, "abseiling"),
            ("run/it's,(odd)_000000_000010.mp4", 0.0, 10.5, PERSON.1),
            ("run/with space_000000_000010.mp4", 0.0, 10.5, GAME.1),
        ]
    );
    let unlabelled = [video("a.mp4", None)];
    let list = render("dmvr", &unlabelled);
    assert_eq!(list.text, "video_path,start,end\na.mp4,0,10.5\n");
}

#[test]
fn nano_lists_and_classes_have_their_own_shapes() {
    let entries = videos();
    let list = render("nano", &entries);
    let read: Vec<_> = lines_of(&list.text)
        .iter()
        .map(|line| {
            let (path, label) = line.split_once(' ').unwrap();
            (path.to_owned(), label.parse().unwrap())
        })
        .collect();
    assert_eq!(read, said(&entries, &[2, 3, 4]));
    let nano = consumer("nano").unwrap();
    assert_eq!(nano.file("val"), "nano-val.csv");
    let classes = ["air drumming".to_owned(), "zumba".to_owned()];
    let map = nano.companion(&classes).unwrap();
    assert_eq!(map.text, "#0 air drumming\r\n#1 zumba\r\n");
}

#[test]
fn showmax_maps_ids_to_classes_and_classes_to_indexes() {
    let mut entries = videos();
    entries.push(video("jump/none_000000_000010.avi", Some(GAME)));
    entries.push(folder("x/-y.z", 3, Some(GAME)));
    let list = render("showmax", &entries);
    let read: BTreeMap<String, String> = serde_json::from_str(&list.text).unwrap();
    assert_eq!(read["-3B32lodo2M_000010_000020"], "abseiling");
    assert_eq!(read["none_000000_000010"], "");
    assert_eq!(read["-y.z"], GAME.1);
    assert_eq!(
        refused(&list, &entries),
        ["two\nlines.mp4", "jump/none_000000_000010.avi"]
    );
    assert_eq!(list.written as usize, read.len());
    assert!(list.text.starts_with("{\n    \"-3B32"), "{}", list.text);
    let classes = ["b".to_owned(), String::new(), "a".to_owned()];
    let map = consumer("showmax").unwrap().companion(&classes).unwrap();
    assert_eq!(map.text, "{\n    \"a\": 2,\n    \"b\": 0\n}\n");
}
