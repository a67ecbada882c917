//! Hostile files, killed processes: nothing panics, hangs, grows without end or writes where it should
//! not, and what is wrong is named.

#[allow(clippy::expect_used, reason = "a harness fails by panicking")]
mod smoke;
