//! Every row of the input becomes one row of the output, and the rows tell the truth.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicBool;

use kpack::pipeline::{Dataset, End, FailureLimit, Outcome, ShardRule};
use kpack::progress::NoProgress;
use kpack::sample::{Class, Made, Stage};
use kpack_formats::{Blob, IndexReader, Limits, ReadOptions};

use super::{Case, count, files, make, number, rows, sample};

#[test]
fn counts_add_up_and_failures_say_why() {
    let case = Case::new("webdataset", ShardRule::Samples(7));
    let out = tempfile::tempdir().unwrap();
    let summary = case.run(out.path()).unwrap();
    let rows = rows(out.path());
    assert_eq!(rows.len(), 90);
    let counts = &summary.counts;
    assert_eq!(counts.clips, 90);
    assert_eq!(counts.done, count(&rows, Outcome::Done));
    assert_eq!(counts.failed, count(&rows, Outcome::Failed));
    assert_eq!(counts.skipped, count(&rows, Outcome::Skipped));
    assert_eq!(counts.settled(), 90);
    assert_eq!(counts.frames, 2 * counts.done);
    assert_eq!(counts.failures.values().sum::<u64>(), counts.failed);
    for class in [Class::Missing, Class::Corrupt, Class::Crash] {
        let of = rows.iter().filter(|row| row.class == Some(class));
        let of: Vec<_> = of.collect();
        assert_eq!(counts.failures[&class], of.len() as u64, "{class:?}");
        assert!(
            of.iter()
                .all(|row| row.reason.is_some() && row.stage.is_some())
        );
        assert!(
            of.iter()
                .all(|row| row.index.is_some() == (class != Class::Missing))
        );
    }
    let crash = rows
        .iter()
        .find(|row| row.class == Some(Class::Crash))
        .unwrap();
    assert!(crash.reason.as_ref().unwrap().contains("fake crash"));
    assert_eq!((summary.end, summary.exit_code()), (End::Finished, 3));
    assert_eq!(
        Dataset::read(out.path()).unwrap().unwrap().counts,
        summary.counts
    );
    assert!(!out.path().join(".kpack").exists());
    let labels = std::fs::read_to_string(out.path().join("labels.txt")).unwrap();
    assert_eq!(labels, "a b\nclass\n");
}

#[test]
fn rows_and_indexes_point_at_the_bytes() {
    for format in ["webdataset", "tfrecord"] {
        let case = Case::new(format, ShardRule::Samples(7));
        let out = tempfile::tempdir().unwrap();
        case.run(out.path()).unwrap();
        let rows = rows(out.path());
        for shard in &Dataset::read(out.path()).unwrap().unwrap().shards {
            let path = out.path().join(&shard.name);
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(
                (bytes.len() as u64, crc32c::crc32c(&bytes)),
                (shard.bytes, shard.crc32c)
            );
            let index = out.path().join(format!("{}.kidx", shard.name));
            let mut index =
                IndexReader::new(File::open(index).unwrap(), Limits::default()).unwrap();
            let mut reader = kpack_formats::open(&path, &ReadOptions::default()).unwrap();
            let mut samples = 0;
            while let Some(entry) = index.next_entry().unwrap() {
                let read = reader.next_sample().unwrap().unwrap();
                let row = rows.iter().find(|row| row.key == entry.key).unwrap();
                assert_eq!(read.key, entry.key);
                assert_eq!(row.shard.as_deref(), Some(&*shard.name));
                let (offset, length) = (entry.extent.offset, entry.extent.length);
                assert_eq!((row.offset, row.length), (Some(offset), Some(length)));
                let mut own = vec![0; length as usize];
                File::open(&path)
                    .unwrap()
                    .read_exact_at(&mut own, offset)
                    .unwrap();
                assert_eq!(row.crc32c, Some(crc32c::crc32c(&own)));
                let Blob::Bytes(first) = &read.blobs["000001.jpg"] else {
                    panic!("in memory")
                };
                let member = entry
                    .extent
                    .members
                    .iter()
                    .find(|m| m.name == "000001.jpg")
                    .unwrap();
                let at = (member.offset - offset) as usize;
                assert_eq!(own[at..at + member.length as usize], first[..]);
                samples += 1;
            }
            assert!(reader.next_sample().unwrap().is_none());
            assert_eq!(
                (samples, index.shard_bytes()),
                (shard.samples, Some(shard.bytes))
            );
        }
    }
}

