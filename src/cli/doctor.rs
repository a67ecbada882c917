//! `kpack doctor`: what this machine has, what is missing, and how to get it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use kpack::worker::Limits;
use serde_json::{Value, json};

use super::{Common, Exit, libav, out, worker};

const HELP: &str = "\
Example:
  kpack doctor
  kpack doctor --json | jq '.checks[] | select(.ok | not)'

Exit codes:
  0  everything that packing needs is there (what is only recommended may be missing)
  1  something that packing needs is missing";

/// Show versions of libav and its codecs, yt-dlp, limits; what is missing and how to get it
#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Doctor {
    /// Folder whose free space is shown
    #[arg(default_value = ".", value_name = "DIR")]
    dir: PathBuf,
}

/// One thing looked at.
struct Check {
    name: String,
    found: String,
    /// What to do, where something is wrong.
    fix: Option<String>,
    /// Whether packing cannot do without.
    needed: bool,
}

impl Check {
    fn good(name: &str, found: impl Into<String>) -> Self {
        Check {
            name: name.to_owned(),
            found: found.into(),
            fix: None,
            needed: false,
        }
    }
    fn bad(name: &str, found: impl Into<String>, needed: bool, fix: &str) -> Self {
        Check {
            fix: Some(fix.to_owned()),
            needed,
            ..Check::good(name, found)
        }
    }
}

impl Doctor {
    pub(crate) fn run(&self, common: &Common) -> anyhow::Result<Exit> {
        let mut checks = vec![Check::good("kpack", env!("CARGO_PKG_VERSION"))];
        checks.extend(libraries());
        checks.extend(codecs());
        checks.push(program(
            "yt-dlp",
            "--version",
            "pipx install yt-dlp, or apt-get install yt-dlp",
        ));
        checks.extend(worker_processes());
        checks.push(open_files());
        checks.push(space(&self.dir));
        let ok = !checks.iter().any(|c| c.needed && c.fix.is_some());
        if common.json {
            let list: Vec<Value> = checks.iter().map(to_json).collect();
            out::print_json(&json!({ "ok": ok, "checks": list }))?;
        } else {
            out::print(|out| checks.iter().try_for_each(|check| show(out, check)))?;
        }
        Ok(if ok { Exit::Done } else { Exit::Fatal })
    }
}

fn to_json(check: &Check) -> Value {
    json!({
        "name": check.name,
        "found": check.found,
        "ok": check.fix.is_none(),
        "needed": check.needed,
        "fix": check.fix,
    })
}

fn show(out: &mut dyn std::io::Write, check: &Check) -> std::io::Result<()> {
    let mark = match (&check.fix, check.needed) {
        (None, _) => "ok     ",
        (Some(_), true) => "MISSING",
        (Some(_), false) => "note   ",
    };
    writeln!(out, "{mark}  {:<16} {}", check.name, check.found)?;
    match &check.fix {
        Some(fix) => writeln!(out, "         {:<16} -> {fix}", ""),
        None => Ok(()),
    }
}

/// libav's libraries, as they are loaded.
fn libraries() -> Vec<Check> {
    let versions = libav::versions().into_iter();
    versions
        .map(|(name, version)| Check::good(name, version))
        .collect()
}

/// What each decoder is for; any of its names will do. The first four are needed for what most
/// datasets hold.
const DECODERS: &[(&str, &[&str])] = &[
    ("H.264", &["h264"]),
    ("AAC", &["aac"]),
    ("MPEG-4", &["mpeg4"]),
    ("MP3", &["mp3float", "mp3"]),
    ("HEVC", &["hevc"]),
    ("VP8", &["vp8", "libvpx"]),
    ("VP9", &["vp9", "libvpx-vp9"]),
    ("AV1", &["libdav1d", "libaom-av1"]),
    ("Opus", &["opus", "libopus"]),
    ("Vorbis", &["vorbis"]),
    ("AC-3", &["ac3"]),
    ("FLAC", &["flac"]),
];

/// Decoders without which packing makes little sense.
const NEEDED: usize = 4;

/// What each encoder is for.
const ENCODERS: &[(&str, &str)] = &[
    ("--video h264", "libx264"),
    ("--video hevc", "libx265"),
    ("--video av1", "libaom-av1"),
    ("--video vp9", "libvpx-vp9"),
    ("its sound", "libopus"),
    ("--audio flac", "flac"),
    ("--image webp", "libwebp"),
];

