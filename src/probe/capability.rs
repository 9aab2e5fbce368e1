//! What this machine and this user can measure: each capability tried once, harmlessly.

use super::tmpfs::TmpfsMounts;
use super::{Connections, FaultProbe, MemoryGroup, WorkerProbe};
use procfs::{Current, CurrentSI};
use std::fs;
use std::path::Path;

/// Whether something can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Availability {
    /// It can.
    Ok,
    /// It can, but less well.
    Degraded,
    /// It can't.
    Missing,
}

/// One thing that measuring rests on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Capability {
    /// Its name.
    pub name: &'static str,
    /// Whether it is there.
    pub state: Availability,
    /// What was found.
    pub found: String,
    /// What to do about it, if it isn't as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<&'static str>,
}

impl Capability {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Capability { name, state: Availability::Ok, found: found.into(), advice: None }
    }

    fn degraded(name: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Capability { name, state: Availability::Degraded, found: found.into(), advice: Some(advice) }
    }

    fn missing(name: &'static str, found: impl Into<String>, advice: &'static str) -> Self {
        Capability { name, state: Availability::Missing, found: found.into(), advice: Some(advice) }
    }
}

/// Tries everything.
pub fn examine() -> Vec<Capability> {
    let mut found = vec![user()];
    found.extend(readings());
    found.extend([
        exit_causes(),
        children(),
        hidepid(),
        tracing(),
        faults(),
        memory_limit(),
        tmpfs(),
        swap(),
        huge_pages(),
    ]);
    found.extend([pressure(), processors(), load(), steal(), apache(), apxs()]);
    found
}

fn user() -> Capability {
    let name = "user";
    let user = rustix::process::geteuid();
    if user.is_root() {
        return Capability::ok(name, "root: processes of every user can be read");
    }
    let found = format!("user {}: processes of this user can be read in full", user.as_raw());
    Capability::degraded(
        name,
        found,
        "of other users' processes, PSS, USS and the kinds of descriptors are missing; run as their user, or as root",
    )
}

/// What a worker's reading rests on, tried on our own process.
fn readings() -> Vec<Capability> {
    let probe = WorkerProbe::open(std::process::id());
    let Some((sample, _)) = probe.as_ref().ok().and_then(|probe| probe.read(0.0, Some(&mut Connections::default())))
    else {
        let advice = "mount procfs at /proc";
        return vec![Capability::missing("anonymous memory", "/proc/PID/status can't be read", advice)];
    };
    let memory = match (sample.anon, sample.swap) {
        (Some(_), Some(_)) => Capability::ok("anonymous memory", "RssAnon and VmSwap in /proc/PID/status"),
        (Some(_), None) => Capability::degraded(
            "anonymous memory",
            "RssAnon in /proc/PID/status, but no VmSwap",
            "a kernel with CONFIG_SWAP tells pages that were swapped out from pages that were freed",
        ),
        (None, _) => Capability::missing(
            "anonymous memory",
            "no RssAnon in /proc/PID/status",
            "needs Linux 4.5 or later; nothing can be judged without it",
        ),
    };
    let rollup = if sample.slow.as_ref().is_some_and(|slow| slow.pss.is_some()) {
        Capability::ok("PSS and USS", "/proc/PID/smaps_rollup")
    } else {
        let advice = "needs Linux 4.14 with CONFIG_PROC_PAGE_MONITOR; verdicts don't rest on it";
        Capability::degraded("PSS and USS", "no /proc/PID/smaps_rollup", advice)
    };
    let size = fs::metadata("/proc/self/fd").map_or(0, |fd| fd.len());
    let descriptors = match (sample.fds, size) {
        (Some(_), 1..) => Capability::ok("descriptors", "counted by the size of /proc/PID/fd"),
        (Some(_), 0) => Capability::degraded(
            "descriptors",
            "counted by listing /proc/PID/fd",
            "Linux 6.2 and later tell the number at once; with thousands of descriptors, readings are rarer here",
        ),
        (None, _) => {
            Capability::missing("descriptors", "/proc/PID/fd can't be listed", "run as the target's user or root")
        }
    };
    let pidfd = if probe.is_ok_and(|probe| probe.pidfd().is_some()) {
        Capability::ok("pidfd", "a worker's end is seen at once, and its PID can't be mistaken")
    } else {
        let advice = "needs Linux 5.3; some sandboxes forbid it; ends of workers are seen at the next reading";
        Capability::degraded("pidfd", "pidfd_open is refused", advice)
    };
    vec![memory, rollup, descriptors, pidfd]
}

