//! Takes account of the whole target now and then: the processes that are not judged, and how many there are.
//!
//! One census reads two small files a process, through the PID: what it finds is for the account, and nothing is ever
//! done to a process for it. It comes rarer where there are many processes, and the longer the run lasts.

use crate::model::{Census, Kin, MOST_LISTED, OtherProcess, WorkerId, Zombies};
use crate::probe::{ProcStatus, command_name, parse_stat, parse_status, status_of_a_thread};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::PathBuf;

/// Parents of dead processes that a census names.
const MOST_PARENTS: usize = 4;

/// A process as its `stat` has it.
#[derive(Clone)]
struct Seen {
    id: WorkerId,
    parent: u32,
    command: String,
    /// Its executable, or its command name where that may not be read.
    program: PathBuf,
    dead: bool,
    cpu: f64,
}

impl Seen {
    fn read(pid: u32, ticks: f64) -> Option<Self> {
        let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let stat = parse_stat(&text)?;
        let command = command_name(&text);
        // The dead have none any more, and may be many.
        let program = if stat.has_ended() { None } else { fs::read_link(format!("/proc/{pid}/exe")).ok() };
        let program = program.unwrap_or_else(|| PathBuf::from(&command));
        Some(Seen {
            id: WorkerId::new(pid, stat.start),
            parent: stat.parent,
            command,
            program,
            dead: stat.has_ended(),
            cpu: (stat.user + stat.system) as f64 / ticks,
        })
    }
}

/// Processes that had ended when they were looked at last, and were not reaped: thousands may wait for their parent.
#[derive(Default)]
pub struct Dead(HashMap<u32, Seen>);

impl Dead {
    /// Whether a process is one of them.
    pub fn has(&self, pid: u32) -> bool {
        self.0.contains_key(&pid)
    }
}

/// Processes at one moment, of which it may not be known yet who is a worker.
pub struct Snapshot {
    t: f64,
    seen: HashMap<u32, Seen>,
    /// Of those that live, with how many descriptors they have open; missing where they could not be read.
    statuses: HashMap<u32, Option<(ProcStatus, Option<u64>)>>,
}

impl Snapshot {
    /// Looks at the processes `pids` at `t`, and more closely at all but those in `workers`, which are read anyway. Those that are known
    /// to be `dead` are so still: a PID is given anew only once it has been reaped, and then isn't among `pids` for long.
    pub fn take(t: f64, pids: &[u32], workers: &HashSet<u32>, dead: &Dead) -> Self {
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let look = |pid: &u32| Some((*pid, dead.0.get(pid).cloned().or_else(|| Seen::read(*pid, ticks))?));
        let seen: HashMap<u32, Seen> = pids.iter().filter_map(look).collect();
        let living = seen.iter().filter(|(pid, process)| !process.dead && !workers.contains(pid));
        let read = |pid: u32| match fs::read(format!("/proc/{pid}/status")) {
            Ok(status) => {
                let status = parse_status(&status);
                // Where the first thread of a process has ended, it has nothing any more, and its descriptors aren't shown.
                let other =
                    if own_memory(&status).is_none() { status_of_a_thread(&format!("/proc/{pid}"), pid) } else { None };
                let fds = if other.is_none() { count_descriptors(pid) } else { None };
                Some(Some((other.unwrap_or(status), fds)))
            }
            // One that has ended meanwhile is none of those that could not be read.
            Err(_) => PathBuf::from(format!("/proc/{pid}")).exists().then_some(None),
        };
        let statuses = living.filter_map(|(pid, _)| Some((*pid, read(*pid)?))).collect();
        Snapshot { t, seen, statuses }
    }

    /// Those that have ended, for the next look.
    pub fn dead(&self) -> Dead {
        Dead(
            self.seen
                .iter()
                .filter(|(_, process)| process.dead)
                .map(|(pid, process)| (*pid, process.clone()))
                .collect(),
        )
    }

    /// Anonymous plus swapped memory of these processes together; missing if one's could not be read.
    pub fn memory_of(&self, workers: &HashSet<u32>) -> Option<u64> {
        let of =
            |pid: &u32| self.statuses.get(pid).map(|status| status.as_ref().and_then(|(status, _)| own_memory(status)));
        workers.iter().filter_map(of).sum()
    }