#[test]
fn a_row_has_its_fields_in_the_documented_order() {
    let mut case = Case::new("webdataset", ShardRule::Samples(7));
    case.clips = 9;
    let files = case.undisturbed();
    let text = String::from_utf8(files["samples.jsonl"].clone()).unwrap();
    let fields = |line: usize| -> Vec<String> {
        let row: kpack_formats::Meta =
            serde_json::from_str(text.lines().nth(line).unwrap()).unwrap();
        row.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(
        fields(0).join(" "),
        "key source outcome index media shard offset length crc32c label label_index split frames \
         fps bytes"
    );
    assert_eq!(
        fields(3).join(" "),
        "key source outcome class reason index stage media label label_index split"
    );
    assert_eq!(
        fields(4).join(" "),
        "key source outcome class reason stage media label label_index split"
    );
    let first =
        r#"{"key":"class/clip_0","source":"class/clip \"0\".mp4","outcome":"done","index":0,"#;
    assert!(text.starts_with(first), "{text}");
}

#[test]
fn a_shard_of_failures_only_is_not_written_and_is_named() {
    let mut case = Case::new("webdataset", ShardRule::Samples(10));
    case.clips = 60;
    let out = tempfile::tempdir().unwrap();
    let bad = |clip: &kpack::source::Clip, state: &mut Vec<u8>| {
        let index = number(clip);
        if index < 30 && index % 3 != 2 {
            make(&clip_like(3), state)
        } else {
            make(clip, state)
        }
    };
    let stop = AtomicBool::new(false);
    let summary = case
        .run_with(out.path(), &case.options(), bad, &NoProgress, &stop)
        .unwrap();
    assert_eq!(summary.empty_shards, ["train-000000.tar"]);
    let names: Vec<_> = files(out.path())
        .into_keys()
        .filter(|n| n.ends_with(".tar"))
        .collect();
    assert!(!names.contains(&"train-000000.tar".to_owned()), "{names:?}");
    assert!(names.contains(&"train-000001.tar".to_owned()), "{names:?}");
    let dataset = Dataset::read(out.path()).unwrap().unwrap();
    assert_eq!(dataset.empty_shards, summary.empty_shards);
    assert_eq!(dataset.shards.len() as u64, summary.shards);
}

fn clip_like(n: usize) -> kpack::source::Clip {
    super::input(n + 1).rows.pop().unwrap().clip
}

#[test]
fn a_sample_that_its_format_refuses_is_one_failed_row() {
    for rule in [ShardRule::Samples(7), ShardRule::Bytes(9000)] {
        let case = Case::new("webdataset", rule);
        let out = tempfile::tempdir().unwrap();
        let refused = |clip: &kpack::source::Clip, state: &mut Vec<u8>| {
            let mut made = make(clip, state)?;
            if let (Made::Sample(sample, _), 0) = (&mut made, number(clip) % 5) {
                sample
                    .blobs
                    .insert("Not A Name".into(), vec![1, 2, 3].into());
            }
            Ok(made)
        };
        let stop = AtomicBool::new(false);
        case.run_with(out.path(), &case.options(), refused, &NoProgress, &stop)
            .unwrap();
        let rows = rows(out.path());
        let refused: Vec<_> = rows
            .iter()
            .filter(|r| r.stage == Some(Stage::Write))
            .collect();
        assert!(!refused.is_empty());
        assert!(refused.iter().all(|row| row.class == Some(Class::Internal)));
        for shard in Dataset::read(out.path()).unwrap().unwrap().shards {
            let options = ReadOptions::default();
            let mut reader = kpack_formats::open(&out.path().join(&shard.name), &options).unwrap();
            let mut samples = 0;
            while reader.next_sample().unwrap().is_some() {
                samples += 1;
            }
            assert_eq!(samples, shard.samples, "{}", shard.name);
        }
    }
}

#[test]
fn a_source_that_shrinks_while_it_is_copied_is_one_failed_row() {
    let case = Case::new("webdataset", ShardRule::Samples(7));
    let out = tempfile::tempdir().unwrap();
    let media = tempfile::NamedTempFile::new().unwrap();
    let copied = |clip: &kpack::source::Clip, _: &mut Vec<u8>| {
        let mut sample = sample(clip, 300);
        if number(clip) == 0 {
            let blob = Blob::File {
                file: std::sync::Arc::new(media.reopen().unwrap()),
                path: media.path().into(),
                offset: 0,
                length: 5 << 20,
            };
            sample.blobs.insert("mp4".into(), blob);
        }
        Ok(Made::Sample(Box::new(sample), Box::default()))
    };
    let stop = AtomicBool::new(false);
    case.run_with(out.path(), &case.options(), copied, &NoProgress, &stop)
        .unwrap();
    let rows = rows(out.path());
    assert_eq!(
        (rows[0].class, rows[0].stage),
        (Some(Class::Corrupt), Some(Stage::Write))
    );
    assert_eq!(
        count(&rows, Outcome::Failed),
        11,
        "the other ten are missing"
    );
}

#[test]
fn max_failures_ends_the_run_and_a_wider_limit_continues_it() {
    let case = Case::new("webdataset", ShardRule::Samples(7));
    let want = case.undisturbed();
    let out = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let run = |failures| {
        let options = kpack::pipeline::Options {
            failures,
            ..case.options()
        };
        case.run_with(out.path(), &options, make, &NoProgress, &stop)
            .unwrap()
    };
    let first = run(FailureLimit::Count(12));
    assert_eq!((first.end, first.exit_code()), (End::TooManyFailures, 1));
    assert_eq!(first.counts.failed, 13);
    assert_eq!(
        (first.counts.settled(), first.remaining),
        (90, 0),
        "the others are skipped"
    );
    assert!(first.reason.unwrap().contains("--max-failures allows 12"));
    let again = run(FailureLimit::Percent(13.0));
    assert_eq!(
        (again.end, again.counts.failed),
        (End::TooManyFailures, 13),
        "does nothing more"
    );
    assert_eq!(run(FailureLimit::None).end, End::Finished);
    super::assert_same(&files(out.path()), &want, "after a wider limit");
}

#[test]
fn on_error_fail_leaves_the_clip_to_a_later_run() {
    let mut case = Case::new("webdataset", ShardRule::Samples(7));
    case.clips = 4;
    let out = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let options = kpack::pipeline::Options {
        failures: FailureLimit::First,
        ..case.options()
    };
    let summary = case
        .run_with(out.path(), &options, make, &NoProgress, &stop)
        .unwrap();
    assert_eq!(
        (summary.end, summary.counts.failed),
        (End::TooManyFailures, 1)
    );
    assert!(
        summary.reason.as_ref().unwrap().contains("clip_3"),
        "{summary:?}"
    );
    let cured = |clip: &kpack::source::Clip, _: &mut Vec<u8>| {
        Ok(Made::Sample(Box::new(sample(clip, 100)), Box::default()))
    };
    let summary = case
        .run_with(out.path(), &options, cured, &NoProgress, &stop)
        .unwrap();
    assert_eq!(
        (summary.end, summary.counts.done, summary.exit_code()),
        (End::Finished, 4, 0)
    );
}

#[test]
fn on_error_fail_begins_nothing_where_videos_are_missing() {
    let case = Case::new("webdataset", ShardRule::Samples(7));
    let out = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let options = kpack::pipeline::Options {
        failures: FailureLimit::First,
        ..case.options()
    };
    let never = |_: &_, _: &mut _| unreachable!("nothing is begun");
    let summary = case
        .run_with(out.path(), &options, never, &NoProgress, &stop)
        .unwrap();
    assert_eq!(
        (summary.end, summary.exit_code()),
        (End::TooManyFailures, 1)
    );
    assert!(
        summary
            .reason
            .unwrap()
            .contains("class/clip_4: no such file")
    );
    // The videos turn up, which makes it another plan; nothing stands in its way.
    let mut found = case.clone();
    found.clips = 4;
    assert_eq!(found.run(out.path()).unwrap().end, End::Finished);
    super::assert_same(&files(out.path()), &found.undisturbed(), "the new plan");
}
