//! [`Flusher`]: brings a shard's bytes to the disk while later samples are made, so that the
//! commit waits for the last few only.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::{Error, Result};

/// Bytes written between two requests.
const STEP: u64 = 16 << 20;

/// A thread that syncs one file when asked.
pub(crate) struct Flusher {
    requests: Option<SyncSender<()>>,
    thread: Option<JoinHandle<io::Result<()>>>,
    /// End of the file at the last request.
    asked: u64,
}

impl Flusher {
    /// For `file`, of which `end` bytes are there already. `None` where no thread can be had: then
    /// the commit does all of the waiting.
    pub(crate) fn start(file: File, end: u64) -> Option<Self> {
        let (requests, wanted) = sync_channel::<()>(1);
        let sync = move || wanted.iter().try_for_each(|()| file.sync_data());
        let thread = std::thread::Builder::new().name("kpack-flush".to_owned());
        Some(Self {
            requests: Some(requests),
            thread: Some(thread.spawn(sync).ok()?),
            asked: end,
        })
    }

    /// The file ends at `end` now. Never waits.
    pub(crate) fn grown(&mut self, end: u64) {
        if end.saturating_sub(self.asked) >= STEP
            && let Some(requests) = &self.requests
            && requests.try_send(()).is_ok()
        {
            self.asked = end;
        }
    }

    /// Ends the thread. Fails if a sync failed: the kernel tells that once, and told it there.
    pub(crate) fn end(mut self, path: &Path) -> Result<()> {
        self.requests = None;
        let ended = self.thread.take().map(JoinHandle::join);
        match ended {
            Some(Ok(synced)) => synced.map_err(Error::io("cannot sync", path)),
            // It does nothing that could panic.
            Some(Err(_)) | None => Ok(()),
        }
    }
}