    /// The account of it, where those in `workers` are judged; these hold `workers_memory`.
    pub fn census(&self, workers: &HashSet<u32>, workers_memory: Option<u64>) -> Census {
        let seen = &self.seen;
        let family = Family { seen, workers, above: above(seen, workers) };
        let mut out = Census { t: self.t, processes: seen.len() as u64, workers_memory, ..Census::default() };
        let mut zombies: BTreeMap<u32, u64> = BTreeMap::new();
        for (pid, process) in seen {
            if process.dead {
                *zombies.entry(process.parent).or_default() += 1;
            } else if workers.contains(pid) {
                out.workers += 1;
            } else if let Some(Some((status, fds))) = self.statuses.get(pid) {
                let (kin, same_program) = family.kin(process);
                out.others.push(OtherProcess {
                    id: process.id,
                    parent: process.parent,
                    command: process.command.clone(),
                    depth: family.ancestors(process).count() as u32,
                    kin,
                    same_program,
                    memory: own_memory(status),
                    shared: status.shmem,
                    huge: status.huge,
                    fds: *fds,
                    cpu: process.cpu,
                });
            } else if self.statuses.contains_key(pid) {
                out.unreadable += 1;
            }
        }
        out.zombies = by_parent(zombies, seen);
        // Those that died while they were read have no memory lines any more, as kernel threads never have.
        out.others.sort_by_key(|other| (std::cmp::Reverse(other.memory), other.id));
        out.unlisted_memory = out.others.iter().skip(MOST_LISTED).filter_map(|other| other.memory).sum();
        out.others.truncate(MOST_LISTED);
        out
    }
}

/// Descriptors that a process has open; before Linux 6.2 only a listing would tell.
fn count_descriptors(pid: u32) -> Option<u64> {
    fs::metadata(format!("/proc/{pid}/fd")).ok().map(|held| held.len()).filter(|count| *count > 0)
}

fn own_memory(status: &ProcStatus) -> Option<u64> {
    status.anon.zip(status.swap).map(|(anon, swap)| anon.saturating_add(swap))
}

/// The parents with the most dead children; what the others have is added to the last.
fn by_parent(counts: BTreeMap<u32, u64>, seen: &HashMap<u32, Seen>) -> Vec<Zombies> {
    let command = |parent: u32| {
        let own = seen.get(&parent).map(|process| process.command.clone());
        own.or_else(|| Some(command_name(&fs::read(format!("/proc/{parent}/stat")).ok()?))).unwrap_or_default()
    };
    let mut all: Vec<(u32, u64)> = counts.into_iter().collect();
    all.sort_by_key(|(parent, count)| (std::cmp::Reverse(*count), *parent));
    let more: u64 = all.iter().skip(MOST_PARENTS).map(|(_, count)| count).sum();
    all.truncate(MOST_PARENTS);
    if let Some((_, count)) = all.last_mut() {
        *count += more;
    }
    all.into_iter().map(|(parent, count)| Zombies { parent, command: command(parent), count }).collect()
}

/// Who descends from whom, among the processes of one census.
struct Family<'a> {
    seen: &'a HashMap<u32, Seen>,
    workers: &'a HashSet<u32>,
    /// Processes above a worker, with the programs of the workers below them.
    above: HashMap<u32, HashSet<PathBuf>>,
}

impl<'a> Family<'a> {
    fn ancestors(&self, process: &'a Seen) -> impl Iterator<Item = &'a Seen> + use<'a> {
        ancestors(self.seen, process)
    }

    fn kin(&self, process: &Seen) -> (Kin, bool) {
        let mut worker_above = ancestors(self.seen, process).filter(|up| self.workers.contains(&up.id.pid)).peekable();
        if worker_above.peek().is_some() {
            return (Kin::Below, worker_above.any(|worker| worker.program == process.program));
        }
        match self.above.get(&process.id.pid) {
            Some(programs) => (Kin::Above, programs.contains(&process.program)),
            None => (Kin::Beside, false),
        }
    }
}

/// The processes above this one, the nearest first.
fn ancestors<'a>(seen: &'a HashMap<u32, Seen>, process: &'a Seen) -> impl Iterator<Item = &'a Seen> + use<'a> {
    // PIDs that were given anew while we looked could close a circle.
    std::iter::successors(seen.get(&process.parent), |up| seen.get(&up.parent)).take(seen.len())
}

