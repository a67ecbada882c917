//! Remade.

use std::path::Path;

pub(crate) fn is_interrupted(_out: &Path) -> bool {
    false
}
