//! An HTTP server on loopback that behaves badly on demand: the path says how.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A request that came.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) range: Option<String>,
    pub(super) at: Instant,
}

pub(super) struct Server {
    pub(super) port: u16,
    /// Bytes of bodies that were sent as ranges.
    pub(super) sent: Arc<AtomicU64>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    /// Serves `video` under every path but those that [`answer`] knows.
    pub(super) fn start(video: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, video) = (Arc::clone(&asked), Arc::new(video));
        let sent = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&sent);
        // Ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (log, video) = (Arc::clone(&log), Arc::clone(&video));
                let sent = Arc::clone(&count);
                thread::spawn(move || serve(&stream, &log, &video, port, &sent));
            }
        });
        Self { port, sent, asked }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    pub(super) fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        let found = asked.iter().filter(|a| a.path == format!("/{path}"));
        found.cloned().collect()
    }
}

fn serve(stream: &TcpStream, log: &Mutex<Vec<Asked>>, video: &[u8], port: u16, sent: &AtomicU64) {
    let mut lines = BufReader::new(stream).lines();
    let Some(Ok(first)) = lines.next() else {
        return;
    };
    let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
    let headers = lines.map_while(Result::ok).take_while(|l| !l.is_empty());
    let headers: HashMap<String, String> = headers
        .filter_map(|l| {
            l.split_once(": ")
                .map(|(n, v)| (n.to_lowercase(), v.to_owned()))
        })
        .collect();
    let range = headers.get("range").cloned();
    let times = {
        let mut log = log.lock().unwrap();
        let (range, at) = (range.clone(), Instant::now());
        let path = path.clone();
        log.push(Asked {
            path: path.clone(),
            range,
            at,
        });
        log.iter().filter(|a| a.path == path).count()
    };
    if let (true, Some(range)) = (path.starts_with("/ranged"), closed(range.as_deref()))
        && part(stream, video, range, spoiled(&path, times), sent)
    {
        return;
    }
    let path = match path.as_str() {
        "/ranged-gone/v.mp4" if times > 6 => "/404-html.mp4",
        path => path,
    };
    let from = range.and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    // A client that hangs up first is no failure of the test. A shutdown would be an orderly end.
    match answer(stream, path, times, from, video, port) {
        Err(e) if e.kind() == ErrorKind::ConnectionReset => {}
        _ => {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// How a request for a range is answered that is not the first, by the first folder of its path.
fn spoiled(path: &str, times: usize) -> &str {
    let folder = path.split('/').nth(1).unwrap_or_default();
    let spoiled = folder.strip_prefix("ranged-").filter(|_| times > 6);
    spoiled.unwrap_or_default()
}

/// Answers a request for a range; `false` if that is to be answered as any other.
fn part(
    mut to: &TcpStream,
    video: &[u8],
    range: std::ops::Range<usize>,
    spoiled: &str,
    sent: &AtomicU64,
) -> bool {
    let (tag, from) = match spoiled {
        "once" | "gone" => return false,
        "etag" => ("v2", range.start),
        "moved" => ("v1", range.start + 1),
        _ => ("v1", range.start),
    };
    let end = range.end.min(video.len());
    let part = video.get(range.start..end).unwrap_or_default();
    let head = |status: &str, length: usize| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: video/mp4\r\nETag: \"{tag}\"\r\nContent-Length: {length}\r\nContent-Range: bytes {from}-{}/{}\r\nConnection: close\r\n\r\n",
            end - 1,
            video.len(),
        )
    };
    sent.fetch_add(part.len() as u64, Ordering::Relaxed);
    let (head, body) = match spoiled {
        "416" => (head("416 Range Not Satisfiable", 0), &part[..0]),
        "html" => (head("200 OK", HTML.len()), HTML.as_bytes()),
        "cut" => (
            head("206 Partial Content", part.len()),
            &part[..part.len() / 2],
        ),
        _ => (head("206 Partial Content", part.len()), part),
    };
    let _ = to
        .write_all(head.as_bytes())
        .and_then(|()| to.write_all(body));
    let _ = to.shutdown(Shutdown::Both);
    true
}

/// A range with both ends.
fn closed(range: Option<&str>) -> Option<std::ops::Range<usize>> {
    let (from, to) = range?.strip_prefix("bytes=")?.split_once('-')?;
    Some(from.parse().ok()?..to.parse::<usize>().ok()? + 1)
}

const HTML: &str = "<!DOCTYPE html><html><body>Sorry, this page is not here.</body></html>";

fn answer(
    mut to: &TcpStream,
    path: &str,
    times: usize,
    from: Option<usize>,
    video: &[u8],
    port: u16,
) -> std::io::Result<()> {
    let half = video.len() / 2;
    let head = |status: &str, length: usize, more: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n")
    };
    let mp4 = "Content-Type: video/mp4\r\n";
    let redirect = |to: String| head("302 Found", 0, &format!("Location: {to}\r\n"));
    match path {
        "/404-html.mp4" => write!(
            to,
            "{}{HTML}",
            head("404 Not Found", HTML.len(), "Content-Type: text/html\r\n")
        ),
        "/200-html.mp4" => write!(
            to,
            "{}{HTML}",
            head(
                "200 OK",
                HTML.len(),
                "Content-Type: text/html; charset=utf-8\r\n"
            )
        ),
        "/200-lie.mp4" => write!(to, "{}{HTML}", head("200 OK", HTML.len(), mp4)),
        "/empty.mp4" => write!(to, "{}", head("200 OK", 0, mp4)),
        "/503.mp4" => write!(to, "{}", head("503 Service Unavailable", 0, "")),
        "/403.mp4" => write!(to, "{}", head("403 Forbidden", 0, "")),
        "/429-always.mp4" => write!(
            to,
            "{}",
            head("429 Too Many Requests", 0, "Retry-After: 7200\r\n")
        ),
        "/429.mp4" if times == 1 => write!(
            to,
            "{}",
            head("429 Too Many Requests", 0, "Retry-After: 2\r\n")
        ),
        "/loop.mp4" => write!(to, "{}", redirect("/loop.mp4".to_owned())),
        "/hop.mp4" => write!(
            to,
            "{}",
            redirect(format!("http://127.0.0.1:{port}/good.mp4"))
        ),
        "/to-private.mp4" => write!(
            to,
            "{}",
            redirect("http://169.254.169.254/latest.mp4".to_owned())
        ),
        "/to-file.mp4" => write!(to, "{}", redirect("file:///etc/passwd".to_owned())),
        "/truncated.mp4" | "/wrong-length.mp4" => {
            let length = if path == "/truncated.mp4" {
                video.len()
            } else {
                video.len() + 1000
            };
            let body = if path == "/truncated.mp4" {
                &video[..half]
            } else {
                video
            };
            to.write_all(head("200 OK", length, mp4).as_bytes())?;
            to.write_all(body)
        }
        "/short-length.mp4" => {
            to.write_all(head("200 OK", half, mp4).as_bytes())?;
            to.write_all(&video[..half])
        }
        "/stall.mp4" => {
            to.write_all(head("200 OK", video.len(), mp4).as_bytes())?;
            to.write_all(&video[..half])?;
            thread::sleep(Duration::from_secs(30));
            Ok(())
        }
        "/drip.mp4" => {
            to.write_all(head("200 OK", video.len(), mp4).as_bytes())?;
            for byte in video.chunks(8) {
                to.write_all(byte)?;
                thread::sleep(Duration::from_millis(100));
            }
            Ok(())
        }
        "/reset.mp4" => {
            to.write_all(head("200 OK", video.len(), mp4).as_bytes())?;
            to.write_all(&video[..half])?;
            // Closed without lingering: the client gets a reset, not an end.
            rustix::net::sockopt::set_socket_linger(to, Some(Duration::ZERO))?;
            Err(ErrorKind::ConnectionReset.into())
        }
        _ => {
            // Breaks off in the middle the first time, then serves ranges.
            let flaky = path.starts_with("/flaky") && times == 1;
            let tag = "ETag: \"v1\"\r\nAccept-Ranges: bytes\r\n";
            let from = from.unwrap_or(0).min(video.len());
            let rest = &video[from..];
            let head = match from {
                0 => head("200 OK", rest.len(), &format!("{mp4}{tag}")),
                _ => {
                    let range = format!(
                        "Content-Range: bytes {from}-{}/{}\r\n",
                        video.len() - 1,
                        video.len()
                    );
                    head(
                        "206 Partial Content",
                        rest.len(),
                        &format!("{mp4}{tag}{range}"),
                    )
                }
            };
            to.write_all(head.as_bytes())?;
            if path.starts_with("/slowly") && times == 1 {
                to.write_all(&rest[..half])?;
                for bytes in rest[half..].chunks(64) {
                    to.write_all(bytes)?;
                    thread::sleep(Duration::from_millis(20));
                }
                return Ok(());
            }
            to.write_all(if flaky { &rest[..half] } else { rest })
        }
    }
}
