//! What grew while nobody read: a collector that looks by day only sees nothing of what grows by night but the step between two days, and a
//! single step is no leak.

use crate::answer::{Doubt, Finding, Grown, Outcome};
use crate::model::{Axis, RunRecord, Series};
use crate::rule::finding::least_jump;
use crate::rule::step_down::Candidate;
use crate::stats::median;
use crate::thresholds::scale::FEW;
use crate::verdict::target::unjudged::{command_of, of};
use std::ops::Range;

/// What speaks against a pass: a worker grew by more than the budget allows over times without readings, and by more than goes on beside
/// them, and kept it to the end.
pub fn doubt(record: &RunRecord, finding: &Finding, judged: &Candidate) -> Option<Doubt> {
    if finding.outcome != Outcome::Clean || finding.axis == Axis::Seconds {
        return None;
    }
    let least = least_jump(judged.resource, judged.resource.quantum(record.page()));
    let grew = judged.series.iter().filter_map(|one| Some((one, Gaps::of(one)?)));
    let grew = grew.filter(|(_, gaps)| gaps.rise >= least && gaps.rise > finding.budget * gaps.span);
    let (one, gaps) = grew.max_by(|a, b| a.1.rise.total_cmp(&b.1.rise))?;
    let grown = Grown {
        from: gaps.from,
        to: gaps.to,
        rate: gaps.rise / gaps.span,
        allowed: finding.budget,
        axis: finding.axis,
    };
    Some(Doubt::GrewUnseen {
        who: one.worker.filter(|_| judged.series.len() > 1).map(|worker| command_of(record, worker)),
        kind: of(record, finding.resource),
        gaps: gaps.count,
        seconds: gaps.seconds,
        grown,
    })
}

/// The times without readings in the judged part of a series.
struct Gaps {
    count: usize,
    /// How long they are together.
    seconds: f64,
    /// What it grew by over all of them, and kept.
    rise: f64,
    /// Steps of the axis of the whole judged part.
    span: f64,
    /// Levels at its begin and at its end.
    from: f64,
    to: f64,
}

impl Gaps {
    fn of(one: &Series) -> Option<Gaps> {
        let start = one.judged_from();
        let (t, x, y) = (&one.t[start..], &one.x[start..], &one.y[start..]);
        let steps: Vec<f64> = t.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // Most series are read without a gap, which is soon seen.
        let (least, most) =
            steps.iter().fold((f64::INFINITY, 0.0f64), |(low, high), step| (low.min(*step), high.max(*step)));
        if most <= FEW.get() as f64 * least {
            return None;
        }
        let usual = median(&steps)?;
        let begins: Vec<usize> = (1..t.len()).filter(|at| steps[at - 1] > FEW.get() as f64 * usual).collect();
        let edges: Vec<usize> = [0].into_iter().chain(begins.iter().copied()).chain([t.len()]).collect();
        // Each stretch between gaps in halves: what a worker takes when it begins has settled in the later one.
        let halves = |edge: &[usize]| {
            let middle = edge[0] + (edge[1] - edge[0]).div_ceil(2);
            (edge[0]..middle, middle.min(edge[1] - 1)..edge[1])
        };
        let stretches: Vec<(Range<usize>, Range<usize>)> = edges.windows(2).map(halves).collect();
        let rise = |from: &Range<usize>, to: &Range<usize>| rise(&y[from.clone()], &y[to.clone()]);
        // What it grows by there for each step of the axis, in half of the stretch.
        let pace = |(early, late): &(Range<usize>, Range<usize>)| {
            let steps = 0.5 * (x[late.end - 1] - x[early.start]);
            if steps > 0.0 { rise(early, late).max(0.0) / steps } else { 0.0 }
        };
        let over = |pair: &[(Range<usize>, Range<usize>)]| {
            let (before, after) = (&pair[0], &pair[1]);
            let grown = rise(&before.1, &after.0);
            // What goes on at the same pace beside is seen.
            let seen = pace(before).max(pace(after)) * (x[after.0.start] - x[before.1.end - 1]);
            if grown > 0.0 { (grown - seen).max(0.0) } else { grown }
        };
        let (first, last) = (&stretches.first()?.0, &stretches.last()?.1);
        let kept = rise(first, last);
        let grown: f64 = stretches.windows(2).map(over).sum();
        let level = |of: &Range<usize>| median(&y[of.clone()]);
        Some(Gaps {
            count: begins.len(),
            seconds: begins.iter().map(|at| steps[at - 1]).sum(),
            rise: grown.min(kept),
            span: x.last()? - x.first()?,
            from: level(first)?,
            to: level(last)?,
        })
    }
}

