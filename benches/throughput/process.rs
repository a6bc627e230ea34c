//! What the system knows of a process, and of the machine (proc(5)).

use std::{fs, time::Duration};

use anyhow::Context;

/// Linux counts time in hundredths of a second, on every architecture (proc_pid_stat(5), USER_HZ).
const TICK: Duration = Duration::from_millis(10);

/// The processor time that a process has used.
pub(crate) fn processor_time(process: u32) -> anyhow::Result<Duration> {
    let stat = read(process, "stat")?;
    // The second field is the program's name, in brackets, which may hold anything.
    let fields = stat.rsplit_once(')').map(|(_, fields)| fields).unwrap_or_default();
    let field = |at| fields.split_whitespace().nth(at).and_then(|ticks| ticks.parse::<u32>().ok());
    let (user, system) = field(11).zip(field(12)).context("proc_pid_stat(5) is something else here")?;
    Ok(TICK * (user + system))
}

/// The memory that a process holds, in bytes.
pub(crate) fn memory(process: u32) -> anyhow::Result<u64> {
    let status = read(process, "status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()).and_then(|kb| kb.parse::<u64>().ok());
    Ok(kibibytes.context("proc_pid_status(5) is something else here")? * 1024)
}

/// The processor time that everything on the machine has used together.
pub(crate) fn processor_time_of_all() -> anyhow::Result<Duration> {
    /// Those in which a processor does nothing, among the first eight: idle, and waiting for a disk.
    const IDLE: [usize; 2] = [3, 4];
    let stat = fs::read_to_string("/proc/stat")?;
    let fields = stat.lines().next().and_then(|line| line.strip_prefix("cpu ")).context("proc_stat(5) has no 'cpu'")?;
    let fields = fields.split_whitespace().take(8).enumerate().filter(|(at, _)| !IDLE.contains(at));
    let ticks = fields.map(|(_, ticks)| ticks.parse::<u64>()).sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(ticks * 10))
}

fn read(process: u32, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{process}/{file}");
    fs::read_to_string(&path).with_context(|| format!("{path} can't be read: has the process ended?"))
}
