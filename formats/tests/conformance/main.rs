//! What every format must do, and what each must do with damage.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod contract;
mod every_format;
mod foreign_records;
mod frames;
mod index;
mod round_trip;
mod support;
mod tar_damage;
mod tar_dialects;
mod tfrecord_damage;
mod writers;
