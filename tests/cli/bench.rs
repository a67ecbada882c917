//! `kpack bench`.

use serde_json::Value;

use super::kpack;

const CLASSES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/classes");

#[test]
fn frames_of_random_clips_are_decoded_from_videos_and_from_pictures() {
    let dir = tempfile::tempdir().unwrap();
    for (name, options) in [
        ("webdataset", &["--video", "copy"][..]),
        ("tfrecord", &["--frames", "all"]),
    ] {
        let out = dir.path().join(name).display().to_string();
        let packed = kpack([name, CLASSES, "-o", &out].iter().chain(options));
        assert_eq!(packed.code, 0, "{}", packed.err);
        let args = [
            "--clips",
            "9",
            "--clip-frames",
            "5",
            "--stride",
            "3",
            "--repeats",
            "1",
        ];
        let run = [
            "bench", "read", &out, "--mode", "clips", "-j", "2", "--json",
        ];
        let ended = kpack(run.iter().chain(&args));
        assert_eq!(ended.code, 0, "{}", ended.err);
        let report: Value = serde_json::from_str(&ended.out).unwrap();
        let clips: Vec<&Value> = report["results"].as_array().unwrap().iter().collect();
        let clips: Vec<_> = clips.iter().filter(|r| r["mode"] == "clips").collect();
        assert_eq!(clips.len(), 2, "raw and crc: {}", ended.out);
        for one in clips {
            assert_eq!(
                (&one["samples"], &one["frames"]),
                (&9.into(), &45.into()),
                "{one}"
            );
        }
    }
    let sound = dir.path().join("sound").display().to_string();
    let media = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/media/stereo_48k.wav");
    let packed = kpack([
        "webdataset",
        media,
        "-o",
        &sound,
        "--video",
        "none",
        "--audio",
        "wav",
    ]);
    assert_eq!(packed.code, 0, "{}", packed.err);
    let ended = kpack(["bench", "read", &sound, "--repeats", "1"]);
    assert_eq!(
        ended.code, 0,
        "nothing to decode is no error: {}",
        ended.err
    );
    let ended = kpack(["bench", "read", &sound, "--repeats", "1", "--mode", "clips"]);
    assert_eq!(
        ended.code, 2,
        "but it is where it was asked for: {}",
        ended.err
    );
}

#[test]
fn steps_of_packing_are_timed_and_the_slowest_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let work = dir.path().display().to_string();
    let run = [
        "bench", "pack", CLASSES, "--frames", "all", "-j", "2", "--work", &work,
    ];
    let ended = kpack(run);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("<- bottleneck"), "{}", ended.out);
    assert_eq!(
        std::fs::read_dir(&work).unwrap().count(),
        0,
        "the tars are gone"
    );

    let ended = kpack(run.iter().chain(&["--json"]));
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        (&report["clips"], &report["frames"]),
        (&6.into(), &350.into())
    );
    let steps = report["steps"].as_array().unwrap();
    let share = |name: &str| {
        let step = steps.iter().find(|step| step["step"] == name).unwrap();
        step["share"].as_f64().unwrap()
    };
    assert!(
        share("decode") > 0.0 && share("pictures") > 0.0 && share("write") > 0.0,
        "{report}"
    );
    let workers = [
        "open", "read", "decode", "pictures", "sound", "encode", "other",
    ];
    let busy: f64 = workers.iter().map(|name| share(name)).sum();
    assert!(
        busy < 1.05,
        "threads have no more time than passes: {report}"
    );
    let most = steps
        .iter()
        .map(|s| s["share"].as_f64().unwrap())
        .fold(0.0, f64::max);
    assert_eq!(share(report["bottleneck"].as_str().unwrap()), most);

    let broken = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/broken/zero.mp4");
    assert_eq!(kpack(["bench", "pack", CLASSES, broken]).code, 3);
    assert_eq!(kpack(["bench", "pack", "no/such/folder"]).code, 2);
}
