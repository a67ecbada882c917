//! What a reader of a tree leaves out.

use std::path::PathBuf;

/// Files of a tree that belong to no sample. What kpack writes beside samples is not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Number of files, and of links to folders.
    pub files: u64,
    /// The first of them.
    pub example: Option<PathBuf>,
    /// Number of hidden files and folders.
    pub hidden: u64,
}

impl PassedOver {
    pub(super) fn add(&mut self, path: PathBuf) {
        self.files += 1;
        self.example.get_or_insert(path);
    }
}