const LIBAV: &str = "apt-get install libavcodec-extra (Debian, Ubuntu), or an FFmpeg with it";

/// Codecs that real datasets use.
fn codecs() -> Vec<Check> {
    let mut checks = Vec::new();
    for (i, (about, names)) in DECODERS.iter().enumerate() {
        let known = |name: &&&str| libav::has_decoder(name) == Some(true);
        if libav::has_decoder("").is_none() {
            continue;
        }
        let name = format!("decode {about}");
        checks.push(match names.iter().find(known) {
            Some(decoder) => Check::good(&name, *decoder),
            None => Check::bad(&name, "not in this libav", i < NEEDED, LIBAV),
        });
    }
    for (about, encoder) in ENCODERS {
        checks.extend(libav::has_encoder(encoder).map(|there| match there {
            true => Check::good(about, *encoder),
            false => Check::bad(about, format!("needs {encoder}"), false, LIBAV),
        }));
    }
    checks
}

fn program(name: &str, option: &str, fix: &str) -> Check {
    let mut command = Command::new(name);
    command
        .arg(option)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let output = command.output().ok().filter(|o| o.status.success());
    let line = output.map(|o| {
        String::from_utf8_lossy(&o.stdout)
            .lines()
            .next()
            .map(str::to_owned)
    });
    match line.flatten() {
        Some(version) => Check::good(name, version),
        None => Check::bad(
            name,
            "not found (needed only to fetch from video sites)",
            false,
            fix,
        ),
    }
}

/// Whether clips are decoded in processes of their own, and what these are kept from.
fn worker_processes() -> Vec<Check> {
    const NAME: &str = "worker processes";
    const FIX: &str = "Linux 5.13 or newer with seccomp and Landlock keeps a decoder in bounds";
    let sandbox = match worker::start(Limits::default(), true) {
        Ok((_, sandbox)) => sandbox,
        Err(why) => {
            let fix = "clips are decoded in kpack's own process, without limits";
            return vec![Check::bad(NAME, why, false, fix)];
        }
    };
    let seccomp = if sandbox.seccomp { "yes" } else { "no" };
    let found = format!("seccomp {seccomp}, landlock {}", sandbox.landlock);
    let leaks = sandbox.leaks.clone().unwrap_or_default();
    let bounds = match leaks.is_empty() {
        true => "no files, no network, no processes (tried)".to_owned(),
        false => format!("not refused: {}", leaks.join(", ")),
    };
    let check = |name: &str, found: String, good: bool| match good {
        true => Check::good(name, found),
        false => Check::bad(name, found, false, FIX),
    };
    vec![
        check(NAME, found, sandbox.seccomp),
        check("their bounds", bounds, leaks.is_empty()),
    ]
}

/// The limit of open files, where the system tells it as a file.
fn open_files() -> Check {
    const ENOUGH: u64 = 1024;
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|l| l.strip_prefix("Max open files"));
    match line.and_then(|l| l.split_whitespace().next()) {
        Some(limit) if limit.parse().is_ok_and(|n: u64| n < ENOUGH) => {
            Check::bad("open files", limit, false, "ulimit -n 4096")
        }
        Some(limit) => Check::good("open files", limit),
        None => Check::good("open files", "unknown"),
    }
}

/// Free space as `df` tells it.
fn space(dir: &Path) -> Check {
    let args = [OsStr::new("-Pk"), OsStr::new("--"), dir.as_os_str()];
    let output = Command::new("df")
        .args(args)
        .env("LC_ALL", "C")
        .stderr(Stdio::null())
        .output();
    let text = output
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
        .unwrap_or_default();
    let free = text
        .lines()
        .nth(1)
        .and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    let name = "free space";
    let place = dir.display();
    match free.map(|kib: u64| kib.saturating_mul(1024)) {
        Some(free) if free < 1 << 30 => {
            let found = format!("{} in {place}", out::bytes(free));
            Check::bad(
                name,
                found,
                false,
                "less than 1 GiB: choose another place for OUT",
            )
        }
        Some(free) => Check::good(name, format!("{} in {place}", out::bytes(free))),
        None => Check::bad(
            name,
            format!("unknown for {place}"),
            false,
            "name a folder that exists",
        ),
    }
}
