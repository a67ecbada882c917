//! Sources of YouTube and other sites, through the installed `yt-dlp`: one process a source, never
//! a shell, the address behind `--`.

use std::fs;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::http::too_large;
use super::net::Net;
use super::plan::Source;
use super::table::Got;
use super::ytdlp_says::failure;
use super::{Fail, Failure, FetchOptions, Retry, YtDlp};
use crate::sample::Class;
use crate::{Error, Result};

/// Most that is kept of what yt-dlp says.
const SAID: u64 = 64 << 10;

/// The version of the program; an error that says how to get it.
pub(super) fn check(yt_dlp: &YtDlp, sources: u64) -> Result<String> {
    let program = yt_dlp.program.display();
    let hint = "pipx install yt-dlp, or --yt-dlp PATH";
    let wrong = |what: String| {
        Error::usage(format!(
            "{sources} sources need yt-dlp, and {what}; install it with {hint}"
        ))
    };
    let output = Command::new(&yt_dlp.program)
        .args(["--ignore-config", "--version"])
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(wrong(format!(
                "`{program} --version` ends with {}: {said}",
                output.status
            )))
        }
        Err(e) if e.kind() == ErrorKind::NotFound => Err(wrong(format!("there is no {program}"))),
        Err(e) => Err(wrong(format!("{program} cannot be run: {e}"))),
    }
}

pub(super) fn get(net: &Net<'_>, source: &Source) -> Result<Got, Fail> {
    let folder = net.work.join(&source.hash);
    let whole = net.work.join(format!("{}.source", source.hash));
    let there = whole.is_file();
    if !there {
        fs::create_dir_all(&folder).map_err(Fail::disk("cannot create", &folder))?;
        let (ended, said) = run(net, &folder, source)?;
        let file = match ended {
            true => newest(&folder),
            false => None,
        };
        let Some(file) = file else {
            let failure = failure(&said, ended);
            if failure.retry == Retry::Never {
                // Else the next attempt continues what is there.
                let _ = fs::remove_dir_all(&folder);
            }
            return Err(failure.into());
        };
        let length = fs::metadata(&file)
            .map_err(Fail::disk("cannot examine", &file))?
            .len();
        if length > net.options.max_size {
            let _ = fs::remove_dir_all(&folder);
            return Err(too_large(length, net.options.max_size).into());
        }
        net.bytes
            .fetch_add(length, std::sync::atomic::Ordering::Relaxed);
        fs::rename(&file, &whole).map_err(Fail::disk("cannot rename to", &whole))?;
        // What else it left is of no use.
        let _ = fs::remove_dir_all(&folder);
    }
    Ok(Got {
        path: whole,
        owned: true,
        there,
        came: None,
    })
}

/// The arguments, the address last.
fn arguments(options: &FetchOptions, folder: &Path, address: &str) -> Vec<std::ffi::OsString> {
    let yt_dlp = &options.yt_dlp;
    let mut args: Vec<std::ffi::OsString> = [
        "--ignore-config",
        "--no-playlist",
        "--no-progress",
        "--no-mtime",
        "--no-overwrites",
        "--abort-on-error",
        "--retries",
    ]
    .map(Into::into)
    .into();
    args.push(options.retries.to_string().into());
    let mut pair = |name: &str, value: std::ffi::OsString| args.extend([name.into(), value]);
    pair(
        "--socket-timeout",
        options.stall.as_secs().max(1).to_string().into(),
    );
    pair("--max-filesize", options.max_size.to_string().into());
    // A percent sign in the folder's name is none of a template.
    let folder = folder.to_string_lossy().replace('%', "%%");
    pair("--output", format!("{folder}/source.%(ext)s").into());
    if let Some(rate) = options.rate {
        pair(
            "--limit-rate",
            (rate / options.threads.max(1) as u64)
                .max(1)
                .to_string()
                .into(),
        );
    }
    if let Some(proxy) = &options.proxy {
        pair("--proxy", proxy.into());
    }
    if let Some(cookies) = &yt_dlp.cookies {
        pair("--cookies", cookies.into());
    }
    if let Some(format) = &yt_dlp.format {
        pair("--format", format.into());
    }
    args.extend(yt_dlp.args.iter().map(Into::into));
    args.extend(["--".into(), address.into()]);
    args
}

/// Runs yt-dlp to its end: whether it succeeded, and what it said.
fn run(net: &Net<'_>, folder: &Path, source: &Source) -> Result<(bool, String), Fail> {
    let mut command = Command::new(&net.options.yt_dlp.program);
    let child = command
        .args(arguments(net.options, folder, &source.address))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child =
        child.map_err(|e| Failure::last(Class::Internal, format!("yt-dlp cannot be run: {e}")))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let out = scope.spawn(move || listen(out));
        let err = scope.spawn(move || listen(err));
        let ended = wait(net, &mut child);
        let mut said = err.join().unwrap_or_default();
        // Some of what it refuses to fetch is said on standard output.
        said.push_str(&out.join().unwrap_or_default());
        Ok((ended?, said))
    })
}

fn listen(pipe: Option<impl Read>) -> String {
    let Some(mut pipe) = pipe else {
        return String::new();
    };
    let mut said = Vec::new();
    // What cannot be read was not said; what is beyond the limit is read and dropped.
    let _ = pipe.by_ref().take(SAID).read_to_end(&mut said);
    let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    String::from_utf8_lossy(&said).into_owned()
}

fn wait(net: &Net<'_>, child: &mut Child) -> Result<bool, Fail> {
    let begun = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(status)) if net.stopped() && !status.success() => return Err(Fail::Stopped),
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) => {}
            Err(e) => {
                let reason = format!("yt-dlp cannot be waited for: {e}");
                return Err(Failure::last(Class::Internal, reason).into());
            }
        }
        let late = begun.elapsed() > net.options.timeout;
        if late || net.stopped() {
            // It may have ended by itself in between.
            let _ = child.kill();
            let _ = child.wait();
            if !late {
                return Err(Fail::Stopped);
            }
            let limit = net.options.timeout.as_secs_f64();
            let reason = format!("yt-dlp was not done after {limit} s (--fetch-timeout)");
            return Err(Failure::last(Class::Timeout, reason).into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The finished file in a folder.
fn newest(folder: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.filter_map(|entry| {
        let entry = entry.ok()?;
        let name = entry.file_name().into_string().ok()?;
        let rest = name.strip_prefix("source.")?;
        // `source.f137.mp4` is one track, `source.mp4.part` a part.
        let whole =
            !rest.contains('.') && !matches!(rest, "part" | "ytdl" | "json" | "description");
        let meta = entry.metadata().ok().filter(|meta| meta.is_file())?;
        whole.then(|| (meta.len(), entry.path()))
    });
    files.max().map(|(_, path)| path)
}
