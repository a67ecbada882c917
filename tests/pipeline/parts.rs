//! Parts packed apart and joined give what one run gives.

use kpack::pipeline::{Dataset, Part, ShardRule, merge};

use super::{Case, assert_same, files};

#[test]
fn any_number_of_parts_merges_to_the_same_bytes() {
    for (format, rule) in [
        ("webdataset", ShardRule::Samples(7)),
        ("tfrecord", ShardRule::Count(4)),
        ("webdataset", ShardRule::Samples(1)),
    ] {
        let mut case = Case::new(format, rule);
        case.plan.shuffle = Some(9);
        let want = case.undisturbed();
        for of in [2, 3, 20] {
            let out = tempfile::tempdir().unwrap();
            let mut clips = 0;
            for index in (0..of).rev() {
                case.plan.part = Part { index, of };
                let summary = case.run(out.path()).unwrap();
                clips += summary.counts.clips;
                // A part that is done is left alone.
                let again = case.run(out.path()).unwrap();
                assert_eq!(
                    (again.resumed, again.counts),
                    (summary.counts.clips, summary.counts)
                );
            }
            assert_eq!(clips, 90);
            merge(out.path()).unwrap();
            assert_same(
                &files(out.path()),
                &want,
                &format!("{format} in {of} parts"),
            );
            assert_eq!(
                merge(out.path()).unwrap().counts.clips,
                90,
                "merging again does nothing"
            );
        }
        case.plan.part = Part::default();
    }
}

#[test]
fn an_unfinished_or_missing_part_is_named() {
    let mut case = Case::new("webdataset", ShardRule::Samples(7));
    let out = tempfile::tempdir().unwrap();
    case.plan.part = Part { index: 1, of: 3 };
    case.run(out.path()).unwrap();
    let text = merge(out.path()).unwrap_err().to_string();
    assert!(text.contains("part 0/3 is missing"), "{text}");
    case.plan.part = Part { index: 0, of: 3 };
    case.run(out.path()).unwrap();
    let text = merge(out.path()).unwrap_err().to_string();
    assert!(text.contains("part 2/3 is missing"), "{text}");
    case.plan.part = Part { index: 0, of: 2 };
    let text = case.run(out.path()).unwrap_err().to_string();
    assert!(text.contains("is being packed in 3 parts"), "{text}");
    assert!(Dataset::read(out.path()).unwrap().is_none());
}
