//! [`Fault`]: a worker that misbehaves on purpose, so that tests can see what becomes of it.
//!
//! `KPACK_FAULT=abort=KEY,hang=KEY` strikes the clips whose key holds the text. Heard only by builds
//! with debug assertions. So is `KPACK_BEGUN=FILE`, to which the key of each clip is added that is begun.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::Duration;

use super::clip::SampleBody;
use super::wire::{self, Kind};

/// A clip is begun: tells it to whoever counts what is made twice.
pub(super) fn begun(key: &str) {
    let told = match cfg!(debug_assertions) {
        true => std::env::var_os("KPACK_BEGUN"),
        false => None,
    };
    if let Some(path) = told {
        let file = OpenOptions::new().append(true).create(true).open(path);
        let _ = file.and_then(|mut file| file.write_all(format!("{key}\n").as_bytes()));
    }
}

/// What goes wrong with a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// Ends at once with a signal, having said why.
    Abort,
    /// Ends in good order, without an answer.
    Exit,
    /// Never ends.
    Hang,
    /// Eats memory without end.
    Memory,
    /// Announces more bytes than come.
    Longer,
    /// Names fewer bytes than come.
    Shorter,
    /// Names more bytes than there can be.
    Endless,
    /// Sends bytes that are no message.
    Garbage,
    /// Gives a blob a name that leads out of the folder.
    Name,
}

impl Fault {
    /// The fault that the environment has for `key`.
    pub(super) fn of(key: &str) -> Self {
        if !cfg!(debug_assertions) {
            return Fault::None;
        }
        let wanted = std::env::var("KPACK_FAULT").unwrap_or_default();
        let mut struck = wanted
            .split(',')
            .filter_map(|fault| fault.split_once('='))
            .filter(|(_, text)| key.contains(text));
        match struck.next().map(|(kind, _)| kind) {
            Some("abort") => Fault::Abort,
            Some("exit") => Fault::Exit,
            Some("hang") => Fault::Hang,
            Some("memory") => Fault::Memory,
            Some("longer") => Fault::Longer,
            Some("shorter") => Fault::Shorter,
            Some("endless") => Fault::Endless,
            Some("garbage") => Fault::Garbage,
            Some("name") => Fault::Name,
            _ => Fault::None,
        }
    }

    /// What goes wrong while the clip is made.
    #[allow(
        clippy::exit,
        reason = "a child that ends without an answer is the point"
    )]
    pub(super) fn strike(self) {
        match self {
            Fault::Abort => {
                let _ = std::io::stderr().write_all(b"fault: aborting\non purpose\n");
                std::process::abort();
            }
            Fault::Exit => std::process::exit(0),
            Fault::Hang => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            Fault::Memory => {
                let mut eaten: Vec<Vec<u8>> = Vec::new();
                loop {
                    eaten.push(vec![1; 1 << 20]);
                    std::hint::black_box(&eaten);
                }
            }
            Fault::Garbage => {
                // Standard input is the socket.
                let socket = std::io::stdin();
                let _ = rustix::io::write(&socket, &[0xa5; 4096]);
            }
            Fault::Longer => {
                let socket = std::io::stdin();
                let _ = rustix::io::write(&socket, &wire::header(Kind::Bytes, wire::PIECE));
                let _ = rustix::io::write(&socket, &[0; wire::PLACE]);
            }
            Fault::None | Fault::Shorter | Fault::Endless | Fault::Name => {}
        }
    }

    /// What is wrong with what the child says of its sample.
    pub(super) fn lie(self, body: &mut SampleBody) {
        let Some(last) = body.blobs.last_mut() else {
            return;
        };
        match self {
            Fault::Shorter => last.length = last.length.saturating_sub(1000),
            Fault::Endless => last.length = u64::MAX,
            Fault::Name => last.name = "../../etc/passwd".to_owned(),
            _ => {}
        }
    }
}