fn exit_causes() -> Capability {
    let name = "causes of exits";
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    if version(&release).is_some_and(|version| version >= (6, 15)) {
        Capability::ok(name, "the kernel tells how a worker ended that isn't our child")
    } else {
        let advice = "Linux 6.15 and later tell; before, how workers of a server ended stays unknown";
        Capability::degraded(name, format!("Linux {release} tells them of our own children only"), advice)
    }
}

/// Major and minor version of a kernel release such as `6.12.3-amd64`.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn children() -> Capability {
    let name = "process tree";
    if Path::new(&format!("/proc/self/task/{0}/children", std::process::id())).exists() {
        Capability::ok(name, "/proc/PID/task/TID/children")
    } else {
        let advice = "a kernel with CONFIG_PROC_CHILDREN makes this cheaper on hosts with many processes";
        Capability::degraded(name, "found by looking through all processes", advice)
    }
}

fn hidepid() -> Capability {
    let name = "other users' processes";
    let mounts = procfs::process::Process::myself().and_then(|process| process.mountinfo());
    let option = mounts.into_iter().flat_map(|mounts| mounts.0).find(|m| m.mount_point == Path::new("/proc"));
    let hidden = option.and_then(|mount| mount.super_options.get("hidepid").cloned().flatten());
    match hidden.filter(|level| !matches!(level.as_str(), "0" | "off")) {
        Some(level) if !rustix::process::geteuid().is_root() => Capability::degraded(
            name,
            format!("/proc is mounted with hidepid={level}: they can't be seen"),
            "run as root, or in the group that the gid= option of that mount names",
        ),
        Some(level) => Capability::ok(name, format!("hidepid={level}, which doesn't concern root")),
        None => Capability::ok(name, "they are seen"),
    }
}

fn tracing() -> Capability {
    let scope = fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    let found = match scope.as_deref().map(str::trim) {
        Ok(level) => format!("ptrace_scope is {level}; nothing is traced, so it doesn't matter"),
        Err(_) => "not restricted by Yama; nothing is traced in any case".to_owned(),
    };
    Capability::ok("ptrace", found)
}

/// What `--sites` rests on, tried on our own process.
fn faults() -> Capability {
    let name = "page faults";
    let own = || std::fs::File::open("/proc/self").map(Into::into);
    let tried = FaultProbe::open().map_err(|error| error.to_string()).and_then(|mut probe| {
        let own = own().map_err(|error| error.to_string())?;
        probe.watch(std::process::id(), own).map_err(|error| error.to_string())
    });
    match tried {
        Ok(()) if rustix::process::geteuid().is_root() => {
            Capability::ok(name, "`attach --sites` finds who touches fresh memory first, in processes of every user")
        }
        Ok(()) => Capability::degraded(
            name,
            "`attach --sites` finds who touches fresh memory first, in processes of this user",
            "those of others, and what the kernel touches for a process, as in `read`, take root or CAP_PERFMON and CAP_SYS_PTRACE",
        ),
        Err(error) => Capability::missing(
            name,
            error,
            "run as root or with CAP_PERFMON, or set kernel.perf_event_paranoid to 2 or below; verdicts don't rest on it",
        ),
    }
}

fn memory_limit() -> Capability {
    let name = "memory limit of a run";
    match MemoryGroup::create(&format!("seepage-doctor-{}", std::process::id()), 64 << 20) {
        Ok(group) => {
            let kind = group.kind();
            match group.remove() {
                Ok(()) => Capability::ok(name, format!("{kind}, for all that is launched together")),
                Err(error) => {
                    let found = format!("{kind}, but {} stays behind: {error}", group.directory().display());
                    Capability::degraded(name, found, "remove that directory with rmdir")
                }
            }
        }
        Err(error) => Capability::degraded(
            name,
            format!("rlimit for each process: {error}"),
            "run as root, or with `systemd-run --user --scope -p Delegate=yes`, for one limit on the whole target",
        ),
    }
}

fn tmpfs() -> Capability {
    match TmpfsMounts::find().used() {
        Some(used) => {
            let used = crate::model::format_bytes(used as f64);
            Capability::ok("tmpfs", format!("{used} in use on all mounts together"))
        }
        None => Capability::degraded(
            "tmpfs",
            "no mount can be seen",
            "files that a target leaves in shared memory are judged only with a control group",
        ),
    }
}

fn swap() -> Capability {
    match procfs::Meminfo::current() {
        Ok(memory) if memory.swap_total == 0 => Capability::ok("swap", "none"),
        Ok(memory) => {
            let size = |bytes: u64| crate::model::format_bytes(bytes as f64);
            let used = size(memory.swap_total.saturating_sub(memory.swap_free));
            let found = format!("{used} of {} in use; what is swapped out counts as memory", size(memory.swap_total));
            Capability::ok("swap", found)
        }
        Err(error) => Capability::degraded(
            "swap",
            format!("/proc/meminfo: {error}"),
            "the report can't tell whether the host swapped",
        ),
    }
}

