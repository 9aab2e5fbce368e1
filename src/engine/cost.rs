//! What observing costs: measured at every tick, kept under the budget by stretching the intervals.
//!
//! Half of the budget is for the fast readings and half for the slow ones, so that dear readings never keep the cheap
//! ones from seeing who comes and goes. Where even the longest interval doesn't keep it, as with thousands of workers,
//! they are read in turns.

use crate::model::{Observing, Sample};
use crate::probe::ReadCost;
use std::time::Duration;

/// Weight of the newest tick in the moving average of the cost of a tick.
const NEWEST: f64 = 0.1;

/// Ticks before the average is trusted: the first ones open files and warm caches.
const TRUSTED: u64 = 20;

/// Or so many readings, as of a pool of thousands in its first tick.
const TELLING: u64 = 1000;

/// The interval is never stretched beyond this: a worker that lives for two seconds has to be seen.
const LONGEST: Duration = Duration::from_millis(500);

/// Of each worker at least every so many ticks a reading is taken, whatever it costs.
const LONGEST_TURN: usize = 16;

/// Slow readings may be taken together for what this time allows: those of a pool at its beginning, but not those of
/// thousands.
const SAVED: Duration = Duration::from_secs(5);

/// A slow reading holds its target's memory map locked while it computes; this is the largest share of time it may be locked.
const LOCKED: f64 = 0.005;

/// A slow reading is taken this often whatever it costs.
const RAREST: Duration = Duration::from_secs(3600);

/// The part of the budget that censuses take, beside the two halves.
const CENSUS: f64 = 0.1;

/// The shortest interval between two censuses.
const CENSUS_EVERY: Duration = Duration::from_millis(250);

/// Censuses in the time in which a run doubles its length, about, at most and at least; and the pause that is short enough.
const MOST_EACH_LENGTH: u32 = 2000;
const FEWEST_EACH_LENGTH: u32 = 10;
const CENSUS_SOON: Duration = Duration::from_secs(1);

/// Slow readings are told to be few if there were under one in so many, where at least so many were wanted.
const FEWER: f64 = 4.0;
const FEWER_THAN: f64 = 20.0;

/// The part of the budget that memory maps take, beside those.
const MAPS: f64 = 0.1;

/// The shortest interval between two readings of a worker's map, and how many there are while a run grows by its length, of all
/// workers together, but for one of each in twice the time.
const MAP_EVERY: Duration = Duration::from_secs(2);
const MAPS_EACH_LENGTH: u32 = 64;
const MAPS_OF_ONE: u32 = 8;

/// Readings whose cost is kept to find its median.
const KEPT: usize = 4096;

/// Keeps account of the sampler's own cost.
#[derive(Debug)]
pub struct Account {
    /// Highest share of one core.
    budget: f64,
    /// CPU time of one tick without its slow readings, moving average in seconds.
    tick: f64,
    /// The same for each of a tick's readings.
    each: f64,
    ticks: u64,
    /// Seconds that slow readings may take now; one that takes longer is paid for before the next.
    slow_allowance: f64,
    readings: u64,
    fast: Vec<Duration>,
    slow: Vec<Duration>,
    missing_memory: u64,
    missing_descriptors: u64,
    slow_readings: u64,
    missing_slow: u64,
    missing_kinds: u64,
    /// CPU time of another thread that reads for this one.
    elsewhere: Duration,
}

impl Account {
    /// An account with a budget, as a share of one core.
    pub fn new(budget: f64) -> Self {
        Account {
            budget,
            tick: 0.0,
            each: 0.0,
            ticks: 0,
            slow_allowance: 0.5 * budget * SAVED.as_secs_f64(),
            readings: 0,
            fast: Vec::new(),
            slow: Vec::new(),
            missing_memory: 0,
            missing_descriptors: 0,
            slow_readings: 0,
            missing_slow: 0,
            missing_kinds: 0,
            elsewhere: Duration::ZERO,
        }
    }

    /// Enters one reading.
    pub fn enter(&mut self, sample: &Sample, cost: ReadCost) {
        let slot = (self.readings as usize) % KEPT;
        self.readings += 1;
        put(&mut self.fast, slot, cost.fast);
        self.missing_memory += u64::from(sample.anon_and_swap().is_none());
        self.missing_descriptors += u64::from(sample.fds.is_none());
        if let (Some(took), Some(slow)) = (cost.slow, &sample.slow) {
            let slot = (self.slow_readings as usize) % KEPT;
            self.slow_readings += 1;
            put(&mut self.slow, slot, took);
            self.missing_slow += u64::from(slow.pss.is_none());
            self.missing_kinds += u64::from(slow.descriptors.is_none());
        }
    }

