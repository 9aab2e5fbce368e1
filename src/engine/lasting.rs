//! What must last: the growth by the hour that a life allows, once it is known where the soak begins.

use super::collect::alive;
use crate::config::Life;
use crate::model::{Axis, Resource, RunRecord, Sample, WorkerId, format_seconds, level, rate};

/// Growth that is allowed by the hour, and how it follows, in a sentence.
pub struct Hourly {
    /// What it is growth of.
    pub resource: Resource,
    /// In bytes or items.
    pub amount: f64,
    /// How it follows.
    pub told: String,
}

/// What a life allows of a resource by the hour: the worker that is largest when the soak begins, `at` so many seconds, stays
/// under its limit for its time.
///
/// # Errors
/// If no worker's level is known, or one is over the limit already; in a sentence.
pub fn hourly((resource, life): (Resource, Life), record: &RunRecord, at: f64) -> Result<Hourly, String> {
    let amount = |value: f64| level(resource, value);
    let must = format!("under {} for {}", amount(life.limit), format_seconds(life.time.0.as_secs_f64()));
    let of = |worker| record.samples.iter().filter(move |sample: &&Sample| sample.worker == worker);
    let then = |worker| of(worker).rfind(|sample| sample.t <= at).or_else(|| of(worker).next());
    let level_of = |worker: WorkerId| Some((then(worker)?.level(resource)?, worker.pid));
    let Some((from, pid)) = alive(record).into_iter().filter_map(level_of).max() else {
        return Err(format!("{resource} has to stay {must}, but could not be read of any worker when the soak began"));
    };
    let from = from as f64;
    let allowed = life.hourly(from);
    if allowed <= 0.0 {
        return Err(format!("{resource} has to stay {must}, but PID {pid} has {} when the soak begins", amount(from)));
    }
    let told = format!(
        "{resource} stays {must} if it grows by at most {}: PID {pid}, the largest, has {} when the soak begins",
        rate(resource, Axis::Hours, allowed),
        amount(from)
    );
    Ok(Hourly { resource, amount: allowed, told })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Allowed;
    use crate::model::{Event, EventKind};
    use seepage_core::fixture::run::clean;

    fn life(text: &str) -> Life {
        match text.parse().unwrap() {
            Allowed::Life(life) => life,
            Allowed::Rate(_) => panic!("{text}"),
        }
    }

    #[test]
    fn the_largest_worker_that_lives_decides() {
        let mut record = clean();
        let worker = record.samples[0].worker;
        let spawned = EventKind::Spawned { worker, parent: 1, command: "job".into(), age: None };
        record.events.push(Event { t: 0.0, kind: spawned });
        record.samples.iter_mut().for_each(|sample| (sample.anon, sample.swap) = (Some(100 << 20), Some(0)));
        let hourly = |text: &str, record: &RunRecord| hourly((Resource::Memory, life(text)), record, 10.0);
        let found = hourly("340 MiB in 10 days", &record).unwrap();
        assert!((found.amount - 1_048_576.0).abs() < 1.0, "{}", found.amount);
        let pid = worker.pid;
        let lasts = "memory stays under 340 MiB for 240 h if it grows by at most 1 MiB/hour: ";
        assert_eq!(found.told, format!("{lasts}PID {pid}, the largest, has 100 MiB when the soak begins"));
        let refused = |record: &RunRecord| hourly("100 MiB in 7 days", record).err().unwrap();
        let must = "memory has to stay under 100 MiB for 168 h, but ";
        assert_eq!(refused(&record), format!("{must}PID {pid} has 100 MiB when the soak begins"));
        record.samples.clear();
        assert_eq!(refused(&record), format!("{must}could not be read of any worker when the soak began"));
    }
}