fn huge_pages() -> Capability {
    let name = "transparent huge pages";
    let setting = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").unwrap_or_default();
    if setting.contains("[always]") {
        let advice = "memory grows in steps of 2 MiB where they are used: small leaks take longer to prove; `madvise` in \
                      /sys/kernel/mm/transparent_hugepage/enabled avoids that";
        return Capability::degraded(name, "always", advice);
    }
    let chosen = setting.split(['[', ']']).nth(1).unwrap_or("not in this kernel");
    Capability::ok(name, chosen)
}

fn pressure() -> Capability {
    let name = "pressure (PSI)";
    if procfs::MemoryPressure::current().is_ok() {
        Capability::ok(name, "/proc/pressure")
    } else {
        let advice = "boot with psi=1 to have the report say when the host was short of CPU, memory or I/O";
        Capability::degraded(name, "no /proc/pressure", advice)
    }
}

fn processors() -> Capability {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    if count > 1 {
        Capability::ok("processors", count.to_string())
    } else {
        let advice = "the driver, the sampler and the target take turns: requests per second say little";
        Capability::degraded("processors", "1", advice)
    }
}

fn load() -> Capability {
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    match procfs::LoadAverage::current() {
        Ok(load) if f64::from(load.one) > count as f64 => Capability::degraded(
            "other load",
            format!("{:.1} processes want to run, on {count} processors", load.one),
            "latencies are those of a busy host; memory verdicts hold, but the sampler may miss deadlines",
        ),
        Ok(load) => Capability::ok("other load", format!("{:.1} processes want to run", load.one)),
        Err(error) => {
            Capability::degraded("other load", error.to_string(), "look whether the host is idle by other means")
        }
    }
}

/// Share of stolen CPU time since boot above which latencies are in doubt.
const STOLEN: f64 = 0.01;

fn steal() -> Capability {
    let name = "stolen CPU time";
    let Some(cpu) = procfs::KernelStats::current().ok().map(|stat| stat.total) else {
        return Capability::degraded(name, "/proc/stat can't be read", "noise of other virtual machines isn't seen");
    };
    let stolen = cpu.steal.unwrap_or(0) as f64;
    let all = stolen + (cpu.user + cpu.nice + cpu.system + cpu.idle + cpu.iowait.unwrap_or(0)) as f64;
    let share = if all > 0.0 { stolen / all } else { 0.0 };
    let found = format!("{:.2} % since boot", share * 100.0);
    if share > STOLEN {
        Capability::degraded(
            name,
            found,
            "other virtual machines take CPU time: latencies and rates vary by themselves",
        )
    } else {
        Capability::ok(name, found)
    }
}

fn apache() -> Capability {
    match find_program(&["apache2", "httpd"]) {
        Some(path) => Capability::ok("apache2 (for the examples)", path),
        None => Capability::missing(
            "apache2 (for the examples)",
            "not found",
            "install Apache (apache2 or httpd), or try `seepage demo-server` instead",
        ),
    }
}

fn apxs() -> Capability {
    match find_program(&["apxs", "apxs2"]) {
        Some(path) => Capability::ok("apxs (for the examples)", path),
        None => Capability::missing(
            "apxs (for the examples)",
            "not found",
            "install apache2-dev or httpd-devel to build the example module",
        ),
    }
}

/// Looks in `PATH`, and where servers are that ordinary users' paths don't have.
fn find_program(names: &[&str]) -> Option<String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places: Vec<_> = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]).collect();
    let found = names.iter().flat_map(|name| places.iter().map(move |place| place.join(name)));
    found.into_iter().find(|program| program.is_file()).map(|program| program.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_releases_are_compared_by_number() {
        assert_eq!(version("6.12.3-amd64"), Some((6, 12)));
        assert_eq!(version("6.9-rc1"), Some((6, 9)));
        assert!(version("6.2.0").unwrap() < (6, 15));
        assert_eq!(version("unknown"), None);
    }

    #[test]
    fn everything_that_is_not_as_it_should_be_has_advice() {
        let found = examine();
        assert!(found.len() >= 15);
        for capability in &found {
            assert_eq!(capability.state == Availability::Ok, capability.advice.is_none(), "{capability:?}");
        }
        let names: std::collections::HashSet<_> = found.iter().map(|c| c.name).collect();
        assert_eq!(names.len(), found.len());
    }
}
