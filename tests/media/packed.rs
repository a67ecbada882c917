//! A few frames of a packed video, against all of them decoded from the start.

use std::fs;
use std::sync::Arc;

use kpack::access::{FrameRange, Lookup, Video, Wanted, look_up};
use kpack::media::{self, Decoder, Frame, Input, Scaler, Yuv, frame_table};
use kpack_formats::{Blob, FrameTable};

use super::{fixture, times, with_track};

/// Hash of a frame's planes at its own size.
fn hash(frame: &Frame) -> u32 {
    let (mut scaler, mut yuv) = (Scaler::default(), Yuv::default());
    let size = (frame.width(), frame.height());
    scaler
        .planes(frame, size, Default::default(), &mut yuv)
        .unwrap();
    let rows = |i: usize| {
        let (w, h) = [size, (size.0.div_ceil(2), size.1.div_ceil(2))][i.min(1)];
        let plane = &yuv.planes()[i];
        (0..h as usize).fold(0, |hash, y| {
            crc32c::crc32c_append(hash, &plane.row(y)[..w as usize])
        })
    };
    [0, 1, 2]
        .iter()
        .fold(0, |hash, i| hash.rotate_left(9) ^ rows(*i))
}

/// All frames, as a player decodes them.
pub(super) fn all(blob: &Blob) -> Vec<u32> {
    let mut input = Input::open_blob(blob.clone()).unwrap();
    let track = input.video().unwrap().clone();
    let mut decoder = Decoder::new(&input, &track).unwrap();
    let mut hashes = Vec::new();
    let mut add = |frame: &Frame| -> media::Result<()> {
        hashes.push(hash(frame));
        Ok(())
    };
    while let Ok(Some(packet)) = input.next_packet() {
        if packet.stream() == track.index {
            decoder.feed(&packet, &mut add).unwrap();
        }
    }
    decoder.drain(&mut add).unwrap();
    hashes
}

pub(super) fn some(video: &mut Video, range: FrameRange) -> Vec<(u64, u32)> {
    let mut found = Vec::new();
    let taken = video
        .decode(range, |number, _, frame| {
            found.push((number, hash(frame)));
            Ok(())
        })
        .unwrap();
    assert_eq!(taken, found.len() as u64);
    found
}

fn blob(name: &str) -> Blob {
    Blob::from(fs::read(fixture(name)).unwrap())
}

pub(super) fn range(text: &str) -> FrameRange {
    text.parse().unwrap()
}

#[test]
fn any_frames_of_any_video_are_those_of_a_full_decode() {
    for name in with_track("video") {
        let blob = blob(name);
        let whole: Vec<(u64, u32)> = (0..).zip(all(&blob)).collect();
        let mut video = Video::open(&blob, None).unwrap();
        if let Some(frames) = video.frames() {
            assert_eq!(frames, whole.len() as u64, "{name}");
        }
        let of = |range: FrameRange| -> Vec<(u64, u32)> {
            let stop = range.stop.unwrap_or(u64::MAX);
            let inside = |n: &u64| (range.start..stop).contains(n);
            let asked = |n: &u64| inside(n) && (n - range.start).is_multiple_of(range.step);
            whole.iter().filter(|(n, _)| asked(n)).copied().collect()
        };
        for text in [
            "..", "0", "1", "7..8", "3..40:4", "11..:7", "20..26", "..5:2", "99999..", "5..5",
        ] {
            let range = range(text);
            assert_eq!(some(&mut video, range), of(range), "{name} {text}");
        }
        for k in 0..12 {
            let start = k * 7919 % whole.len() as u64;
            let range = FrameRange {
                start,
                stop: Some(start + 1 + k),
                step: 1 + k % 3,
            };
            assert_eq!(some(&mut video, range), of(range), "{name} {range:?}");
        }
    }
}

