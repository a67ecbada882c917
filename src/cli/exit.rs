//! How a command ends.

/// Exit codes. Shown in every `--help`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was written.
    Done = 0,
    /// Something ended the run: the disk, an input that cannot be read, too many failures.
    Fatal = 1,
    /// The command line or an input list is wrong.
    Usage = 2,
    /// Finished, but some samples failed.
    SomeFailed = 3,
    /// Damage was found.
    Damage = 4,
    /// Ctrl-C.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        std::process::ExitCode::from(exit as u8)
    }
}

/// The exit codes of packing, for help.
pub(crate) const PACK_CODES: &str = "\
Exit codes:
  0    all clips are written
  1    ended by an error (also --on-error fail, and --max-failures exceeded)
  2    the command or an input list is wrong, or an input is not there
  3    finished, but some clips failed; OUT/samples.jsonl says which and why
  4    OUT was finished before, and files of it are gone
  130  stopped by Ctrl-C, 143 by SIGTERM; the same command again continues";

/// The exit codes of looking at things, for help.
pub(crate) const LOOK_CODES: &str = "\
Exit codes:
  0    all is well
  1    cannot be read
  2    the command or an annotation file is wrong
  4    damage was found";
