//! One error type for everything that can go wrong between bytes and samples.
//!
//! Rules: the message says what is wrong and what to do, in lower case, with units and without a
//! full stop; *where* it happened is data ([`At`]), filled in by whoever knows it; the source is
//! chained and never repeated in the message.

use std::fmt;
use std::path::{Path, PathBuf};

/// Result of a formats operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Who is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The disk or the operating system.
    Io,
    /// The file: it does not hold what its format demands.
    Corrupt,
    /// The file is well formed, but uses something that kpack does not read.
    Unsupported,
    /// The file asks for more than a configured limit.
    Limit,
    /// The caller: an argument or a sample that this format cannot hold.
    Usage,
}

/// Where it happened: as much as is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct At {
    /// The file.
    pub path: Option<PathBuf>,
    /// Byte offset in the (uncompressed) stream.
    pub offset: Option<u64>,
    /// Number of the record or member, from 0.
    pub record: Option<u64>,
    /// The sample's key.
    pub key: Option<String>,
}

/// An error of this crate. `Display` gives place and message, never the source's text.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    message: String,
    at: At,
    source: Option<std::io::Error>,
}

impl Error {
    /// An error of `kind`, nowhere in particular yet.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            at: At::default(),
            source: None,
        }))
    }
    /// The file is damaged.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(Kind::Corrupt, message)
    }
    /// The file uses something that is not read.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message)
    }
    /// The file asks for more than a limit.
    pub fn limit(message: impl Into<String>) -> Self {
        Self::new(Kind::Limit, message)
    }
    /// The caller asks for something that cannot be done.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }
    /// The operating system said no while doing `what` (such as "cannot create").
    pub fn io(what: impl Into<String>, source: std::io::Error) -> Self {
        let mut e = Self::new(Kind::Io, what);
        e.0.source = Some(source);
        e
    }

    /// Says which file it was, unless that is known.
    #[must_use]
    pub fn path(mut self, path: &Path) -> Self {
        self.0.at.path.get_or_insert_with(|| path.to_owned());
        self
    }
    /// Says at which byte it was, unless that is known.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.0.at.offset.get_or_insert(offset);
        self
    }
    /// Says which record (from 0) it was, unless that is known.
    #[must_use]
    pub fn record(mut self, record: u64) -> Self {
        self.0.at.record.get_or_insert(record);
        self
    }
    /// Says which sample it was, unless that is known.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.0.at.key.get_or_insert_with(|| key.to_owned());
        self
    }

    /// Who is at fault.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }
    /// Where it happened.
    pub fn at(&self) -> &At {
        &self.0.at
    }
    /// What happened, without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }
    /// The operating system's own error kind, where it was the operating system.
    pub fn io_kind(&self) -> Option<std::io::ErrorKind> {
        self.0.source.as_ref().map(std::io::Error::kind)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = &self.0.at;
        if let Some(path) = &at.path {
            write!(f, "{}: ", path.display())?;
        }
        f.write_str(&self.0.message)?;
        let mut sep = " (";
        if let Some(key) = &at.key {
            write!(f, "{sep}key {key}")?;
            sep = ", ";
        }
        if let Some(record) = at.record {
            write!(f, "{sep}record {record}")?;
            sep = ", ";
        }
        if let Some(offset) = at.offset {
            write!(f, "{sep}offset {offset}")?;
            sep = ", ";
        }
        if sep == ", " {
            f.write_str(")")
        } else {
            Ok(())
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|e| e as _)
    }
}
