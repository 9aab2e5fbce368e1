//! The host around the target: memory, swap, pressure, stolen time, tmpfs.

use super::tmpfs::TmpfsMounts;
use crate::model::{Host, HostSample};
use procfs::{Current, CurrentSI};

/// Reads the host.
#[derive(Debug)]
pub struct HostProbe {
    tmpfs: TmpfsMounts,
    ticks: f64,
}

impl HostProbe {
    /// Finds out once what doesn't change.
    pub fn new() -> Self {
        HostProbe { tmpfs: TmpfsMounts::find(), ticks: rustix::param::clock_ticks_per_second() as f64 }
    }

    /// Reads the host at `t` seconds; what this kernel doesn't tell is missing.
    pub fn read(&self, t: f64) -> HostSample {
        let memory = procfs::Meminfo::current().ok();
        let stat = procfs::KernelStats::current().ok();
        HostSample {
            t,
            mem_available: memory.as_ref().and_then(|m| m.mem_available),
            swap_used: memory.as_ref().map(|m| m.swap_total.saturating_sub(m.swap_free)),
            cpu_pressure: procfs::CpuPressure::current().ok().map(|p| share(p.some.avg10)),
            memory_pressure: procfs::MemoryPressure::current().ok().map(|p| share(p.some.avg10)),
            io_pressure: procfs::IoPressure::current().ok().map(|p| share(p.some.avg10)),
            steal: stat.and_then(|s| s.total.steal).map(|ticks| ticks as f64 / self.ticks),
            tmpfs: self.tmpfs.used(),
            shmem: memory.as_ref().and_then(|m| m.shmem),
            ..HostSample::default()
        }
    }

    /// What the machine is, for the head of the run.
    pub fn describe() -> Host {
        Host {
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            cpus: std::thread::available_parallelism().map_or(1, |n| n.get() as u64),
            memory: procfs::Meminfo::current().map_or(0, |m| m.mem_total),
            page: rustix::param::page_size() as u64,
            ticks: rustix::param::clock_ticks_per_second(),
        }
    }
}

impl Default for HostProbe {
    fn default() -> Self {
        Self::new()
    }
}

fn share(percent: f32) -> f64 {
    f64::from(percent) / 100.0
}

/// Fails where `/proc` numbers processes otherwise than we are numbered: what it has of a PID is of another process.
///
/// # Errors
/// What to do about it, in a sentence.
pub fn proc_shows_us() -> Result<(), String> {
    let shown = std::fs::read_link("/proc/self").ok().and_then(|link| link.to_str()?.parse::<u32>().ok());
    if shown == Some(std::process::id()) {
        return Ok(());
    }
    Err("/proc is that of another PID namespace than seepage's, or isn't mounted: the memory of no process could be read by it; mount it \
         anew (`unshare --mount-proc`), or run seepage outside of that namespace"
        .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_has_memory() {
        let sample = HostProbe::new().read(2.0);
        assert!(sample.mem_available.unwrap() > 0);
        assert!(HostProbe::describe().memory >= sample.mem_available.unwrap());
        assert!(sample.cpu_pressure.is_none_or(|p| (0.0..=1.0).contains(&p)));
    }
}
