//! `kpack resize`: one video file per clip.

use std::fs;
use std::path::Path;

use kpack::probe::{Depth, Probed, probe};

use super::{kpack, put};

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

fn resize(input: &Path, out: &Path, more: &[&str]) -> super::Ended {
    let args = [
        "resize",
        input.to_str().unwrap(),
        "-o",
        out.to_str().unwrap(),
    ];
    kpack(args.iter().chain(more))
}

fn look(path: &Path) -> Probed {
    probe(path, Depth::All).unwrap()
}

#[test]
fn every_clip_becomes_a_smaller_file_with_its_sound() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    let small = ["--short-side", "72", "--gop", "10", "--preset", "ultrafast"];
    let ended = resize(&fixtures().join("classes"), &one, &small);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let ended = resize(
        &fixtures().join("classes"),
        &two,
        &[&small[..], &["-j", "1"]].concat(),
    );
    assert_eq!(ended.code, 0, "{}", ended.err);
    let mut clips = 0;
    for entry in walkdir::WalkDir::new(&one) {
        let path = entry.unwrap().into_path();
        if path.extension().is_none_or(|e| e != "mp4") {
            continue;
        }
        clips += 1;
        let probed = look(&path);
        assert_eq!(
            (probed.width, probed.height),
            (Some(128), Some(72)),
            "{path:?}"
        );
        assert_eq!(probed.video_codec.as_deref(), Some("h264"));
        assert_eq!(probed.audio_codec.as_deref(), Some("aac"));
        assert!([Some(50), Some(75)].contains(&probed.frames), "{probed:?}");
        let again = two.join(path.strip_prefix(&one).unwrap());
        assert!(
            fs::read(&path).unwrap() == fs::read(again).unwrap(),
            "{path:?}"
        );
    }
    assert_eq!(clips, 6);
}

#[test]
fn sizes_are_even_rotation_is_gone_and_nothing_grows() {
    let dir = tempfile::tempdir().unwrap();
    for (name, args, size) in [
        ("rotated_90", &["--short-side", "60"][..], (80, 60)),
        ("rotated_270", &["--size", "64x64"], (64, 64)),
        ("no_audio", &["--short-side", "256"], (160, 120)),
        ("tiny", &["--short-side", "96", "--upscale"], (128, 96)),
    ] {
        let out = dir.path().join(name);
        let input = fixtures().join(format!("media/{name}.mp4"));
        let ended = resize(&input, &out, args);
        assert_eq!(ended.code, 0, "{name}: {}", ended.err);
        let probed = look(&out.join(format!("{name}.mp4")));
        assert_eq!(
            (probed.width, probed.height),
            (Some(size.0), Some(size.1)),
            "{name}"
        );
    }
    let odd = resize(
        &fixtures().join("media/odd_size.webm"),
        &dir.path().join("odd"),
        &[],
    );
    assert_eq!(odd.code, 0, "{}", odd.err);
    let probed = look(&dir.path().join("odd/odd_size.mp4"));
    assert_eq!((probed.width, probed.height), (Some(160), Some(120)));
}

#[test]
fn ranges_are_cut_and_contradictions_refused() {
    let dir = tempfile::tempdir().unwrap();
    let video = fixtures().join("media/gop250.mp4");
    let list = format!("path,start,end\n{},9,12\n", video.display());
    let list = put(dir.path(), "list.csv", list);
    for (args, name) in [
        (&["--short-side", "60"][..], "small"),
        (&["--video", "copy"], "cut"),
    ] {
        let out = dir.path().join(name);
        let ended = resize(&list, &out, args);
        assert_eq!(ended.code, 0, "{}", ended.err);
        assert_eq!(look(&out.join("gop250.mp4")).frames, Some(75), "{name}");
    }
    for args in [
        &["--video", "copy", "--short-side", "60"][..],
        &["--short-side", "61"],
        &["--video", "none"],
        &["--video", "copy", "--fps", "5"],
        &["--video", "copy", "--audio", "none"],
        &["--fps", "5", "--drop-duplicates"],
        &["--fps", "0"],
        &["--fps", "1e9"],
        &["--crf", "52"],
        &["--codec", "theora"],
        // Packets of sound are not cut to a time range.
        &["--audio", "copy"],
    ] {
        let ended = resize(&list, &dir.path().join("no"), args);
        assert_eq!(ended.code, 2, "{args:?} {}", ended.err);
    }
}

#[test]
fn rate_codec_and_sound_are_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let input = fixtures().join("media/h264_bframes_aac.mp4");
    let fast = ["--preset", "ultrafast", "--short-side", "60"];
    for (name, args, codec, sound, frames) in [
        ("rate", &["--fps", "12.5"][..], "h264", Some("aac"), 50),
        ("kept", &["--drop-duplicates"], "h264", Some("aac"), 100),
        ("mute", &["--audio", "none"], "h264", None, 100),
        ("copied", &["--audio", "copy"], "h264", Some("aac"), 100),
        ("hevc", &["--codec", "hevc"], "hevc", Some("aac"), 100),
        ("vp9", &["--video", "vp9"], "vp9", Some("opus"), 100),
    ] {
        let out = dir.path().join(name);
        let ended = resize(&input, &out, &[&fast[..], args].concat());
        if ended.code == 2 && ended.err.contains("this libav has no encoder") {
            println!("skipped {name}: {}", ended.err);
            continue;
        }
        assert_eq!(ended.code, 0, "{name}: {}", ended.err);
        let kind = if codec == "vp9" { "webm" } else { "mp4" };
        let probed = look(&out.join(format!("h264_bframes_aac.{kind}")));
        assert_eq!(probed.video_codec.as_deref(), Some(codec), "{name}");
        assert_eq!(probed.audio_codec.as_deref(), sound, "{name}");
        assert_eq!(probed.frames, Some(frames), "{name}");
        let row = fs::read_to_string(out.join("samples.jsonl")).unwrap();
        let row: serde_json::Value = serde_json::from_str(row.trim()).unwrap();
        assert_eq!(row["frames"], frames, "{name}");
        let dropped = (name == "kept").then_some(0);
        assert_eq!(row["dropped_frames"].as_u64(), dropped, "{name}");
        // Nothing is done twice.
        let again = resize(&input, &out, &[&fast[..], args].concat());
        assert_eq!(again.code, 0, "{name}: {}", again.err);
    }
}
