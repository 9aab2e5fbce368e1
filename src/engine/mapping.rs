//! When the memory maps of workers are read: at first, ever rarer as the run goes on, and at its end, those first that grew
//! most, as far as the budget for observing goes.

use super::cost::Account;
use crate::model::{MapReading, Sample, WorkerId};
use crate::probe::WorkerProbe;
use crate::store::Entry;
use crate::supervise::Roster;
use crate::thread;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// A map whose mappings take longer to walk through isn't read: the target may have to wait for so long to change it.
const LONGEST: Duration = Duration::from_millis(100);

/// Nor one that takes longer in all, as that of a process with hundreds of thousands of mappings: between them, the target may go on.
const LONGEST_IN_ALL: Duration = Duration::from_secs(1);

/// What is known of a worker's map.
#[derive(Debug, Default)]
struct Known {
    /// CPU time that it took to walk through its mappings, as the last slow reading did.
    walk: Option<Duration>,
    /// Its memory at the first reading of its map.
    first: Option<u64>,
    /// When it is to be read again; as soon as may be, if it never was.
    next: Option<Instant>,
    /// Whether it can't be read, or takes too long.
    given_up: bool,
    /// CPU time that the last reading of its map took.
    cost: Duration,
}

/// The maps of all workers.
#[derive(Debug, Default)]
pub struct Mapping {
    workers: HashMap<WorkerId, Known>,
    /// CPU time of all readings of maps.
    spent: Duration,
    /// Workers whose maps were due in the last whole round, and were not read any more.
    left: usize,
}

impl Mapping {
    /// A slow reading of the worker walked through its mappings in so much CPU time; `None` if they may not be read.
    pub fn walked(&mut self, worker: WorkerId, walk: Option<Duration>) {
        self.workers.entry(worker).or_default().walk = walk;
    }

    /// The worker has ended.
    pub fn forget(&mut self, worker: WorkerId) {
        self.workers.remove(&worker);
    }

    /// That maps could not be read at the end as at first, if so.
    pub fn untold(&self) -> Option<String> {
        (self.left > 0).then(|| {
            format!(
                "memory maps were read too seldom to say in which mappings memory grows, to keep to `sample.overhead`: {} \
                 left out at the end",
                if self.left == 1 { "one was".to_owned() } else { format!("{} were", self.left) }
            )
        })
    }

    /// Reads the maps that are due of the workers that `read` has just been read of, or all of them if it is a `whole` round, that
    /// is `elapsed` into the run. Returns what was read and the CPU time that took.
    pub fn read(
        &mut self,
        roster: &Roster,
        read: &[Entry],
        account: &Account,
        elapsed: Duration,
        whole: bool,
    ) -> (Vec<Entry>, Duration) {
        let now = Instant::now();
        let mut due: HashMap<WorkerId, &Sample> = HashMap::new();
        for entry in read {
            let Entry::Sample(sample) = entry else { continue };
            let Some(known) = self.workers.get(&sample.worker).filter(|known| !known.given_up) else { continue };
            if known.walk.is_some() && (whole || known.next.is_none_or(|next| next <= now)) {
                due.insert(sample.worker, sample);
            }
        }
        if due.is_empty() {
            return (Vec::new(), Duration::ZERO);
        }
        let probes = roster.members_after(0).filter_map(|probe| Some((probe, *due.get(&probe.id())?)));
        let mut probes: Vec<(&WorkerProbe, &Sample)> = probes.collect();
        let grown = |sample: &Sample| {
            let first = self.workers.get(&sample.worker).and_then(|known| known.first);
            sample.anon_and_swap().unwrap_or(0).saturating_sub(first.unwrap_or(u64::MAX))
        };
        probes.sort_by_key(|(probe, sample)| (Reverse(grown(sample)), probe.id()));
        let (mut entries, mut took) = (Vec::new(), Duration::ZERO);
        self.left = 0;
        for (probe, sample) in probes {
            let Some(known) = self.workers.get_mut(&probe.id()) else { continue };
            if !account.allows_map(self.spent + known.cost, elapsed, whole) {
                self.left += 1;
                continue;
            }
            let before = thread::cpu_time();
            let map = known.read(probe, sample);
            let cost = thread::cpu_time().saturating_sub(before);
            known.cost = cost;
            known.next = Some(now + account.map_pause(cost, elapsed, roster.len()));
            self.spent += cost;
            took += cost;
            entries.extend(map.map(Entry::Map));
        }
        (entries, took)
    }
}