fn above(seen: &HashMap<u32, Seen>, workers: &HashSet<u32>) -> HashMap<u32, HashSet<PathBuf>> {
    let mut above: HashMap<u32, HashSet<PathBuf>> = HashMap::new();
    for worker in workers.iter().filter_map(|pid| seen.get(pid)) {
        for up in ancestors(seen, worker) {
            above.entry(up.id.pid).or_default().insert(worker.program.clone());
        }
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;

    fn census(t: f64, pids: &[u32], workers: &HashSet<u32>, memory: Option<u64>) -> Census {
        Snapshot::take(t, pids, workers, &Dead::default()).census(workers, memory)
    }

    use crate::supervise::descendants;
    use std::process::{Child, Command, Stdio};

    /// A shell whose child is another shell, whose child sleeps, and which has a dead child.
    fn family() -> Child {
        let script = "sh -c 'true & sleep 60; true' & wait";
        Command::new("sh").args(["-c", script]).stdin(Stdio::null()).process_group(0).spawn().unwrap()
    }

    use std::os::unix::process::CommandExt;

    #[test]
    fn everyone_is_counted_and_what_is_not_judged_is_listed() {
        let mut shell = family();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let look = |worker: fn(&[u32]) -> u32| {
            let all = [vec![shell.id()], descendants(shell.id())].concat();
            (all.len() >= 3).then(|| census(1.5, &all, &HashSet::from([worker(&all)]), Some(7)))
        };
        let told = loop {
            assert!(std::time::Instant::now() < deadline, "the family never came");
            // The inner shell is judged.
            match look(|all| all[1]) {
                // Between its fork and its exec the sleeper is still a shell.
                Some(census) if census.others.len() == 2 && census.others.iter().any(|o| o.command == "sleep") => {
                    break census;
                }
                _ => std::thread::yield_now(),
            }
        };
        assert_eq!((told.workers, told.workers_memory, told.unreadable), (1, Some(7), 0));
        let of = |kin| told.others.iter().find(|other| other.kin == kin).unwrap();
        let (outer, sleeper) = (of(Kin::Above), of(Kin::Below));
        assert_eq!((outer.id.pid, outer.depth, outer.same_program), (shell.id(), 0, true));
        assert_eq!((sleeper.command.as_str(), sleeper.depth, sleeper.same_program), ("sleep", 2, false));
        assert!(told.rest_memory().unwrap() > 0);
        assert!(told.others.iter().all(|other| other.fds != Some(0)));
        assert_eq!(told.processes, told.workers + 2 + told.dead());
        let group = nix::unistd::Pid::from_raw(shell.id() as i32);
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL).unwrap();
        shell.wait().unwrap();
        assert_eq!(census(2.0, &[shell.id()], &HashSet::new(), None), Census { t: 2.0, ..Census::default() });
    }

    #[test]
    fn who_goes_on_in_threads_is_not_dead() {
        let script = "import ctypes, threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n\
                      ctypes.CDLL(None).syscall(EXIT, 0)";
        let script = script.replace("EXIT", &nix::libc::SYS_exit.to_string());
        let mut child = Command::new("python3").args(["-c", &script]).stdin(Stdio::null()).spawn().unwrap();
        let stat = || parse_stat(&fs::read(format!("/proc/{}/stat", child.id())).unwrap()).unwrap();
        while !stat().goes_on_in_threads() {
            assert!(!stat().has_ended(), "it failed");
            std::thread::yield_now();
        }
        let told = census(0.0, &[child.id()], &HashSet::new(), None);
        assert_eq!((told.dead(), told.others.len(), told.others[0].fds), (0, 1, None));
        assert!(told.rest_memory().unwrap() > 1 << 20, "{told:?}");
        let probe = crate::probe::WorkerProbe::open(child.id()).unwrap();
        let (sample, _) = probe.read(0.0, None).unwrap();
        assert_eq!((sample.anon, sample.fds), (told.others[0].memory, None));
        assert!(!probe.has_ended());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn the_dead_are_told_by_their_parent() {
        let mut child = Command::new("true").spawn().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        let told = loop {
            assert!(std::time::Instant::now() < deadline, "it never ended");
            let told = census(0.0, &[child.id()], &HashSet::new(), None);
            if told.dead() > 0 {
                break told;
            }
            std::thread::yield_now();
        };
        assert_eq!((told.processes, told.others.len()), (1, 0));
        assert_eq!(told.zombies[0].parent, std::process::id());
        child.wait().unwrap();
    }
}
