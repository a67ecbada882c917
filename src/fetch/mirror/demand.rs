//! Archives read on demand: while packing asks for one clip after the other.
//!
//! Where a clip lies in the archives is not known before, so they are read in their order until it
//! has come; the other clips of the archives on the way come with it.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::sync::mpsc;

use super::{Mirror, TICK};
use crate::fetch::Fail;
use crate::fetch::journal::{FetchRow, Identity};
use crate::fetch::run::Run;
use crate::fetch::turns::Turns;
use crate::progress::NoProgress;

impl Mirror {
    /// Only these rows are wanted, by position.
    pub(in crate::fetch) fn limit(&self, due: &[bool]) {
        let mut state = self.lock();
        for (open, due) in state.open.iter_mut().zip(due) {
            *open &= *due;
        }
        state.left = state.open.iter().filter(|open| **open).count();
    }

    /// Whether all of `count` sources were read, or no row is open any more.
    fn is_over(&self, count: usize) -> bool {
        let state = self.lock();
        state.turn >= count || state.left == 0
    }

    /// Waits a little for other threads.
    fn rest(&self) {
        let waited = self.changed.wait_timeout(self.lock(), TICK);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}

impl Run<'_> {
    /// Reads archives until `row` is settled. As many are brought at once as there are `turns`.
    pub(in crate::fetch) fn until(
        &self,
        row: usize,
        turns: &Turns,
        known: &HashMap<Identity, FetchRow>,
    ) -> Result<(), Fail> {
        let Some(mirror) = &self.mirror else {
            return Ok(());
        };
        // Nobody listens: packing tells what becomes of each clip.
        let (tell, _) = mpsc::channel();
        while self.settled(row).is_none() {
            if self.net.stopped() {
                return Err(Fail::Stopped);
            }
            if mirror.is_over(self.sources.len()) {
                return Ok(self.absent(known, &NoProgress)?);
            }
            let turn = turns.take();
            match self.take() {
                Some((i, source)) => self.archive(i, source, &tell)?,
                None => {
                    drop(turn);
                    mirror.rest();
                }
            }
        }
        Ok(())
    }
}
