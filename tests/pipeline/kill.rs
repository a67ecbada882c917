//! Real processes, really killed: this binary starts itself and packs in the child.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use kpack::pipeline::ShardRule;
use kpack_formats::Compression;

use super::{Case, assert_same, files, noise, shards};

const OUT: &str = "KPACK_TEST_KILL_OUT";
const KIND: &str = "KPACK_TEST_KILL_KIND";

fn case(kind: &str) -> Case {
    let mut case = match kind {
        "tar" => Case::new("webdataset", ShardRule::Samples(16)),
        "packed" => Case::new("tfrecord", ShardRule::Count(5)),
        _ => Case::new("tfrecord", ShardRule::Bytes(20_000)),
    };
    case.clips = 300;
    case.plan.shuffle = Some(5);
    if kind == "packed" {
        case.target = shards("tfrecord", Compression::Zstd);
    }
    case
}

/// The child's part; does nothing when it is run as a test.
#[test]
fn child() {
    if let (Ok(out), Ok(kind)) = (std::env::var(OUT), std::env::var(KIND)) {
        case(&kind).run(Path::new(&out)).unwrap();
    }
}

#[test]
fn killed_again_and_again_it_ends_in_the_same_bytes() {
    for kind in ["tar", "packed", "bytes"] {
        let want = case(kind).undisturbed();
        let out = tempfile::tempdir().unwrap();
        let mut kills = 0;
        loop {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["pipeline::kill::child", "--exact", "--quiet"])
                .env(OUT, out.path())
                .env(KIND, kind)
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            // Each child is given a little longer, so that it ends on any machine.
            let patience = noise(kills) % 40 + 4 * kills;
            std::thread::sleep(Duration::from_millis(10 + patience));
            let _ = child.kill();
            if child.wait().unwrap().success() {
                break;
            }
            kills += 1;
            assert!(kills < 1000, "{kind}: it never ends");
        }
        assert_same(
            &files(out.path()),
            &want,
            &format!("{kind}, killed {kills} times"),
        );
        println!("{kind}: killed {kills} times");
    }
}