    /// Enters one tick of so many readings that took this much CPU time, its slow readings left out.
    pub fn tick(&mut self, took: Duration, readings: usize) {
        let took = took.as_secs_f64();
        self.ticks += 1;
        // A plain mean at first, so that no single tick counts for much.
        let newest = NEWEST.max(1.0 / self.ticks as f64);
        self.tick += newest * (took - self.tick);
        self.each += newest * (took / readings.max(1) as f64 - self.each);
    }

    /// How many of the `workers` are to be read in the next tick.
    pub fn quota(&self, workers: usize) -> usize {
        if self.budget <= 0.0 || !self.is_trusted() || self.each <= 0.0 {
            return workers;
        }
        let most = 0.5 * self.budget * LONGEST.as_secs_f64() / self.each;
        (most as usize).max(workers.div_ceil(LONGEST_TURN)).min(workers)
    }

    /// Whether the budget allows a slow reading now.
    pub fn allows_slow(&self) -> bool {
        self.budget <= 0.0 || self.slow_allowance > 0.0
    }

    /// A slow reading took this long.
    pub fn pay(&mut self, took: Duration) {
        self.slow_allowance -= took.as_secs_f64();
    }

    /// A reading took this long on another thread.
    pub fn pay_elsewhere(&mut self, took: Duration) {
        self.elsewhere += took;
        self.pay(took);
    }

    /// This much time went by since the last call.
    pub fn earn(&mut self, time: Duration) {
        let each_second = 0.5 * self.budget;
        let most = each_second * SAVED.as_secs_f64();
        self.slow_allowance = (self.slow_allowance + each_second * time.as_secs_f64()).min(most);
    }

    fn is_trusted(&self) -> bool {
        self.ticks >= TRUSTED || self.readings >= TELLING
    }

    /// The interval between ticks that keeps half of the budget, `wanted` at least.
    pub fn interval(&self, wanted: Duration) -> Duration {
        if self.budget <= 0.0 || !self.is_trusted() {
            return wanted;
        }
        let needed = Duration::try_from_secs_f64(self.tick / (0.5 * self.budget)).unwrap_or(LONGEST);
        wanted.max(needed.min(LONGEST))
    }

    /// The pause of a worker after a slow reading that took this long, one of as many `workers`: it keeps the other
    /// half of the budget, and keeps the worker's memory map unlocked for nearly all of the time.
    pub fn slow_pause(&self, wanted: Duration, took: Duration, workers: usize) -> Duration {
        let share = if self.budget > 0.0 { (0.5 * self.budget / workers.max(1) as f64).min(LOCKED) } else { LOCKED };
        let needed = Duration::try_from_secs_f64(took.as_secs_f64() / share).unwrap_or(RAREST);
        wanted.max(needed.min(RAREST))
    }

    /// The pause after a census that took this long, `elapsed` into the run: it keeps a part of the budget, and bounds what is
    /// written of a run that never ends.
    pub fn census_pause(&self, took: Duration, elapsed: Duration) -> Duration {
        let needed = self.census_needs(took);
        // A short run needs some, as long as they don't take more than a whole budget for a while.
        let some = (elapsed / FEWEST_EACH_LENGTH).max(CENSUS_SOON).max(needed.mul_f64(CENSUS));
        needed.min(some).clamp(CENSUS_EVERY, RAREST).max(elapsed / MOST_EACH_LENGTH)
    }

    /// The pause after a look for files in memory that took this long, `elapsed` into the run: it keeps to as much again, however short the
    /// run is.
    pub fn files_pause(&self, took: Duration, elapsed: Duration) -> Duration {
        self.census_needs(took).clamp(CENSUS_EVERY, RAREST).max(elapsed / MOST_EACH_LENGTH)
    }

    fn census_needs(&self, took: Duration) -> Duration {
        let share = if self.budget > 0.0 { CENSUS * self.budget } else { LOCKED };
        Duration::try_from_secs_f64(took.as_secs_f64() / share).unwrap_or(RAREST)
    }

    /// Whether the budget allows a reading of a memory map, `elapsed` into the run in which they have taken this much so far; half of it
    /// is kept for the `last` ones.
    pub fn allows_map(&self, spent: Duration, elapsed: Duration, last: bool) -> bool {
        let share = if last { MAPS } else { 0.5 * MAPS };
        self.budget <= 0.0 || spent.as_secs_f64() <= share * self.budget * (elapsed + SAVED).as_secs_f64()
    }