/// By how much levels are above those before, in the lowest and the highest alike; below them, by how much they are in both.
pub fn rise(before: &[f64], after: &[f64]) -> f64 {
    let ends = |levels: &[f64]| {
        levels.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), level| (low.min(*level), high.max(*level)))
    };
    let ((low, high), (low_after, high_after)) = (ends(before), ends(after));
    let (floor, ceiling) = (low_after - low, high_after - high);
    if floor.signum() == ceiling.signum() { floor.signum() * floor.abs().min(ceiling.abs()) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use crate::answer::ExitCode;
    use crate::table::{Mapping, read, usual_budgets};
    use crate::verdict::judge;

    /// A table with a reading each minute of the hours in which it is looked at; levels in KiB by the hour.
    fn judged(columns: &str, hours: f64, is_read: impl Fn(f64) -> bool, level: impl Fn(f64) -> f64) -> ExitCode {
        let mut text = format!("time_s,rss_kib{columns}\n");
        let noise = |i: u32| f64::from(i.wrapping_mul(2_654_435_761) >> 24);
        for i in (0..(60.0 * hours) as u32).filter(|i| is_read(f64::from(*i) / 60.0)) {
            let kib = 200_000.0 + level(f64::from(i) / 60.0) + noise(i);
            let more = if columns.is_empty() { String::new() } else { format!(",{}", 100 * i + i * 7919 % 61) };
            text.push_str(&format!("{},{kib:.0}{more}\n", 60 * i));
        }
        let mut record = read(text.as_bytes(), "x.csv", &Mapping::default()).unwrap().record;
        record.meta.budgets = usual_budgets(&record);
        judge(&record).exit
    }

    /// What is said of a level in times of day that are read.
    fn by_day(hours: f64) -> bool {
        hours % 24.0 < 8.0
    }

    /// How long nobody has read until then, in nights.
    fn nights(hours: f64) -> f64 {
        (hours / 24.0).floor() + ((hours % 24.0 - 8.0) / 16.0).max(0.0)
    }

    #[test]
    fn what_grows_where_nobody_reads_is_no_pass() {
        for columns in ["", ",requests"] {
            for days in [1.4, 2.3, 3.3, 4.3, 7.3] {
                for mib in [60.0, 200.0, 1000.0] {
                    let exit = judged(columns, 24.0 * days, by_day, |hours| 1024.0 * mib * nights(hours));
                    assert_ne!(exit, ExitCode::Clean, "{columns} {days} days, {mib} MiB each night");
                }
                let little = judged(columns, 24.0 * days, by_day, |hours| 1024.0 * nights(hours));
                assert_eq!(little, ExitCode::Clean, "{columns} {days} days, a MiB each night");
            }
            for gap in [5.0, 12.0, 20.0] {
                let jumps = |hours| if hours > gap { 100_000.0 } else { 0.0 };
                let exit = judged(columns, 24.0, |hours| !(gap..gap + 1.0).contains(&hours), jumps);
                assert_ne!(exit, ExitCode::Clean, "{columns} an hour at {gap}");
            }
        }
    }

    #[test]
    fn a_gap_over_which_nothing_is_kept_is_none() {
        // It has fallen back by the end, or takes what it takes as it begins; or a collector's sawtooth is cut.
        type Level = fn(f64) -> f64;
        let levels: [(&str, Level); 4] = [
            ("flat", |_| 0.0),
            ("given back", |hours| if (24.0..48.0).contains(&hours) { 200_000.0 } else { 0.0 }),
            ("warms up", |hours| 100_000.0 * (1.0 - (-hours).exp())),
            ("sawtooth", |hours| 60_000.0 * (0.7 * hours).fract()),
        ];
        for (what, level) in levels {
            let exit = judged("", 24.0 * 4.3, by_day, level);
            let open = ["sawtooth", "given back"].contains(&what) && exit == ExitCode::Inconclusive;
            assert!(exit == ExitCode::Clean || open, "{what}: {exit:?}");
        }
        // Readings that are lacking while it warms up.
        let exit = judged("", 24.0, |hours| !(0.2..0.4).contains(&hours), |hours| 1e5 * (1.0 - (-3.0 * hours).exp()));
        assert_eq!(exit, ExitCode::Clean);
    }
}
