#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use kpack_formats::{Blob, IndexWriter, Layout, WriteOptions, format};

use super::*;

/// Shards of so many samples each; every second has an index.
fn shards(dir: &Path, name: &str, counts: &[usize]) -> Vec<PathBuf> {
    let format = format(name).unwrap();
    let Layout::Log { create } = format.layout else {
        panic!("{name} is a log");
    };
    let mut paths = Vec::new();
    for (i, count) in counts.iter().enumerate() {
        let path = dir.join(format!("data-{i:06}.{}", format.extensions[0]));
        let mut writer = create(File::create(&path).unwrap(), 0, &WriteOptions::default()).unwrap();
        let index = File::create(format!("{}.kidx", path.display())).unwrap();
        let mut index = IndexWriter::create(index).unwrap();
        for n in 0..*count {
            let mut sample = Sample {
                key: format!("s{i}-{n}"),
                ..Sample::default()
            };
            let bytes = vec![n as u8; 100 + 200_000 * usize::from(n == 1)];
            sample.blobs.insert("bin".into(), Blob::from(bytes));
            let extent = writer.append(&sample).unwrap();
            index.append(&sample.key, &extent).unwrap();
        }
        let info = writer.finish().unwrap();
        if i % 2 == 0 {
            index.finish(info.bytes).unwrap();
        } else {
            std::fs::remove_file(format!("{}.kidx", path.display())).unwrap();
        }
        paths.push(path);
    }
    paths
}

fn keys(loader: &mut Loader, most: usize) -> Vec<String> {
    let mut keys = Vec::new();
    while keys.len() < most {
        let Some(loaded) = loader.next_sample().unwrap() else {
            break;
        };
        keys.push(loaded.sample.key);
    }
    keys
}

const COUNTS: [usize; 5] = [7, 1, 13, 4, 9];
const ALL: usize = 34;

/// Loaders of all ranks and workers.
fn everyone(dataset: &Arc<Dataset>, ranks: u32, workers: u32, base: Options) -> Vec<Loader> {
    let each = (0..ranks).flat_map(|rank| (0..workers).map(move |worker| (rank, worker)));
    each.map(|(rank, worker)| {
        let options = Options {
            rank,
            ranks,
            worker,
            workers,
            ..base
        };
        Loader::new(dataset.clone(), options).unwrap()
    })
    .collect()
}

