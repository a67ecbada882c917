//! Which sources must be fetched for which rows, and under which names the clips will stand.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::FetchOptions;
use super::name::{Fields, Template, folders, safe};
use super::table::{FILE, Scheme, YT_DLP, scheme, yt_dlp};
use crate::sample::Trim;
use crate::source::{Clip, NamedBy, Row, Span, id_in_url};
use crate::{Error, Result, Time};

/// A source, and the clips that are to be cut out of it.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) scheme: &'static Scheme,
    pub(super) address: String,
    /// Of a local source, byte for byte.
    pub(super) path: Option<PathBuf>,
    /// What shares its limits: the host of its address.
    pub(super) host: String,
    /// 16 hexadecimal digits of the hash of its address.
    pub(super) hash: String,
    /// A file-safe name.
    pub(super) id: String,
    /// The SHA-256 that the rows say, in lower case.
    pub(super) sha256: Option<String>,
    /// Whether it stands in for what the rows name.
    pub(super) is_replacement: bool,
    /// Whether it is an archive of sources or clips, so that its rows are found in it.
    pub(super) is_archive: bool,
    pub(super) jobs: Vec<Job>,
}

/// A clip that is to be made.
#[derive(Debug)]
pub(super) struct Job {
    /// Position in the input's rows.
    pub(super) row: usize,
    /// Its file below MEDIA, without an extension.
    pub(super) stem: String,
    /// What is to be cut out of the source; `None` is all of it.
    pub(super) span: Option<Span>,
    /// Where in the source the file begins, where that is itself a cut of it.
    pub(super) begins: Time,
}

/// What templates and options say of rows.
pub(super) struct Planner<'a> {
    options: &'a FetchOptions,
    url: Option<Template>,
    name: Option<Template>,
    ranged: Template,
    whole: Template,
}

impl<'a> Planner<'a> {
    pub(super) fn new(options: &'a FetchOptions) -> Result<Self> {
        let parse = |text: &Option<String>, option| {
            let text = text.as_deref();
            text.map(|text| Template::parse(text, option)).transpose()
        };
        let url = parse(&options.url_template, "--url-template")?;
        if url.as_ref().is_some_and(|url| !url.has_fields()) {
            let message = "--url-template holds neither {id} nor {key}, so every row would be fetched from one address";
            return Err(Error::usage(message));
        }
        let name = options.name_template.as_deref().map(stem_of);
        let name = name.map(|name| Template::parse(name, "--name-template"));
        Ok(Self {
            options,
            url,
            name: name.transpose()?,
            ranged: Template::parse("{id}_{start:06}_{end:06}", "name")?,
            whole: Template::parse("{id}", "name")?,
        })
    }

    /// The sources of the rows with these positions, in the order of their first row.
    pub(super) fn sources(&self, rows: &[Row], wanted: &[bool]) -> Vec<Source> {
        let mut sources: Vec<Source> = Vec::new();
        let mut by_address: HashMap<String, usize> = HashMap::new();
        let stems = self.stems(rows);
        for (i, (row, stem)) in rows.iter().zip(stems).enumerate() {
            if !wanted.get(i).copied().unwrap_or(false) {
                continue;
            }
            let Some((address, scheme)) = self.address(&row.clip) else {
                continue;
            };
            let at = *by_address.entry(address.clone()).or_insert_with(|| {
                sources.push(source(address, scheme, &row.clip));
                sources.len() - 1
            });
            let (span, begins) = self.cut(&row.clip);
            if let Some(source) = sources.get_mut(at) {
                source.is_replacement = self.replacement(&row.clip).is_some();
                if !source.is_replacement {
                    source.sha256 = source.sha256.take().or_else(|| sha256(&row.clip));
                }
                source.jobs.push(Job {
                    row: i,
                    stem,
                    span,
                    begins,
                });
            }
        }
        sources
    }

