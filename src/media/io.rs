//! AVIO over an open file or a blob, and over memory for muxing.

use std::ffi::c_void;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::ptr;
use std::sync::Arc;

use ffmpeg_the_third::ffi::{self, AVIOContext};
use kpack_formats::Blob;

use super::av::{Error, Result};
use crate::pulse;

/// Bytes libav asks for at a time.
const BUFFER: usize = 64 << 10;

const AVSEEK_SIZE: i32 = 0x10000;
const AVSEEK_FORCE: i32 = 0x20000;
const EIO: i32 = 5;
const EINVAL: i32 = 22;

/// What libav reads: by position, so that it may be shared.
#[derive(Clone)]
pub(super) enum Source {
    File(Arc<File>),
    Blob(Blob),
}

impl Source {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::File(file) => file.metadata().map(|m| m.len()).unwrap_or(0),
            Self::Blob(blob) => blob.len(),
        }
    }

    /// Reads some bytes from `at` on; none at the end.
    pub(super) fn read_at(&self, into: &mut [u8], at: u64) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read_at(into, at),
            Self::Blob(blob) => {
                let left = usize::try_from(blob.len().saturating_sub(at)).unwrap_or(usize::MAX);
                let n = into.len().min(left);
                let read = blob.read_at(at, &mut into[..n]);
                read.map_err(|e| e.io_kind().unwrap_or(std::io::ErrorKind::Other))?;
                Ok(n)
            }
        }
    }
}

struct Reading {
    source: Source,
    at: u64,
    length: u64,
}

/// An AVIO context and what it reads or writes.
pub(super) struct Io<T> {
    context: *mut AVIOContext,
    state: *mut T,
}

// SAFETY: the context and its state belong to this value alone, and libav touches them only inside
// calls made by the thread that holds it.
unsafe impl<T: Send> Send for Io<T> {}

pub(super) type FileIo = Io<ReadState>;

pub(super) type MemoryIo = Io<WriteState>;
/// Opaque state of a [`MemoryIo`].
#[derive(Default)]
pub(super) struct WriteState {
    bytes: Vec<u8>,
    at: usize,
}
/// Opaque state of a [`FileIo`].
pub(super) struct ReadState(Reading);

type ReadFn = unsafe extern "C" fn(*mut c_void, *mut u8, i32) -> i32;
/// FFmpeg 7 made the buffer const; the ABI is the same.
type WriteFn = unsafe extern "C" fn(*mut c_void, *const u8, i32) -> i32;
type SeekFn = unsafe extern "C" fn(*mut c_void, i64, i32) -> i64;

impl<T> Io<T> {
    #[allow(
        clippy::missing_transmute_annotations,
        reason = "whether the target's buffer is const depends on FFmpeg's version"
    )]
    fn new(state: T, read: Option<ReadFn>, write: Option<WriteFn>, seek: SeekFn) -> Result<Self> {
        let state = Box::into_raw(Box::new(state));
        // SAFETY: the buffer comes from av_malloc as avio_alloc_context demands; `state` outlives
        // the context because both are freed together in Drop.
        let context = unsafe {
            let buffer = ffi::av_malloc(BUFFER).cast::<u8>();
            if buffer.is_null() {
                ptr::null_mut()
            } else {
                ffi::avio_alloc_context(
                    buffer,
                    BUFFER as i32,
                    i32::from(write.is_some()),
                    state.cast(),
                    read,
                    std::mem::transmute::<Option<WriteFn>, _>(write),
                    Some(seek),
                )
            }
        };
        if context.is_null() {
            // SAFETY: nobody else has seen the box.
            drop(unsafe { Box::from_raw(state) });
            return Err(Error::Alloc("an I/O context"));
        }
        Ok(Self { context, state })
    }

    pub(super) fn as_ptr(&self) -> *mut AVIOContext {
        self.context
    }
}

impl<T> Drop for Io<T> {
    fn drop(&mut self) {
        // SAFETY: libav may have replaced the buffer, so it is freed through the context; whoever
        // used the context (a format context) is gone, because it is declared before this field.
        unsafe {
            ffi::av_freep((&raw mut (*self.context).buffer).cast());
            ffi::avio_context_free(&mut self.context);
            drop(Box::from_raw(self.state));
        }
    }
}

