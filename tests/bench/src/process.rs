//! The measured process, and its accounting in the kernel.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A running function, which ends when this value is dropped.
pub struct Process(Child);

impl Process {
    /// Starts a binary with only these settings.
    pub fn start(
        binary: &Path,
        settings: &[(&str, String)],
        log: bool,
    ) -> Result<Self, Box<dyn Error>> {
        let stdout = if log { Stdio::inherit() } else { Stdio::null() };
        let mut command = Command::new(binary);
        command
            .env_clear()
            .envs(settings.iter().map(|(name, value)| (name, value)));
        let child = command.stdin(Stdio::null()).stdout(stdout).spawn();
        Ok(Self(child.map_err(|error| {
            format!("cannot start {}: {error}", binary.display())
        })?))
    }

    /// The CPU time of its threads since it started; exact to the nanosecond while they are idle.
    pub fn cpu(&self) -> Result<Duration, Box<dyn Error>> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
            nanos += schedstat
                .split(' ')
                .next()
                .unwrap_or_default()
                .parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// The peak resident memory in KiB.
    pub fn peak_kib(&self) -> Result<u32, Box<dyn Error>> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .ok_or("the process is gone")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
