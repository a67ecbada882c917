//! Any bytes as what the other end of the wire says. For fuzzing, and a short run of it with the tests;
//! no part of the library.
//!
//! ```text
//! input    flags · parts, or with flag 1 the very bytes
//! part     u8 kind · u16 length · that many bytes of body        a kind of 128 or more: no header
//! ```
//!
//! With flag 2 the parent has had its greeting; with flag 4 it wants a picture drawn, with flag 8 the
//! looks of a video, else a sample.

use std::cell::RefCell;
use std::fs::File;
use std::io::{IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use kpack_formats::{Blob, check_blob_name};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::buffers::Buffers;
use super::child::Child;
use super::clip::{ClipAnswer, ClipJob};
use super::job::{Job, JobBody, Task};
use super::serve;
use super::watch::Watch;
use super::wire::{self, Kind};
use super::{Limits, Program};
use crate::sample::{Made, Pace, Recipe, Size, Trim, VideoRecipe, VideoSound};
use crate::source::Clip;
use crate::verify::WatchMedia;

#[cfg(test)]
#[path = "../../formats/fuzz/harness/smoke.rs"]
#[allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a harness fails by panicking, and tells what it ran"
)]
mod smoke;

/// Length of the media file that the parent hands out.
const MEDIA: u64 = 100;

/// What is set up once: a child that never speaks, and the media file.
struct Stage {
    child: Child,
    media: Arc<File>,
    buffers: Buffers,
}

thread_local! {
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

fn stage() -> Stage {
    let program = Program {
        path: "true".into(),
        args: Vec::new(),
    };
    let child = Child::start(&program);
    let media = tempfile::tempfile().and_then(|file| file.set_len(MEDIA).map(|()| file));
    match (child, media) {
        (Ok(child), Ok(media)) => Stage {
            child,
            media: Arc::new(media),
            buffers: Buffers::default(),
        },
        (child, media) => panic!("no stage: {child:?} {media:?}"),
    }
}

/// The bytes on the wire.
fn unframed(data: &[u8]) -> Vec<u8> {
    let (flags, mut rest) = data.split_first().unwrap_or((&1, &[]));
    if flags & 1 != 0 {
        return rest.to_vec();
    }
    let mut bytes = Vec::new();
    while let [kind, low, high, more @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(more.len());
        let (body, behind) = more.split_at(length);
        if *kind < 128 {
            let known = Kind::ALL[usize::from(*kind) % Kind::ALL.len()];
            bytes.extend_from_slice(&wire::header(known, length as u64));
        }
        bytes.extend_from_slice(body);
        rest = behind;
    }
    bytes
}

/// Any bytes as what a child says: the parent takes only what makes sense.
pub fn to_parent(data: &[u8]) {
    let flags = data.first().copied().unwrap_or(0);
    let Ok((ours, mut theirs)) = UnixStream::pair() else {
        return;
    };
    // More than the socket takes is cut.
    let ready = [ours.set_nonblocking(true), theirs.set_nonblocking(true)];
    let _ = theirs.write(&unframed(data));
    if ready.iter().any(Result::is_err) || theirs.shutdown(Shutdown::Write).is_err() {
        return;
    }
    STAGE.with_borrow_mut(|slot| {
        let stage = slot.get_or_insert_with(stage);
        stage.child.rewire(ours, flags & 2 != 0);
        let mut watch = Watch::new(Limits::default(), None);
        let Stage {
            child,
            media,
            buffers,
        } = stage;
        let mut body = JobBody {
            key: "key".to_owned(),
            job: WatchMedia.into(),
        };
        if flags & 4 != 0 {
            let drawn = child.ask::<()>(&body, media, &mut watch, buffers);
            if let Ok(Ok(((), bytes))) = drawn {
                assert!(bytes.len() <= data.len());
            }
            return;
        }
        if flags & 8 != 0 {
            let _ = child.ask::<<WatchMedia as Task>::Answer>(&body, media, &mut watch, buffers);
            return;
        }
        let clip = Clip {
            key: "key".to_owned(),
            ..Clip::default()
        };
        body.job = Job::Clip(Box::new(ClipJob::new(&clip, &recipe())));
        let answered = child.ask::<ClipAnswer>(&body, media, &mut watch, buffers);
        let Ok(Ok((answer, bytes))) = answered else {
            return;
        };
        if let Ok(Made::Sample(sample, _)) = answer.made(&clip, media, &bytes) {
            for (name, blob) in &sample.blobs {
                assert!(check_blob_name(name).is_ok(), "{name:?}");
                match blob {
                    Blob::Bytes(bytes) => assert!(bytes.len() <= data.len()),
                    Blob::File { offset, length, .. } => assert!(offset + length <= MEDIA),
                }
            }
        }
    });
}

/// Any bytes as what a parent says: the child begins nothing that makes no sense.
pub fn to_child(data: &[u8]) {
    let Ok((mut ours, theirs)) = UnixStream::pair() else {
        return;
    };
    let bytes = unframed(data);
    let Ok(media) = File::open("/dev/null") else {
        return;
    };
    let fds = [media.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    let sent = theirs.set_nonblocking(true).and_then(|()| {
        Ok(sendmsg(
            &theirs,
            &[IoSlice::new(&bytes)],
            &mut control,
            SendFlags::empty(),
        )?)
    });
    drop(theirs);
    if sent.is_err() {
        return;
    }
    while let Ok(Some((body, _))) = serve::next(&mut ours) {
        if let Job::Clip(job) = body.job {
            let _ = job.clip(&body.key);
        }
    }
}

fn recipe() -> Recipe {
    Recipe {
        video: VideoRecipe::Copy,
        trim: Trim::Exact,
        frames: None,
        size: Size::Source,
        upscale: false,
        audio: None,
        waveform: false,
        pace: Pace::Source,
        video_sound: VideoSound::Encode,
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::smoke;

    fn seeds(target: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/seeds")
            .join(target)
    }

    #[test]
    fn what_a_child_says() {
        smoke::smoke(&seeds("wire_to_parent"), super::to_parent);
    }

    #[test]
    fn what_a_parent_says() {
        smoke::smoke(&seeds("wire_to_child"), super::to_child);
    }
}
