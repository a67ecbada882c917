//! The command line: one file per command. Flags are read here and nowhere else; what they mean is
//! settled before anything runs.
#![allow(
    missing_docs,
    reason = "the help texts are the documentation of the options"
)]

mod audio;
mod bench;
mod classes;
mod clean;
mod convert;
mod doctor;
mod exit;
mod fetch;
mod fetching;
mod frames;
mod index;
mod inputs;
mod inspect;
mod libav;
mod list;
mod mds;
mod merge;
mod out;
mod pack;
mod reading;
mod reorg;
mod repair;
mod resize;
mod retry;
mod signals;
mod stats;
mod subset;
mod tfrecord;
mod values;
mod verify;
mod webdataset;
mod worker;

use std::ffi::OsString;

use clap::{ArgAction, Args, Parser, Subcommand};

pub(crate) use exit::Exit;

/// Packs, converts and measures video datasets.
#[derive(Debug, Parser)]
#[command(
    name = "kpack",
    version,
    about,
    arg_required_else_help = true,
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Every command")]
struct Common {
    /// Number of threads [default: all cores]
    #[arg(short = 'j', long, value_name = "N", global = true, value_parser = values::threads)]
    threads: Option<usize>,
    /// No progress and no summary; only errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more: each failed clip at once, each shard
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Print a machine-readable report on standard output
    #[arg(long, global = true)]
    json: bool,
}

impl Common {
    fn threads(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        self.threads.unwrap_or_else(cores)
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Webdataset(Box<webdataset::Webdataset>),
    Tfrecord(Box<tfrecord::Tfrecord>),
    Frames(Box<frames::Frames>),
    Audio(Box<audio::Audio>),
    Resize(Box<resize::Resize>),
    Fetch(Box<fetch::Fetch>),
    Classes(classes::Classes),
    Subset(Box<subset::Subset>),
    Convert(Box<convert::Convert>),
    Index(index::Index),
    Inspect(inspect::Inspect),
    List(list::List),
    Reorg(reorg::Reorg),
    Stats(stats::StatsCommand),
    Bench(bench::Bench),
    Verify(verify::Verify),
    Repair(repair::Repair),
    Retry(retry::Retry),
    Merge(merge::Merge),
    Clean(clean::Clean),
    Doctor(doctor::Doctor),
    #[command(hide = true)]
    Worker(worker::WorkerCommand),
}

/// Runs the command line `args`, whose first is the program's name.
pub(crate) fn run(args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no error; a closed pipe is none either.
            let _ = error.print();
            return if error.use_stderr() {
                Exit::Usage
            } else {
                Exit::Done
            };
        }
    };
    let result = match cli.command {
        Command::Webdataset(command) => command.run(&cli.common),
        Command::Tfrecord(command) => command.run(&cli.common),
        Command::Frames(command) => command.run(&cli.common),
        Command::Audio(command) => command.run(&cli.common),
        Command::Resize(command) => command.run(&cli.common),
        Command::Fetch(command) => command.run(&cli.common),
        Command::Classes(command) => command.run(&cli.common),
        Command::Subset(command) => command.run(&cli.common),
        Command::Convert(command) => command.run(&cli.common),
        Command::Index(command) => command.run(&cli.common),
        Command::Inspect(command) => command.run(&cli.common),
        Command::List(command) => command.run(&cli.common),
        Command::Reorg(command) => command.run(&cli.common),
        Command::Stats(command) => command.run(&cli.common),
        Command::Bench(command) => command.run(&cli.common),
        Command::Verify(command) => command.run(&cli.common),
        Command::Repair(command) => command.run(&cli.common),
        Command::Retry(command) => command.run(&cli.common),
        Command::Merge(command) => command.run(&cli.common),
        Command::Clean(command) => command.run(&cli.common),
        Command::Doctor(command) => command.run(&cli.common),
        Command::Worker(command) => command.run(),
    };
    result.unwrap_or_else(|error| {
        out::say(format_args!("kpack: {error:#}{}", advice(&error)));
        exit_of(&error)
    })
}

/// What to do about a full disk.
fn advice(error: &anyhow::Error) -> &'static str {
    use std::io::{Error, ErrorKind};
    let full = |kind| matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded);
    let mut causes = error.chain().filter_map(|e| e.downcast_ref::<Error>());
    match causes.any(|cause| full(cause.kind())) {
        true => "; free some space and run the same command again",
        false => "",
    }
}

/// What an error means for the exit code: who is at fault decides.
fn exit_of(error: &anyhow::Error) -> Exit {
    use kpack_formats::Kind;
    let kind = |error: &kpack_formats::Error| match error.kind() {
        Kind::Corrupt => Exit::Damage,
        Kind::Usage => Exit::Usage,
        Kind::Io | Kind::Unsupported | Kind::Limit => Exit::Fatal,
    };
    for cause in error.chain() {
        match cause.downcast_ref::<kpack::Error>() {
            Some(kpack::Error::Usage(_)) => return Exit::Usage,
            Some(kpack::Error::Format(error)) => return kind(error),
            Some(_) => return Exit::Fatal,
            None => {}
        }
        if let Some(error) = cause.downcast_ref::<kpack_formats::Error>() {
            return kind(error);
        }
    }
    Exit::Fatal
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::Path;

    use super::*;

    #[test]
    fn a_full_disk_ends_with_what_to_do() {
        let of = |kind: ErrorKind| {
            let error = kpack::Error::io("cannot write", Path::new("out"))(kind.into());
            advice(&error.into())
        };
        assert!(of(ErrorKind::StorageFull).contains("run the same command again"));
        assert_eq!(of(ErrorKind::PermissionDenied), "");
    }
}