    /// What is to be cut out of a row's source, and where in the video that begins.
    fn cut(&self, clip: &Clip) -> (Option<Span>, Time) {
        let asked = clip.asked().filter(|_| !self.is_precut());
        match (self.replacement(clip), asked.zip(clip.span)) {
            (None, _) => (asked, Time::ZERO),
            // It is the clip.
            (Some(_), None) => (None, Time::ZERO),
            (Some(_), Some((asked, span))) => (Some(span), asked.start.since(span.start)),
        }
    }

    /// The file that stands in for a row's video.
    pub(super) fn replacement<'c>(&self, clip: &'c Clip) -> Option<&'c PathBuf> {
        let folder = self.options.replacement.as_ref()?;
        clip.media.as_ref().filter(|path| path.starts_with(folder))
    }

    /// Whether what is fetched is kept as it is.
    fn is_precut(&self) -> bool {
        let precut = self.url.as_ref().is_some_and(Template::has_range);
        precut || self.options.trim == Trim::None
    }

    fn address(&self, clip: &Clip) -> Option<(String, &'static Scheme)> {
        if let Some(path) = self.replacement(clip) {
            return Some((path.to_string_lossy().into_owned(), &FILE));
        }
        let address = match (&self.url, clip.named_by) {
            (Some(url), _) => url.address(fields(clip)),
            (None, NamedBy::Id) => match column(clip, &["url", "video_url"]) {
                Some(url) => url,
                None => format!("https://www.youtube.com/watch?v={}", clip.source),
            },
            (None, NamedBy::Url) => clip.source.clone(),
            (None, NamedBy::Path) if clip.source.contains("://") => clip.source.clone(),
            (None, NamedBy::Path) => match &clip.media {
                Some(path) => path.to_string_lossy().into_owned(),
                None => clip.source.clone(),
            },
        };
        let is_page = || self.options.via_yt_dlp || is_page(&address);
        let scheme = match scheme(&address)? {
            scheme if scheme.name == "http" && is_page() => yt_dlp(),
            scheme => scheme,
        };
        Some((address, scheme))
    }

    /// The clips' files below MEDIA without their extensions, each for one clip: where two clips of
    /// different sources would meet, all of them get 8 hex digits of their source's hash.
    pub(super) fn stems(&self, rows: &[Row]) -> Vec<String> {
        let whole = self.options.trim == Trim::None;
        let natural = |row: &Row| {
            let fields = fields(&row.clip);
            let template = match (&self.name, row.clip.asked()) {
                (Some(name), _) => name,
                (None, Some(_)) if !whole => &self.ranged,
                _ => &self.whole,
            };
            let mut stem = folders(&row.clip, self.options.layout);
            stem.push_str(&template.name(fields));
            stem
        };
        let mut stems: Vec<String> = rows.iter().map(natural).collect();
        let mut owners: HashMap<&str, String> = HashMap::with_capacity(rows.len());
        let mut shared: HashSet<String> = HashSet::new();
        let owner = |row: &Row| match (whole, row.clip.asked()) {
            (false, Some(span)) => format!("{} {span:?}", row.clip.source),
            _ => row.clip.source.clone(),
        };
        for (row, stem) in rows.iter().zip(&stems) {
            if row.problem.is_some() {
                continue;
            }
            let owner = owner(row);
            match owners.get(stem.as_str()) {
                Some(other) if *other != owner => {
                    shared.insert(stem.clone());
                }
                Some(_) => {}
                None => {
                    owners.insert(stem, owner);
                }
            }
        }
        drop(owners);
        for (row, stem) in rows.iter().zip(&mut stems) {
            if shared.contains(stem) {
                let hash = hash(&owner(row));
                stem.push('-');
                stem.push_str(hash.get(..8).unwrap_or_default());
            }
        }
        stems
    }

    /// Refuses options that are yt-dlp's where no row needs it.
    pub(super) fn refuse_idle(&self, rows: &[Row]) -> Result<()> {
        let yt_dlp = &self.options.yt_dlp;
        let given = [
            ("--cookies", yt_dlp.cookies.is_some()),
            ("--format", yt_dlp.format.is_some()),
            ("--yt-dlp-arg", !yt_dlp.args.is_empty()),
        ];
        let Some((option, _)) = given.iter().find(|(_, given)| *given) else {
            return Ok(());
        };
        let needs = |row: &Row| {
            let scheme = self.address(&row.clip).map(|(_, scheme)| scheme.name);
            scheme == Some(YT_DLP)
        };
        match rows.iter().any(needs) {
            true => Ok(()),
            false => Err(Error::usage(format!(
                "{option} is for yt-dlp, which no row needs; --via-yt-dlp gives it every web address"
            ))),
        }
    }

    /// For how many of `sources` yt-dlp is needed.
    pub(super) fn needs_yt_dlp(sources: &[Source]) -> u64 {
        let needs = sources.iter().filter(|s| s.scheme.name == YT_DLP);
        needs.count() as u64
    }
}

