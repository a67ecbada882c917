//! All integration tests in one binary.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(
    clippy::print_stdout,
    reason = "measurements and skipped tests are told"
)]

#[cfg(feature = "cli")]
mod cli;
#[cfg(all(feature = "cli", unix))]
mod fetch;
#[cfg(feature = "cli")]
mod hostile;
mod media;
mod pipeline;
mod verify;
