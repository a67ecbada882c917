//! [`Turns`]: so many at once, the others wait.

use std::sync::{Condvar, Mutex, PoisonError};

/// Turns that are free.
pub(super) struct Turns {
    free: Mutex<usize>,
    given_back: Condvar,
}

/// A turn, given back when it is dropped.
pub(super) struct Turn<'a>(&'a Turns);

impl Turns {
    pub(super) fn new(turns: usize) -> Self {
        Self {
            free: Mutex::new(turns.max(1)),
            given_back: Condvar::new(),
        }
    }

    /// Waits for a turn.
    pub(super) fn take(&self) -> Turn<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self
                .given_back
                .wait(free)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Turn(self)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let turns = self.0;
        *turns.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        turns.given_back.notify_one();
    }
}
