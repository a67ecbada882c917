//! What is decided before any media is opened.

use std::time::Instant;

use kpack::pipeline::{Part, Plan, PlanOptions, ShardRule, Target};
use kpack_formats::Compression;

use super::{Case, files, input, recipe, shards};

#[test]
fn shard_names_are_those_that_readers_expect() {
    let names = |case: &Case| {
        let names = case.undisturbed().into_keys();
        names
            .filter(|name| name.contains('-') && !name.ends_with(".kidx"))
            .collect::<Vec<_>>()
    };
    let mut case = Case::new("webdataset", ShardRule::Samples(40));
    assert_eq!(
        names(&case),
        ["train-000000.tar", "train-000001.tar", "val-000000.tar"]
    );
    case.plan.name = Some("k400".into());
    case.target = shards("webdataset", Compression::Gzip);
    assert_eq!(
        names(&case),
        [
            "k400-train-000000.tar.gz",
            "k400-train-000001.tar.gz",
            "k400-val-000000.tar.gz"
        ]
    );
    let mut case = Case::new("tfrecord", ShardRule::Count(2));
    case.target = shards("tfrecord", Compression::Zlib);
    assert_eq!(
        names(&case),
        [
            "train-00000-of-00002.tfrecord.zlib",
            "train-00001-of-00002.tfrecord.zlib",
            "val-00000-of-00002.tfrecord.zlib",
            "val-00001-of-00002.tfrecord.zlib",
        ]
    );
}

#[test]
fn no_shard_is_above_its_size_but_for_one_sample_that_is() {
    for format in ["webdataset", "tfrecord"] {
        let case = Case::new(format, ShardRule::Bytes(15_000));
        let all = case.undisturbed();
        let sizes = all
            .iter()
            .filter(|(name, _)| name.contains('-') && !name.ends_with(".kidx"));
        let sizes: Vec<_> = sizes.map(|(_, bytes)| bytes.len()).collect();
        assert!(
            sizes.len() > 4 && sizes.iter().all(|size| *size <= 15_000),
            "{sizes:?}"
        );
    }
    let case = Case::new("webdataset", ShardRule::Bytes(100));
    let out = tempfile::tempdir().unwrap();
    let summary = case.run(out.path()).unwrap();
    assert_eq!(
        summary.shards, summary.counts.done,
        "each sample is above the limit"
    );
    assert!(files(out.path()).contains_key("train-000000.tar"));
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let target = shards("webdataset", Compression::None);
    let plan = |options: PlanOptions, edit: fn(&mut kpack::source::Input)| {
        let mut input = input(9);
        edit(&mut input);
        Plan::new(input, recipe(), Target::Shards(&target), options).map(|plan| plan.hash())
    };
    let by = |rule| PlanOptions {
        rule,
        ..PlanOptions::default()
    };
    let name = |name: &str| PlanOptions {
        name: Some(name.into()),
        ..PlanOptions::default()
    };
    assert!(plan(by(ShardRule::Samples(0)), |_| ()).is_err());
    let part = Part { index: 0, of: 2 };
    let both = PlanOptions {
        part,
        ..by(ShardRule::Bytes(9))
    };
    assert!(
        plan(both, |_| ())
            .unwrap_err()
            .to_string()
            .contains("--shard-samples")
    );
    assert!(plan(name("../x"), |_| ()).is_err());
    let twins = plan(PlanOptions::default(), |input| {
        input.rows[0].clip.split = Some("a b".into());
        input.rows[1].clip.split = Some("a_b".into());
    });
    assert!(twins.unwrap_err().to_string().contains("`a b` and `a_b`"));
    assert!("3/3".parse::<Part>().is_err() && "1".parse::<Part>().is_err());
    assert_eq!("1/3".parse::<Part>().unwrap(), Part { index: 1, of: 3 });
}

#[test]
fn the_hash_notices_every_change() {
    let target = shards("webdataset", Compression::None);
    let hash = |edit: &dyn Fn(&mut kpack::source::Input, &mut PlanOptions)| {
        let (mut input, mut options) = (input(9), PlanOptions::default());
        edit(&mut input, &mut options);
        Plan::new(input, recipe(), Target::Shards(&target), options)
            .unwrap()
            .hash()
    };
    let span = kpack::source::Span {
        start: kpack::Time::ZERO,
        end: None,
    };
    let hashes = [
        hash(&|_, _| ()),
        hash(&|input, _| input.rows.swap(0, 3)),
        hash(&|input, _| input.rows[0].clip.key += "x"),
        hash(&|input, _| input.rows[0].clip.span = Some(span)),
        hash(&|input, _| input.rows[0].clip.media = None),
        hash(&|input, _| input.rows[0].clip.labels[0].index = None),
        hash(&|input, _| drop(input.rows[0].clip.columns.insert("a".into(), 1.into()))),
        hash(&|input, _| input.rows[4].problem = None),
        hash(&|input, _| input.classes.push("more".into())),
        hash(&|_, options| options.rule = ShardRule::Count(1)),
        hash(&|_, options| options.shuffle = Some(0)),
        hash(&|_, options| options.name = Some("data".into())),
    ];
    let distinct: std::collections::HashSet<_> = hashes.iter().collect();
    assert_eq!(distinct.len(), hashes.len());
    assert_eq!(
        hash(&|_, options| options.part = Part { index: 1, of: 2 }),
        hashes[0]
    );
}

#[test]
fn an_outline_tells_what_would_be_done() {
    let outline = Case::new("tfrecord", ShardRule::Count(4))
        .plan()
        .outline(Some(&|_| 1_000_000));
    let text = outline.to_string();
    assert!(text.contains("90 (80 become samples)"), "{text}");
    assert!(
        text.contains("4 shards from train-00000-of-00004.tfrecord on"),
        "{text}"
    );
    assert!(text.contains("missing: 10 clips"), "{text}");
    assert!(text.contains("about 80.0 MB"), "{text}");
}

#[test]
fn all_of_kinetics_is_planned_at_once() {
    let rows = input(650_000);
    let target = shards("webdataset", Compression::None);
    let options = PlanOptions {
        shuffle: Some(1),
        ..PlanOptions::default()
    };
    let begun = Instant::now();
    let plan = Plan::new(rows, recipe(), Target::Shards(&target), options).unwrap();
    println!("planned {} samples in {:.2?}", plan.len(), begun.elapsed());
}