    /// The pause of a worker after a reading of its map that took this long, `elapsed` into the run, one of as many `workers`.
    pub fn map_pause(&self, took: Duration, elapsed: Duration, workers: usize) -> Duration {
        let share = if self.budget > 0.0 { (MAPS * self.budget / workers.max(1) as f64).min(LOCKED) } else { LOCKED };
        let needed = Duration::try_from_secs_f64(took.as_secs_f64() / share).unwrap_or(RAREST);
        let among = u32::try_from(workers).unwrap_or(u32::MAX).clamp(MAPS_OF_ONE, MAPS_EACH_LENGTH);
        MAP_EVERY.max(needed.min(RAREST)).max(elapsed * among / MAPS_EACH_LENGTH)
    }

    /// That slow readings, one wanted of each worker in so much time, were far fewer, if so; of `ticks` in `elapsed`.
    pub fn thinned(&self, elapsed: Duration, ticks: u64, wanted: Duration) -> Option<String> {
        let each = elapsed.as_secs_f64() / ticks.max(1) as f64;
        let wanted = (self.readings as f64 * each / wanted.as_secs_f64().max(f64::MIN_POSITIVE)).floor();
        let is_far = wanted >= FEWER_THAN && self.slow_readings as f64 * FEWER < wanted;
        is_far.then(|| {
            format!(
                "slow readings (PSS, USS, kinds of descriptors) were fewer than wanted, to keep to `sample.overhead`: {} in place of {wanted}",
                self.slow_readings
            )
        })
    }

    /// The account at the end: `cpu` is the thread's CPU time, `elapsed` how long it ran, in `ticks` ticks.
    pub fn close(mut self, cpu: Duration, elapsed: Duration, ticks: u64, missed: u64) -> Observing {
        let seconds = elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
        let mut missing = Vec::new();
        let mut say = |what: &str, count: u64, all: u64| {
            if count > 0 {
                missing.push(format!("{what}: not readable in {count} of {all} readings"));
            }
        };
        say("anonymous memory and swap", self.missing_memory, self.readings);
        say("descriptors", self.missing_descriptors, self.readings);
        say("PSS and USS", self.missing_slow, self.slow_readings);
        say("kinds of descriptors", self.missing_kinds, self.slow_readings);
        Observing {
            readings: self.readings,
            fast_reading: median(&mut self.fast).unwrap_or(0.0),
            slow_reading: median(&mut self.slow),
            cpu_share: (cpu + self.elsewhere).as_secs_f64() / seconds,
            live_share: None,
            interval: seconds / ticks.max(1) as f64,
            missed_ticks: missed,
            missing,
        }
    }
}

fn put(kept: &mut Vec<Duration>, slot: usize, value: Duration) {
    match kept.get_mut(slot) {
        Some(old) => *old = value,
        None => kept.push(value),
    }
}

