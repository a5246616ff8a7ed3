//! The memory of a process, as Linux tells it in `/proc`.

use anyhow::Context;
use std::fs;

/// A field of a process's status, in MiB: `VmRSS` is its memory now, `VmHWM` the most it ever had.
/// `process` is an id, or `self`.
pub fn mebibytes(process: &str, field: &str) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let value = line.with_context(|| format!("{field} is not in the status of {process}"))?;
    let kibibytes: f64 = value.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes / 1024.0)
}