/// Also those that come out at the end of an avi, where libav knows no time.
#[test]
fn each_frame_has_its_time() {
    for name in with_track("video") {
        let mut video = Video::open(&blob(name), None).unwrap();
        let mut got = Vec::new();
        let mut add = |_: u64, time: kpack::Time, _: &Frame| -> media::Result<()> {
            got.push(time.secs());
            Ok(())
        };
        video.decode(range(".."), &mut add).unwrap();
        let want = times(name);
        assert_eq!(got.len(), want.len(), "{name}");
        for (got, want) in got.iter().zip(want) {
            assert!((got - want).abs() < 0.0011, "{name}: {got} {want}");
        }
    }
}

#[test]
fn tables_are_made_where_packets_say_when_they_are_shown() {
    let table = |name: &str| frame_table(&mut Input::open_blob(blob(name)).unwrap()).unwrap();
    for name in with_track("video") {
        let has = [".mp4", ".mkv", ".webm"].iter().any(|e| name.ends_with(e));
        assert_eq!(table(name).is_some(), has, "{name}");
    }
    let hidden = table("media/edit_list.mp4").unwrap();
    assert!(hidden.frames.iter().any(|frame| frame.hidden));
    let gops = table("media/gop250.mp4").unwrap();
    assert_eq!(gops.frames.len(), gops.shown().len());
}

/// The same frames come out when the packets of all other groups of pictures are destroyed: they
/// were not looked at.
#[test]
fn only_the_groups_of_pictures_that_are_needed_are_read() {
    let mut tried = 0;
    for name in with_track("video") {
        let whole = blob(name);
        let Some(table) = frame_table(&mut Input::open_blob(whole.clone()).unwrap()).unwrap()
        else {
            continue;
        };
        let keys: Vec<usize> = (0..table.frames.len())
            .filter(|i| table.frames[*i].key)
            .collect();
        let end = |k: usize| keys.get(k + 1).copied().unwrap_or(table.frames.len());
        let closed = |at: usize| {
            table.frames[at..]
                .iter()
                .all(|f| f.pts >= table.frames[at].pts)
        };
        let middle = keys.len() / 2;
        if middle == 0
            || !closed(keys[middle])
            || table
                .frames
                .get(end(middle))
                .is_some_and(|_| !closed(end(middle)))
        {
            continue;
        }
        let (begin, end) = (keys[middle], end(middle));
        tried += 1;
        let shown = table.shown();
        let numbers: Vec<u64> = (begin..end)
            .filter_map(|i| shown.iter().position(|s| *s as usize == i))
            .map(|n| n as u64)
            .collect();
        let (start, stop) = (
            numbers.iter().min().unwrap(),
            numbers.iter().max().unwrap() + 1,
        );
        let range = FrameRange {
            start: *start,
            stop: Some(stop),
            step: 1,
        };
        let mut bytes = whole.load().unwrap().to_vec();
        for frame in table.frames[..begin].iter().chain(&table.frames[end..]) {
            bytes[frame.offset as usize..][..frame.length as usize].fill(0x55);
        }
        let table = Arc::new(table);
        let mut video = Video::open(&whole, Some(&table)).unwrap();
        let expected = some(&mut video, range);
        assert_eq!(expected.len(), end - begin, "{name}");
        let mut video = Video::open(&Blob::from(bytes), Some(&table)).unwrap();
        assert_eq!(some(&mut video, range), expected, "{name}");
    }
    assert!(tried >= 3, "{tried} fixtures have groups to tell apart");
}

#[test]
fn a_table_of_another_blob_is_not_used() {
    let blob = blob("media/tiny.mp4");
    let far = FrameTable {
        time_base: (1, 1000),
        origin: 0,
        frames: vec![(0, blob.len(), 1, 1).into()],
    };
    let mut video = Video::open(&blob, Some(&Arc::new(far))).unwrap();
    assert_eq!(some(&mut video, range("..")).len(), all(&blob).len());
}

