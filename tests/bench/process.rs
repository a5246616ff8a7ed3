//! What a process costs, as Linux tells it in `/proc`.

use anyhow::Context;
use std::{fs, time::Duration};

/// Ticks a second in which Linux tells CPU time to programs; the same on every machine.
const TICKS: u64 = 100;

/// CPU time of this process and all its threads so far, in user and in kernel mode.
pub fn cpu() -> anyhow::Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name before it may hold spaces; the 12th and 13th field after it are utime and stime.
    let (_, fields) = stat.rsplit_once(')').context("a line of /proc/self/stat")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks * (1_000 / TICKS)))
}
