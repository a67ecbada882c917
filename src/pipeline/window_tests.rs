//! The window keeps the order, its bounds and its promises.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use proptest::prelude::*;

use crate::pipeline::window::{Bounds, Stage, ordered};

/// Results of given weights, made in given times.
struct Fake<'a> {
    weights: &'a [u64],
    /// In units of 20 microseconds.
    waits: &'a [u8],
    /// What is said beforehand, in hundredths of the weight.
    hint: u64,
    /// Begun and not yet taken.
    live: AtomicU64,
    live_most: AtomicU64,
    count: AtomicUsize,
    count_most: AtomicUsize,
}

impl<'a> Fake<'a> {
    fn new(weights: &'a [u64], waits: &'a [u8], hint: u64) -> Self {
        let (live, live_most) = (AtomicU64::new(0), AtomicU64::new(0));
        let (count, count_most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self {
            weights,
            waits,
            hint,
            live,
            live_most,
            count,
            count_most,
        }
    }
    fn weight(&self, number: u32) -> u64 {
        self.weights[number as usize]
    }
    fn taken(&self, number: u32) {
        self.live.fetch_sub(self.weight(number), SeqCst);
        self.count.fetch_sub(1, SeqCst);
    }
}

impl Stage<u32> for Fake<'_> {
    fn make(&self, number: u32) -> (u32, u64) {
        let weight = self.weight(number);
        let live = self.live.fetch_add(weight, SeqCst) + weight;
        self.live_most.fetch_max(live, SeqCst);
        self.count_most
            .fetch_max(self.count.fetch_add(1, SeqCst) + 1, SeqCst);
        let wait = self.waits[number as usize % self.waits.len()];
        std::thread::sleep(Duration::from_micros(20 * u64::from(wait)));
        assert!(weight != 13, "unlucky");
        (number, weight)
    }
    fn panicked(&self, number: u32, message: String) -> u32 {
        assert_eq!(message, "unlucky");
        self.live.fetch_sub(13, SeqCst);
        number
    }
    fn estimate(&self, number: u32) -> u64 {
        self.weight(number) * self.hint / 100
    }
}

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn order_and_bounds_hold(
        weights in prop::collection::vec(
            prop_oneof![Just(0u64), 20u64..200, Just(5_000u64)], 0..80),
        waits in prop::collection::vec(0u8..30, 1..20),
        threads in 1usize..5,
        bytes in 0u64..1000,
        count in 1usize..40,
    ) {
        let fake = Fake::new(&weights, &waits, 100);
        let mut next = 0;
        let peak = ordered(
            &pool(threads), Bounds { bytes, count }, 0..weights.len() as u32,
            &AtomicBool::new(false), &fake,
            |number, result| {
                assert_eq!((number, result), (next, next));
                next += 1;
                fake.taken(number);
                Ok::<_, ()>(ControlFlow::Continue(()))
            },
        ).unwrap();
        prop_assert_eq!(next as usize, weights.len());
        let largest = weights.iter().copied().max().unwrap_or(0);
        let most = fake.live_most.load(SeqCst);
        // Estimates are exact here, but for rounding up.
        prop_assert!(most <= bytes.max(largest), "{} of {} live", most, bytes);
        prop_assert!(peak.bytes <= bytes.max(largest) + weights.len() as u64);
        prop_assert!(peak.count <= count && fake.count_most.load(SeqCst) <= count);
    }
}

#[test]
fn wrong_estimates_are_learned() {
    // A thousandth of the truth is said: 200 results of 1000 bytes, 16 of which fit.
    let weights = vec![1000; 200];
    let fake = Fake::new(&weights, &[1, 9, 3], 1);
    let stop = AtomicBool::new(false);
    let bounds = Bounds {
        bytes: 16_000,
        count: 1000,
    };
    ordered(&pool(4), bounds, 0..200, &stop, &fake, |number, _| {
        fake.taken(number);
        Ok::<_, ()>(ControlFlow::Continue(()))
    })
    .unwrap();
    assert!(
        fake.live_most.load(SeqCst) <= 16_000,
        "{}",
        fake.live_most.load(SeqCst)
    );
}

#[test]
fn a_slow_head_of_the_line_does_not_let_the_rest_pile_up() {
    let weights = vec![10; 500];
    let mut waits = vec![0; 500];
    waits[0] = 255;
    waits[250] = 255;
    let fake = Fake::new(&weights, &waits, 100);
    let bounds = Bounds {
        bytes: 300,
        count: 1000,
    };
    ordered(
        &pool(4),
        bounds,
        0..500,
        &AtomicBool::new(false),
        &fake,
        |number, _| {
            fake.taken(number);
            Ok::<_, ()>(ControlFlow::Continue(()))
        },
    )
    .unwrap();
    assert!(fake.live_most.load(SeqCst) <= 300);
}

#[test]
fn a_panic_is_a_result_and_the_others_go_on() {
    let mut weights = vec![20; 50];
    weights[17] = 13;
    let fake = Fake::new(&weights, &[2], 100);
    let mut taken = Vec::new();
    let bounds = Bounds {
        bytes: 1000,
        count: 10,
    };
    ordered(
        &pool(2),
        bounds,
        0..50,
        &AtomicBool::new(false),
        &fake,
        |number, _| {
            taken.push(number);
            Ok::<_, ()>(ControlFlow::Continue(()))
        },
    )
    .unwrap();
    assert_eq!(taken, (0..50).collect::<Vec<_>>());
}

#[test]
fn after_a_stop_what_was_begun_is_taken_without_holes() {
    for at in 0..40 {
        let weights = vec![1; 200];
        let fake = Fake::new(&weights, &[3, 1, 7], 100);
        let stop = AtomicBool::new(false);
        let mut taken = Vec::new();
        let bounds = Bounds {
            bytes: 1000,
            count: 64,
        };
        ordered(&pool(3), bounds, 0..200, &stop, &fake, |number, _| {
            taken.push(number);
            fake.taken(number);
            stop.store(number >= at, SeqCst);
            Ok::<_, ()>(ControlFlow::Continue(()))
        })
        .unwrap();
        assert_eq!(taken, (0..taken.len() as u32).collect::<Vec<_>>());
        assert_eq!(fake.count.load(SeqCst), 0, "begun and not taken");
        assert!(taken.len() < 150, "{} were begun", taken.len());
    }
}

#[test]
fn an_error_of_the_sink_ends_it_at_once() {
    let weights = vec![1; 200];
    let fake = Fake::new(&weights, &[1], 100);
    let bounds = Bounds {
        bytes: 1000,
        count: 64,
    };
    let failed = ordered(
        &pool(2),
        bounds,
        0..200,
        &AtomicBool::new(false),
        &fake,
        |number, _| {
            if number == 5 {
                Err("full disk")
            } else {
                Ok(ControlFlow::Continue(()))
            }
        },
    );
    assert_eq!(failed, Err("full disk"));
    assert!(fake.count.load(SeqCst) < 100);
}