/// Pictures for training are those of the exact way, but for chroma that is not interpolated.
#[test]
fn quick_pictures_are_close_to_exact_ones() {
    for name in [
        "media/h264_bframes_aac.mp4",
        "media/bt709_limited.mp4",
        "media/full_range.mp4",
        "media/rotated_90.mp4",
        "media/tenbit.mp4",
    ] {
        let mut video = Video::open(&blob(name), None).unwrap();
        let rotation = video.track().rotation;
        let range = range("3..4");
        let quick = video.rgb(range).unwrap().remove(0);
        let (mut scaler, mut exact) = (Scaler::default(), media::Rgb::default());
        video
            .decode(range, |_, _, frame| {
                let (w, h) = (frame.width(), frame.height());
                let size = if rotation.swaps() { (h, w) } else { (w, h) };
                scaler.rgb(frame, size, rotation, &mut exact).map(|_| ())
            })
            .unwrap();
        assert_eq!((quick.width, quick.height), (exact.width, exact.height));
        let pairs = quick.packed().into_iter().zip(exact.packed());
        let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(b))).sum();
        let mean = sum as f64 / exact.packed().len() as f64;
        assert!(mean < 3.0, "{name}: {mean}");
    }
}

#[test]
fn ranges_are_read_as_they_are_written() {
    let parsed = |text: &str| text.parse::<FrameRange>();
    let full = FrameRange {
        start: 4,
        stop: Some(64),
        step: 4,
    };
    assert_eq!(parsed("4..64:4"), Ok(full));
    assert_eq!(
        parsed("9"),
        Ok(FrameRange {
            start: 9,
            stop: Some(10),
            step: 1
        })
    );
    for wrong in ["", "a", "1..2:0", "1..b", "-1..2", "1:2"] {
        assert!(parsed(wrong).is_err(), "{wrong}");
    }
}

#[cfg(feature = "cli")]
#[test]
fn packing_and_converting_keep_frame_tables_beside_the_shard() {
    use crate::cli::kpack;
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (list, packed) = (path("list.csv"), path("packed"));
    let rows = ["h264_bframes_aac.mp4", "vp9_opus.webm", "mpeg4_asp.avi"]
        .map(|name| fixture(&format!("media/{name}")).display().to_string());
    fs::write(&list, format!("path\n{}\n", rows.join("\n"))).unwrap();
    for args in [&[][..], &["--in-process"]] {
        let all: Vec<&str> = ["webdataset", &list, "-o", &packed, "--overwrite"]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        let ended = kpack(all);
        assert_eq!(ended.code, 0, "{}", ended.err);
        check(&packed, "tar");
    }
    for (to, out) in [("tfrecord", path("records")), ("webdataset", path("tars"))] {
        let ended = kpack(["convert", &packed, "-o", &out, "--to", to]);
        assert_eq!(ended.code, 0, "{}", ended.err);
        check(&out, if to == "tfrecord" { "tfrecord" } else { "tar" });
    }
}

#[cfg(feature = "cli")]
fn check(dir: &str, extension: &str) {
    let shards: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    for (name, has) in [
        ("h264_bframes_aac.mp4", true),
        ("vp9_opus.webm", true),
        ("mpeg4_asp.avi", false),
    ] {
        let (key, kind) = name.split_once('.').unwrap();
        let Lookup::Found(found) = look_up(&shards, Wanted::Key(key)).unwrap() else {
            panic!("{key} is not in {dir}");
        };
        assert_eq!(
            found.sample.frame_tables.contains_key(kind),
            has,
            "{dir} {name}"
        );
        let source = blob(&format!("media/{name}"));
        let expected = all(&source);
        let (of, mut video) = Video::of_sample(&found.sample).unwrap().unwrap();
        assert_eq!(of, kind);
        let last = (expected.len() - 1) as u64;
        let range = FrameRange {
            start: last,
            stop: None,
            step: 1,
        };
        assert_eq!(
            some(&mut video, range),
            [(last, expected[last as usize])],
            "{dir} {name}"
        );
    }
}