fn median(values: &mut [Duration]) -> Option<f64> {
    let middle = values.len() / 2;
    (!values.is_empty()).then(|| values.select_nth_unstable(middle).1.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_stretched_to_keep_the_budget_but_not_for_long() {
        let mut account = Account::new(0.02);
        let wanted = Duration::from_millis(100);
        account.tick(Duration::from_secs(1), 4);
        assert_eq!(account.interval(wanted), wanted, "one dear tick, the first, says nothing");
        for _ in 0..200 {
            account.tick(Duration::from_millis(2), 4);
        }
        let stretched = account.interval(wanted).as_secs_f64();
        assert!((stretched - 0.2).abs() < 0.01, "{stretched}");
        for _ in 0..200 {
            account.tick(Duration::from_millis(200), 4);
        }
        assert_eq!(account.interval(wanted), LONGEST);
    }

    #[test]
    fn thousands_of_workers_are_read_in_turns() {
        let mut account = Account::new(0.02);
        assert_eq!(account.quota(2000), 2000, "nothing is known yet");
        // 3 ms for the roll call, and 10 µs for each reading.
        let mut quota = 2000;
        for _ in 0..300 {
            account.tick(Duration::from_millis(3) + quota as u32 * Duration::from_micros(10), quota);
            quota = account.quota(2000);
        }
        let tick = 0.003 + quota as f64 * 1e-5;
        assert!((tick / LONGEST.as_secs_f64() - 0.01).abs() < 0.001, "{quota}");
        assert_eq!(account.interval(Duration::from_millis(100)).as_millis(), 500);
        for _ in 0..300 {
            account.tick(Duration::from_secs(1), quota);
        }
        assert_eq!(account.quota(2000), 125, "each worker has its turn");
        assert_eq!(account.quota(3), 1);
    }

    #[test]
    fn slow_readings_are_paid_for() {
        let mut account = Account::new(0.02);
        account.pay(Duration::from_millis(60));
        assert!(!account.allows_slow(), "50 ms are for the beginning");
        account.earn(Duration::from_secs(2));
        assert!(account.allows_slow());
        account.earn(Duration::from_secs(3600));
        account.pay(Duration::from_millis(51));
        assert!(!account.allows_slow(), "an hour isn't saved up");
        assert!(Account::new(0.0).allows_slow());
    }

    #[test]
    fn slow_readings_share_their_half_of_the_budget() {
        let account = Account::new(0.02);
        let wanted = Duration::from_secs(2);
        assert_eq!(account.slow_pause(wanted, Duration::from_micros(100), 4), wanted);
        let pause = account.slow_pause(wanted, Duration::from_millis(50), 100).as_secs_f64();
        assert!((pause - 500.0).abs() < 1e-6, "{pause}");
        // 50 ms of a 4 GiB target: one in ten seconds, however large the budget.
        assert!(account.slow_pause(wanted, Duration::from_millis(50), 1) >= Duration::from_secs(10));
    }

    #[test]
    fn files_in_memory_are_looked_for_as_rarely_as_it_takes_long() {
        let account = Account::new(0.02);
        let pause =
            |took: Duration, elapsed: u64| account.files_pause(took, Duration::from_secs(elapsed)).as_secs_f64();
        assert_eq!(pause(Duration::from_micros(50), 10), 0.25);
        assert!((pause(Duration::from_millis(40), 10) - 20.0).abs() < 1e-6, "thousands of descriptors");
        assert_eq!(pause(Duration::from_micros(50), 86_400), 43.2);
    }

    #[test]
    fn maps_are_read_ever_rarer_and_within_their_part_of_the_budget() {
        let account = Account::new(0.02);
        let (milli, hour) = (Duration::from_millis(1), Duration::from_secs(3600));
        assert_eq!(account.map_pause(milli, Duration::ZERO, 1), MAP_EVERY);
        assert_eq!(account.map_pause(milli, hour, 1), hour / 8);
        assert_eq!(account.map_pause(milli, hour, 10_000), hour, "each once in twice the time");
        // 100 ms of one in a hundred workers: 0.2 % of a core is for all of them.
        assert_eq!(account.map_pause(100 * milli, Duration::ZERO, 1).as_secs(), 50);
        assert!(account.allows_map(Duration::ZERO, Duration::ZERO, false));
        assert!(!account.allows_map(Duration::from_secs(4), hour, false), "half of 7.2 s");
        assert!(account.allows_map(Duration::from_secs(4), hour, true));
        assert!(!account.allows_map(Duration::from_secs(8), hour, true));
    }

    #[test]
    fn slow_readings_that_are_far_fewer_than_wanted_are_told() {
        // A worker that is read ten times a second for 100 s, and wanted slowly every 2 s.
        let told = |slow: u64| {
            let mut account = Account::new(0.02);
            for at in 0..1000 {
                let mut sample = Sample::new(0.0, crate::model::WorkerId::new(1, 1));
                sample.slow = (at < slow).then(Box::default);
                let slow = (at < slow).then_some(Duration::from_millis(1));
                account.enter(&sample, ReadCost { slow, ..ReadCost::default() });
            }
            account.thinned(Duration::from_secs(100), 1000, Duration::from_secs(2))
        };
        assert_eq!((told(50), told(13)), (None, None));
        assert!(told(12).is_some_and(|told| told.ends_with(": 12 in place of 50")));
    }

    #[test]
    fn what_could_not_be_read_is_said() {
        let mut account = Account::new(0.01);
        let sample = Sample::new(0.0, crate::model::WorkerId::new(1, 1));
        account.enter(&sample, ReadCost { fast: Duration::from_micros(5), ..ReadCost::default() });
        let observing = account.close(Duration::from_millis(10), Duration::from_secs(1), 10, 0);
        assert_eq!(observing.missing.len(), 2);
        assert!((observing.cpu_share - 0.01).abs() < 1e-9);
        assert_eq!(observing.slow_reading, None);
    }
}
