//! What a child gives up before it sees a file's bytes.
//!
//! Two layers on Linux, each enough where the other is missing. Seccomp lets through only the system
//! calls that decoding needs; every other fails as one that is not permitted, so that a library that
//! tries one goes another way instead of dying. Landlock, with no rule at all, refuses every path, TCP
//! port and signal. Limits of the system do what is left, on other systems alone: no core files, no
//! writing to files, few descriptors.

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};

#[cfg(not(target_os = "linux"))]
use self::elsewhere as system;
#[cfg(target_os = "linux")]
use super::seccomp as system;

/// What holds in a child.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// Whether only the system calls of decoding are let through.
    pub seccomp: bool,
    /// Whether Landlock refuses paths: `fully`, `partly` (an older kernel), or `no`.
    pub landlock: String,
    /// What was tried from inside and succeeded although it should not; `None` where not tried.
    pub leaks: Option<Vec<String>>,
}

impl Sandbox {
    /// Whether files, network and processes are out of reach.
    pub fn holds(&self) -> bool {
        self.seccomp && self.leaks.as_ref().is_none_or(Vec::is_empty)
    }
}

/// The child ends when its parent does, also when it is in the middle of a clip.
pub(super) fn leave_with_parent() {
    #[cfg(target_os = "linux")]
    {
        let kill = Some(rustix::process::Signal::KILL);
        // Without it the child still ends when it next reads from its parent.
        let _ = rustix::process::set_parent_process_death_signal(kill);
    }
}

/// Gives up what can be given up. With `check`, tries it afterwards.
pub(super) fn enter(check: bool) -> Sandbox {
    limit();
    let landlock = system::landlock();
    let seccomp = system::seccomp();
    Sandbox {
        seccomp,
        landlock,
        leaks: check.then(leaks),
    }
}

/// What any Unix can do. Limits that are lower already stay.
fn limit() {
    /// Descriptors: the standard ones, two of the socket, the file, and a reserve.
    const FILES: u64 = 16;
    let limits = [
        (Resource::Core, 0),
        (Resource::Fsize, 0),
        (Resource::Nofile, FILES),
    ];
    for (resource, most) in limits {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        let _ = setrlimit(resource, limit);
    }
    // Core files also go to programs, which ask for no limit. Debuggers must be able to attach to a
    // debug build.
    #[cfg(target_os = "linux")]
    if !cfg!(debug_assertions) {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Tries what must not work.
fn leaks() -> Vec<String> {
    let own = || {
        std::process::Command::new("/proc/self/exe")
            .arg("--version")
            .spawn()
    };
    let written = std::env::temp_dir().join("kpack-must-not-be-written");
    let mut tried = vec![
        (
            "reading a file",
            std::fs::File::open("/proc/self/exe").is_ok(),
        ),
        ("listing a folder", std::fs::read_dir("/").is_ok()),
        ("writing a file", std::fs::write(&written, b"").is_ok()),
        (
            "a network address",
            std::net::UdpSocket::bind("127.0.0.1:0").is_ok(),
        ),
        (
            "a connection",
            std::net::TcpListener::bind("127.0.0.1:0").is_ok(),
        ),
    ];
    let process = own().map(|mut child| child.wait());
    tried.push(("starting a program", process.is_ok()));
    if tried[2].1 {
        let _ = std::fs::remove_file(&written);
    }
    let leaked = tried.into_iter().filter(|(_, succeeded)| *succeeded);
    leaked.map(|(what, _)| what.to_owned()).collect()
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    pub(super) fn landlock() -> String {
        "no".to_owned()
    }
    pub(super) fn seccomp() -> bool {
        false
    }
}
