//! The forecast in words: when a limit is reached, and what recycling keeps it away until the leak is fixed.

use super::plain::thousands;
use crate::answer::{Ceiling, Finding, LimitReached, Outcome, Reach, Recycling, Verdict};
use crate::model::{Axis, Resource, RunRecord, amount, format_count, level};

/// What is foretold of the findings that leak, a sentence each without its full stop.
pub fn sentences(record: &RunRecord, verdict: &Verdict) -> Vec<String> {
    let leaks = verdict.findings.iter().filter(|f| f.outcome == Outcome::Leak);
    leaks.flat_map(|finding| of_finding(record, finding)).collect()
}

/// What is foretold of one finding, a sentence each without its full stop.
pub fn of_finding(record: &RunRecord, finding: &Finding) -> Vec<String> {
    let Some(forecast) = &finding.forecast else { return Vec::new() };
    let limit = forecast.limit.as_ref().map(|limit| reached(record, finding, limit));
    limit.into_iter().chain(recycling(finding)).collect()
}

/// What recycling would do about a finding, if it leaks.
pub fn recycling(finding: &Finding) -> Option<String> {
    let recycling = finding.forecast.as_ref()?.recycling.as_ref()?;
    recycled(finding.resource, recycling)
}

/// When the first limit is reached, in short: `at this load, it reaches this run's limit of 2 GiB in about 11 min`.
pub fn limit(record: &RunRecord, finding: &Finding) -> Option<String> {
    let reached = finding.forecast.as_ref()?.limit.as_ref()?;
    let limit = named(record, finding.resource, reached);
    let seconds = reached.seconds.as_ref()?;
    let when = match seconds.estimate {
        Some(estimate) => format!("in about {}", duration(estimate)),
        None => format!("in {} at the soonest", duration(seconds.soonest)),
    };
    Some(format!("at this load, it reaches {limit} {when}"))
}

/// Whether no other of these findings reaches the limit of this one sooner: several may fill one limit, as shared memory and tmpfs
/// do, which is said once.
pub fn reaches_it_first(finding: &Finding, others: &[&Finding]) -> bool {
    let reached = |finding: &Finding| -> Option<(Ceiling, f64)> {
        let limit = finding.forecast.as_ref()?.limit.as_ref()?;
        let seconds = limit.seconds.as_ref()?;
        Some((limit.ceiling, seconds.estimate.unwrap_or(seconds.soonest)))
    };
    let Some((ceiling, when)) = reached(finding) else { return false };
    let place = others.iter().position(|other| std::ptr::eq(*other, finding));
    others.iter().enumerate().all(|(index, other)| match reached(other) {
        Some((same, then)) if same == ceiling => then > when || then == when && Some(index) >= place,
        _ => true,
    })
}

/// A limit by its name: `this run's limit of 2 GiB`.
fn named(record: &RunRecord, resource: Resource, reached: &LimitReached) -> String {
    let most = amount(resource, reached.limit);
    // A limit that seepage set is not that of production.
    let group = if record.meta.is_attached() { "its control group's" } else { "this run's" };
    match reached.ceiling {
        Ceiling::ControlGroup => format!("{group} limit of {most}"),
        Ceiling::Host => format!("the host's memory of {most}"),
        Ceiling::ProcessMemory => format!("the {most} that a worker's limits allow"),
        Ceiling::OpenFiles => format!("the limit of {most} descriptors in a worker"),
    }
}

fn reached(record: &RunRecord, finding: &Finding, reached: &LimitReached) -> String {
    let resource = finding.resource;
    let left = amount(resource, reached.room);
    let together = match (reached.ceiling, reached.workers) {
        (Ceiling::ProcessMemory | Ceiling::OpenFiles, _) | (_, 1) => String::new(),
        (_, n) => format!(", {n} workers together"),
    };
    let limit = format!("{} ({left} left{together})", named(record, resource, reached));
    let timed = matches!(finding.axis, Axis::Hours | Axis::Seconds);
    let whose = if finding.axis == Axis::PoolRequests { "requests" } else { "requests to each worker" };
    // First what a person plans by, then what it rests on.
    let told = |time: &dyn Fn(&Reach) -> String, steps: &dyn Fn(&Reach) -> String| match &reached.seconds {
        Some(seconds) if timed => time(seconds),
        Some(seconds) => format!("{} at the rate of this run, {} {whose}", time(seconds), steps(&reached.steps)),
        None => format!("{} {whose}", steps(&reached.steps)),
    };
    match finding.outcome {
        Outcome::Leak => {
            format!("growth of {resource} reaches {limit} in {}", told(&|r| range(r, duration), &|r| range(r, count)))
        }
        Outcome::Clean | Outcome::Inconclusive => format!(
            "even at its upper bound, growth of {resource} doesn't reach {limit} before {}",
            told(&|r| duration(r.soonest), &|r| count(r.soonest))
        ),
    }
}

/// An estimate with its interval: `48000 (41000 to 57000)`; without an estimate, the soonest.
fn range(reach: &Reach, word: impl Fn(f64) -> String) -> String {
    let soonest = word(reach.soonest);
    match (reach.estimate, reach.latest) {
        (Some(estimate), Some(latest)) if word(latest) == soonest => format!("about {}", word(estimate)),
        (Some(estimate), Some(latest)) => format!("about {} ({soonest} to {})", word(estimate), word(latest)),
        (Some(estimate), None) => format!("about {} ({soonest} at the soonest)", word(estimate)),
        (None, _) => format!("{soonest} at the soonest"),
    }
}