fn source(address: String, scheme: &'static Scheme, clip: &Clip) -> Source {
    let mut id = String::new();
    safe(id_of(clip), &mut id);
    let local = std::ptr::eq(scheme, &FILE);
    let path = clip
        .media
        .clone()
        .filter(|path| local && Path::new(&address) == path);
    Source {
        scheme,
        host: host(&address),
        hash: hash(&address),
        path,
        id,
        sha256: None,
        is_replacement: false,
        is_archive: false,
        jobs: Vec::new(),
        address,
    }
}

/// An archive at an address, or at a path of this machine.
pub(super) fn archive(address: String, path: Option<PathBuf>) -> Source {
    Source {
        scheme: match path {
            Some(_) => &FILE,
            None => &super::table::HTTP,
        },
        host: host(&address),
        hash: hash(&address),
        path,
        id: String::new(),
        sha256: None,
        is_replacement: false,
        is_archive: true,
        jobs: Vec::new(),
        address,
    }
}

fn fields(clip: &Clip) -> Fields<'_> {
    Fields {
        id: id_of(clip),
        key: &clip.key,
        span: clip.asked(),
    }
}

/// What stands for `{id}`.
pub(super) fn id_of(clip: &Clip) -> &str {
    let url = clip.named_by == NamedBy::Url || clip.source.contains("://");
    match clip.named_by {
        NamedBy::Id => &clip.source,
        _ if url => id_in_url(&clip.source).unwrap_or(&clip.key),
        _ => {
            let stem = Path::new(&clip.source).file_stem();
            stem.and_then(|stem| stem.to_str()).unwrap_or(&clip.key)
        }
    }
}

/// A column of the row that holds a text, whatever the case of its name.
fn column(clip: &Clip, names: &[&str]) -> Option<String> {
    let found = clip.columns.iter().find(|(name, value)| {
        let named = names.iter().any(|n| name.trim().eq_ignore_ascii_case(n));
        named && value.as_str().is_some_and(|text| !text.trim().is_empty())
    });
    let text = found.and_then(|(_, value)| value.as_str());
    text.map(|text| text.trim().to_owned())
}

pub(super) fn sha256(clip: &Clip) -> Option<String> {
    let text = column(clip, &["sha256"])?.to_ascii_lowercase();
    let hex = text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    hex.then_some(text)
}

/// The host of an address; none for a file.
pub(super) fn host(address: &str) -> String {
    let (_, rest) = address.split_once("://").unwrap_or(("", ""));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.to_ascii_lowercase()
}

/// Sites whose addresses are pages, never files.
fn is_page(address: &str) -> bool {
    const PAGES: [&str; 6] = [
        "youtube.com",
        "youtu.be",
        "youtube-nocookie.com",
        "vimeo.com",
        "dailymotion.com",
        "bilibili.com",
    ];
    let host = host(address);
    PAGES.iter().any(|page| {
        let before = host.strip_suffix(page);
        before.is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// The first 16 hexadecimal digits of the SHA-256 of a text.
pub(super) fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).map(|b| format!("{b:02x}")).collect()
}

/// A name without its extension, which follows from what is in the file.
fn stem_of(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, end)) if !stem.is_empty() && end.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            stem
        }
        _ => name,
    }
}