impl FileIo {
    pub(super) fn open(source: Source) -> Result<Self> {
        let length = source.length();
        Self::new(
            ReadState(Reading {
                source,
                at: 0,
                length,
            }),
            Some(read_file),
            None,
            seek_file,
        )
    }
}

impl MemoryIo {
    pub(super) fn create() -> Result<Self> {
        Self::new(WriteState::default(), None, Some(write_memory), seek_memory)
    }

    /// Takes what was written. Call after the trailer.
    pub(super) fn take(&mut self) -> Vec<u8> {
        // SAFETY: the context and state are ours; flushing calls write_memory on this thread.
        unsafe {
            ffi::avio_flush(self.context);
            let state = &mut *self.state;
            state.at = 0;
            std::mem::take(&mut state.bytes)
        }
    }
}

const fn averror(errno: i32) -> i32 {
    -errno
}

unsafe extern "C" fn read_file(opaque: *mut c_void, buffer: *mut u8, size: i32) -> i32 {
    // SAFETY: libav passes the state and a buffer of `size` bytes that it owns.
    let (state, buffer) = unsafe {
        let Ok(size) = usize::try_from(size) else {
            return averror(EINVAL);
        };
        (
            &mut (*opaque.cast::<ReadState>()).0,
            std::slice::from_raw_parts_mut(buffer, size),
        )
    };
    loop {
        match state.source.read_at(buffer, state.at) {
            Ok(0) => return ffi::AVERROR_EOF,
            Ok(n) => {
                state.at += n as u64;
                return n as i32;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return averror(e.raw_os_error().unwrap_or(EIO)),
        }
    }
}

unsafe extern "C" fn seek_file(opaque: *mut c_void, offset: i64, whence: i32) -> i64 {
    // SAFETY: libav passes the state it was given.
    let state = unsafe { &mut (*opaque.cast::<ReadState>()).0 };
    match target(offset, whence, state.at, state.length) {
        Some(at) if whence & AVSEEK_SIZE != 0 => at as i64,
        Some(at) => {
            state.at = at;
            at as i64
        }
        None => i64::from(averror(EINVAL)),
    }
}

unsafe extern "C" fn write_memory(opaque: *mut c_void, buffer: *const u8, size: i32) -> i32 {
    // SAFETY: libav passes the state and `size` bytes to read.
    let (state, new) = unsafe {
        let Ok(size) = usize::try_from(size) else {
            return averror(EINVAL);
        };
        (
            &mut *opaque.cast::<WriteState>(),
            std::slice::from_raw_parts(buffer, size),
        )
    };
    let end = state.at + new.len();
    pulse::hold(end.saturating_sub(state.bytes.len()));
    if state.bytes.len() < end {
        state.bytes.resize(end, 0);
    }
    state.bytes[state.at..end].copy_from_slice(new);
    state.at = end;
    size
}

unsafe extern "C" fn seek_memory(opaque: *mut c_void, offset: i64, whence: i32) -> i64 {
    // SAFETY: libav passes the state it was given.
    let state = unsafe { &mut *opaque.cast::<WriteState>() };
    let length = state.bytes.len() as u64;
    match target(offset, whence, state.at as u64, length) {
        Some(at) if whence & AVSEEK_SIZE != 0 => at as i64,
        Some(at) if at <= length => {
            state.at = at as usize;
            at as i64
        }
        _ => i64::from(averror(EINVAL)),
    }
}

/// Where a seek goes; for AVSEEK_SIZE, the length.
fn target(offset: i64, whence: i32, at: u64, length: u64) -> Option<u64> {
    if whence & AVSEEK_SIZE != 0 {
        return Some(length);
    }
    let base = match whence & !AVSEEK_FORCE {
        0 => 0,
        1 => at,
        2 => length,
        _ => return None,
    };
    base.checked_add_signed(offset)
        .filter(|at| i64::try_from(*at).is_ok())
}
