//! What Energon's own tool may have written of the media into `index.sqlite`: it stays while the
//! samples are the same.

use std::path::Path;

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Result};

/// A table in which Energon's own tool may have said something of the media.
pub(super) struct Media {
    table: &'static str,
    columns: &'static str,
    /// The columns with what they hold.
    kinds: &'static str,
}

const MEDIA: [Media; 2] = [
    Media {
        table: "media_metadata",
        columns: "entry_key, metadata_type, metadata_json",
        kinds: "entry_key TEXT PRIMARY KEY, metadata_type TEXT NOT NULL, metadata_json TEXT NOT NULL",
    },
    Media {
        table: "media_filters",
        columns: "filter_id, strategy, patterns, created_at_utc",
        kinds: "filter_id INTEGER PRIMARY KEY AUTOINCREMENT, strategy TEXT NOT NULL, patterns TEXT, \
                created_at_utc TEXT DEFAULT CURRENT_TIMESTAMP, UNIQUE(strategy, patterns)",
    },
];

/// Opens a file that anyone may have written.
fn open(path: &Path) -> Result<Connection> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")?;
    Ok(db)
}

/// The tables of [`MEDIA`] in the index at `path` that have rows.
pub(super) fn tables(path: &Path) -> Result<Vec<&'static Media>> {
    let db = open(path)?;
    let mut found = Vec::new();
    for media in &MEDIA {
        let there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1";
        let there = db.query_row(there, [media.table], |_| Ok(())).optional()?;
        let any = format!("SELECT 1 FROM {} LIMIT 1", media.table);
        if there.is_some() && db.query_row(&any, [], |_| Ok(())).optional()?.is_some() {
            found.push(media);
        }
    }
    Ok(found)
}

impl Media {
    /// Copies the table from the index at `old`.
    pub(super) fn copy(&self, old: &Path, db: &Connection) -> Result<()> {
        let Self {
            table,
            columns,
            kinds,
        } = self;
        let old = open(old)?;
        db.execute_batch(&format!("CREATE TABLE {table} ({kinds})"))?;
        let mut read = old.prepare(&format!("SELECT {columns} FROM {table} ORDER BY rowid"))?;
        let places = vec!["?"; read.column_count()].join(", ");
        let mut write = db.prepare(&format!(
            "INSERT INTO {table} ({columns}) VALUES ({places})"
        ))?;
        let mut rows = read.query([])?;
        while let Some(row) = rows.next()? {
            for at in 0..write.parameter_count() {
                write.raw_bind_parameter(at + 1, ToSqlOutput::Borrowed(row.get_ref(at)?))?;
            }
            write.raw_execute()?;
        }
        Ok(())
    }
}