impl Known {
    /// The map of the worker that `sample` was just read of; one that takes too long is said to once.
    fn read(&mut self, probe: &WorkerProbe, sample: &Sample) -> Option<MapReading> {
        let too_long = self.walk.filter(|walk| *walk > LONGEST);
        let places = match too_long {
            Some(_) => None,
            None => match probe.places(LONGEST_IN_ALL) {
                Ok(places) => places,
                Err(_) => {
                    self.given_up = true;
                    return None;
                }
            },
        };
        self.first = self.first.or(sample.anon_and_swap());
        self.given_up = places.is_none();
        Some(MapReading::after(sample, places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Workers;
    use crate::supervise::Scope;

    /// What one round reads of ourselves, after a walk that took so long.
    fn round(mapping: &mut Mapping, walk: Option<Duration>, whole: bool, elapsed: u64) -> Vec<MapReading> {
        round_within(0.02, mapping, walk, whole, elapsed)
    }

    /// The same within a budget.
    fn round_within(
        budget: f64,
        mapping: &mut Mapping,
        walk: Option<Duration>,
        whole: bool,
        elapsed: u64,
    ) -> Vec<MapReading> {
        let own = WorkerProbe::open(std::process::id()).unwrap();
        let (sample, _) = own.read(1.0, None).unwrap();
        mapping.walked(own.id(), walk);
        let scope = Scope::Processes(vec![WorkerProbe::open(std::process::id()).unwrap()]);
        let mut roster = Roster::new(scope, &Workers::Itself).unwrap();
        roster.refresh(true);
        let account = Account::new(budget);
        let (read, _) = mapping.read(&roster, &[Entry::Sample(sample)], &account, Duration::from_secs(elapsed), whole);
        read.into_iter().filter_map(|entry| if let Entry::Map(map) = entry { Some(map) } else { None }).collect()
    }

    #[test]
    fn a_map_is_read_at_first_ever_rarer_and_at_the_end() {
        let (mut mapping, quick) = (Mapping::default(), Some(Duration::from_millis(1)));
        assert!(round(&mut mapping, None, true, 3600).is_empty(), "nobody may look");
        let first = round(&mut mapping, quick, false, 3600);
        assert!(first.len() == 1 && first[0].places.as_ref().is_some_and(|places| !places.is_empty()));
        assert!(round(&mut mapping, quick, false, 3600).is_empty(), "it was read just now");
        assert_eq!(round(&mut mapping, quick, true, 3600).len(), 1);
    }

    #[test]
    fn one_that_fits_the_budget_once_and_not_again_is_told() {
        let (mut mapping, quick) = (Mapping::default(), Some(Duration::from_millis(1)));
        assert_eq!(round_within(1e-9, &mut mapping, quick, false, 60).len(), 1, "the first is free");
        assert!(round_within(1e-9, &mut mapping, quick, true, 60).is_empty());
        assert!(mapping.untold().unwrap().ends_with("one was left out at the end"));
        let mut enough = Mapping::default();
        assert_eq!((round(&mut enough, quick, true, 3600).len(), enough.untold()), (1, None));
    }

    #[test]
    fn one_that_takes_too_long_is_not_read_and_said_to_be_so_once() {
        let (mut mapping, slow) = (Mapping::default(), Some(Duration::from_secs(1)));
        let first = round(&mut mapping, slow, true, 3600);
        assert_eq!(first.iter().map(|map| &map.places).collect::<Vec<_>>(), [&None]);
        assert!(round(&mut mapping, slow, true, 3600).is_empty());
    }
}
