//! [`Machine`]: where a measurement was made.

use std::fs;

use serde::Serialize;

/// The machine, as far as the system tells.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Memory in bytes.
    pub memory: u64,
    /// Operating system and its version.
    pub system: String,
    /// Version of kpack.
    pub kpack: &'static str,
}

impl Machine {
    /// Asks the system.
    pub fn here() -> Self {
        let field = |file: &str, name: &str| {
            let text = fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = field("/proc/meminfo", "MemTotal");
        let kilobytes = memory.and_then(|m| m.split(' ').next()?.parse::<u64>().ok());
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory: kilobytes.unwrap_or(0) * 1024,
            system: format!("{} {}", std::env::consts::OS, release.trim()),
            kpack: env!("CARGO_PKG_VERSION"),
        }
    }
}