fn recycled(resource: Resource, recycling: &Recycling) -> Option<String> {
    let size = level(resource, recycling.size);
    let why = if recycling.chosen { "the size asked for" } else { "80 % of a worker's share of the limit" };
    let Some(requests) = recycling.requests else {
        return Some(format!("a worker begins above {size} ({why}): recycling can't keep it below"));
    };
    let after = format!("{} requests", count(requests));
    let keeps = format!("keeps each under {size} ({why}) until the leak is fixed");
    Some(match (&recycling.setting, recycling.value()) {
        (None, _) => format!("recycling a worker after {after} {keeps}"),
        (Some(setting), Some(value)) if setting.per_connection => format!(
            "{} {} {keeps}: it counts connections, of up to {} requests each in this run, {after} in all",
            setting.name,
            setting_of(value),
            format_count(setting.requests_per_connection.unwrap_or(1.0))
        ),
        (Some(setting), None) => format!(
            "recycling a worker after {after} {keeps}: {} counts connections, so divide by the requests that one carries",
            setting.name
        ),
        (Some(setting), Some(value)) => format!("{} {} {keeps}", setting.name, setting_of(value)),
    })
}

/// A setting that can be pasted: two significant digits, rounded down.
fn setting_of(value: f64) -> String {
    let unit = if value >= 100.0 { 10f64.powf(value.log10().floor() - 1.0) } else { 1.0 };
    format!("{:.0}", (value / unit).floor() * unit)
}

/// Three significant digits, grouped by thousands.
fn count(value: f64) -> String {
    let unit = if value >= 1000.0 { 10f64.powf(value.log10().floor() - 2.0) } else { 1.0 };
    thousands(&format!("{:.0}", (value / unit).round() * unit))
}

/// A time far ahead, in the unit that fits it: nobody plans for 123 h 7 min.
fn duration(seconds: f64) -> String {
    const MINUTE: f64 = 60.0;
    const HOUR: f64 = 3600.0;
    const DAY: f64 = 24.0 * HOUR;
    const YEAR: f64 = 365.0 * DAY;
    let units = [(YEAR, "years"), (DAY, "days"), (HOUR, "h"), (MINUTE, "min")];
    let (unit, name) = units.into_iter().find(|(unit, _)| seconds >= 2.0 * unit).unwrap_or((1.0, "s"));
    let value = seconds / unit;
    if value >= 1000.0 { format!("over 1000 {name}") } else { format!("{} {name}", format_count(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{leaking, record};
    use crate::verdict::judge;

    /// What is judged of a run in a control group of 2 GiB.
    fn judged(mut run: RunRecord) -> (RunRecord, Verdict) {
        (run.meta.target.memory_limit, run.meta.target.limited_by) = (Some(2 << 30), Some("cgroup v2".into()));
        run.meta.target.command = vec!["/usr/sbin/apache2".into()];
        let verdict = judge(&run);
        (run, verdict)
    }

    #[test]
    fn a_leak_is_foretold_with_its_interval_and_its_remedy() {
        let (record, verdict) = judged(leaking());
        let told = sentences(&record, &verdict);
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].contains("reaches this run's limit of 2 GiB (1.89 GiB left, 2 workers together) in about 6.9 h"),
            "{}",
            told[0]
        );
        assert!(told[1].contains("MaxConnectionsPerChild counts connections"), "{}", told[1]);
    }

    #[test]
    fn what_is_clean_is_told_at_its_bound() {
        // Some pages come and go.
        let (run, verdict) = judged(record(|served| (50 << 20) + 4096 * (served * 7919 % 61), |_| 12));
        assert!(sentences(&run, &verdict).is_empty());
        let told = of_finding(&run, &verdict.findings[0]);
        assert!(told.len() == 1 && told[0].starts_with("even at its upper bound, growth of memory"), "{told:?}");
    }

    #[test]
    fn a_limit_that_several_fill_is_told_of_the_first_that_does() {
        let (_, verdict) = judged(leaking());
        let sooner = verdict.findings.iter().find(|finding| finding.outcome == Outcome::Leak).unwrap();
        let mut later = sooner.clone();
        let limit = later.forecast.as_mut().and_then(|forecast| forecast.limit.as_mut()).unwrap();
        let seconds = limit.seconds.as_mut().unwrap();
        seconds.estimate = seconds.estimate.map(|estimate| estimate + 1.0);
        let same = sooner.clone();
        assert!(reaches_it_first(sooner, &[&later, sooner]) && !reaches_it_first(&later, &[&later, sooner]));
        assert!(reaches_it_first(sooner, &[sooner, &same]) && !reaches_it_first(&same, &[sooner, &same]), "once");
        later.forecast.as_mut().unwrap().limit.as_mut().unwrap().ceiling = Ceiling::OpenFiles;
        assert!(reaches_it_first(&later, &[&later, sooner]), "another limit");
    }

    #[test]
    fn times_far_ahead_are_round() {
        let told: Vec<String> = [30.0, 300.0, 20_000.0, 700_000.0, 1e9, 1e14].map(duration).to_vec();
        assert_eq!(told, ["30 s", "5 min", "5.56 h", "8.1 days", "31.7 years", "over 1000 years"]);
    }
}