#[test]
fn every_sample_comes_once_in_an_epoch_over_all_ranks_and_workers() {
    for name in ["webdataset", "tfrecord"] {
        let dir = tempfile::tempdir().unwrap();
        let dataset = Dataset::open(&shards(dir.path(), name, &COUNTS)).unwrap();
        assert_eq!(dataset.len(), ALL as u64);
        for (ranks, workers) in [(1, 1), (2, 3), (8, 1), (3, 5), (40, 2)] {
            for split in [Split::Samples, Split::Shards] {
                for seed in [None, Some(0), Some(7)] {
                    let base = Options {
                        seed,
                        split,
                        ..Options::default()
                    };
                    let mut all = Vec::new();
                    for mut loader in everyone(&dataset, ranks, workers, base) {
                        let own = keys(&mut loader, usize::MAX);
                        assert_eq!(own.len() as u64, loader.epoch_len());
                        all.extend(own);
                    }
                    all.sort_unstable();
                    let count = all.len();
                    all.dedup();
                    assert_eq!(
                        (count, all.len()),
                        (ALL, ALL),
                        "{ranks} {workers} {split:?} {seed:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn stored_order_is_the_shards_own_and_seeds_give_one_order_each() {
    let dir = tempfile::tempdir().unwrap();
    let paths = shards(dir.path(), "webdataset", &COUNTS);
    let open = || Dataset::open(&paths).unwrap();
    let of = |seed, epoch| {
        let mut loader = Loader::new(
            open(),
            Options {
                seed,
                ..Options::default()
            },
        )
        .unwrap();
        (0..epoch).for_each(|_| loader.next_epoch());
        keys(&mut loader, usize::MAX)
    };
    let stored: Vec<String> = (0..COUNTS.len())
        .flat_map(|i| (0..COUNTS[i]).map(move |n| format!("s{i}-{n}")))
        .collect();
    assert_eq!(of(None, 0), stored);
    assert_eq!(of(None, 3), stored);
    assert_eq!(of(Some(7), 0), of(Some(7), 0));
    assert_eq!(of(Some(7), 2), of(Some(7), 2));
    assert_ne!(of(Some(7), 0), of(Some(8), 0));
    assert_ne!(of(Some(7), 0), of(Some(7), 1));
    assert_ne!(of(Some(7), 0), stored);
}

#[test]
fn a_resume_goes_on_with_the_very_next_sample() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = Dataset::open(&shards(dir.path(), "tfrecord", &COUNTS)).unwrap();
    for split in [Split::Samples, Split::Shards] {
        let base = Options {
            seed: Some(3),
            split,
            ..Options::default()
        };
        for mut loader in everyone(&dataset, 2, 2, base) {
            let options = loader.options;
            for epoch in 0..2 {
                let whole = keys(&mut loader, usize::MAX);
                for stop in 0..=whole.len() {
                    let mut begun = Loader::new(dataset.clone(), options).unwrap();
                    (0..epoch).for_each(|_| begun.next_epoch());
                    keys(&mut begun, stop);
                    let bytes = begun.state().to_bytes();
                    let state = State::from_bytes(&bytes).unwrap();
                    let mut resumed = Loader::resume(dataset.clone(), options, &state).unwrap();
                    assert_eq!(resumed.epoch(), epoch);
                    assert_eq!(keys(&mut resumed, usize::MAX), whole[stop..]);
                    resumed.next_epoch();
                    begun.next_epoch();
                    assert_eq!(keys(&mut resumed, 3), keys(&mut begun, 3));
                }
                loader.next_epoch();
            }
        }
    }
}

#[test]
fn a_state_of_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let paths = shards(dir.path(), "webdataset", &COUNTS);
    let dataset = Dataset::open(&paths).unwrap();
    let options = Options {
        seed: Some(1),
        ranks: 2,
        ..Options::default()
    };
    let state = Loader::new(dataset.clone(), options).unwrap().state();
    let other = Dataset::open(&paths[..4]).unwrap();
    assert!(Loader::resume(other, options, &state).is_err());
    for options in [
        Options {
            seed: Some(2),
            ..options
        },
        Options {
            seed: None,
            ..options
        },
        Options { rank: 1, ..options },
        Options {
            ranks: 3,
            ..options
        },
        Options {
            workers: 2,
            ..options
        },
        Options {
            split: Split::Shards,
            ..options
        },
        Options {
            uneven: Uneven::Drop,
            ..options
        },
    ] {
        assert!(
            Loader::resume(dataset.clone(), options, &state).is_err(),
            "{options:?}"
        );
    }
    let bytes = state.to_bytes();
    assert!(State::from_bytes(&bytes[..31]).is_err());
    for bit in 0..256 {
        let mut bytes = bytes;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(State::from_bytes(&bytes).is_err(), "bit {bit}");
    }
    for wrong in [
        Options { rank: 2, ..options },
        Options {
            worker: 1,
            ..options
        },
        Options {
            ranks: 0,
            ..options
        },
        Options {
            split: Split::Shards,
            uneven: Uneven::Repeat,
            ..options
        },
    ] {
        assert!(Loader::new(dataset.clone(), wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn ranks_can_have_equal_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let dataset = Dataset::open(&shards(dir.path(), "webdataset", &COUNTS)).unwrap();
    for (uneven, each) in [(Uneven::Drop, 4), (Uneven::Repeat, 5)] {
        for workers in [1, 2, 3] {
            let base = Options {
                seed: Some(5),
                uneven,
                ..Options::default()
            };
            let mut of_rank: BTreeMap<u32, Vec<String>> = BTreeMap::new();
            for mut loader in everyone(&dataset, 8, workers, base) {
                let own = keys(&mut loader, usize::MAX);
                of_rank.entry(loader.options.rank).or_default().extend(own);
            }
            let mut all: Vec<String> = of_rank.values().flatten().cloned().collect();
            assert!(
                of_rank.values().all(|keys| keys.len() == each),
                "{uneven:?} {workers}"
            );
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), if uneven == Uneven::Drop { 32 } else { ALL });
        }
    }
}

#[test]
fn damage_is_one_error_and_the_rest_comes() {
    for name in ["webdataset", "tfrecord"] {
        let dir = tempfile::tempdir().unwrap();
        let paths = shards(dir.path(), name, &[6]);
        let mut bytes = std::fs::read(&paths[0]).unwrap();
        let at = bytes.windows(100).position(|w| w == [3; 100]).unwrap();
        bytes[at + 50] ^= 1;
        std::fs::write(&paths[0], bytes).unwrap();
        let dataset = Dataset::open(&paths).unwrap();
        let mut loader = Loader::new(dataset.clone(), Options::default()).unwrap();
        let results: Vec<_> = (0..6).map(|_| loader.next_sample()).collect();
        for (i, result) in results.iter().enumerate() {
            assert_eq!(result.is_err(), i == 3, "{name} {i}");
        }
        let text = format!("{:#}", results[3].as_ref().unwrap_err());
        assert!(text.contains("checksum"), "{text}");
        assert!(loader.next_sample().unwrap().is_none());
        let options = Options {
            unchecked: true,
            ..Options::default()
        };
        let mut trusting = Loader::new(dataset, options).unwrap();
        assert_eq!(keys(&mut trusting, 9).len(), 6);
    }
}
