//! Settled levels: what a worker still holds when the load has paused.
//!
//! In a pause nothing is in flight, and a target that was made to collect has no garbage: what is left is retained. With
//! enough pauses these levels are the series that is judged; a reading under load says nothing that they don't.

use super::timeline::ends_judging;
use crate::answer::FewPauses;
use crate::model::{Axis, EventKind, PhaseKind, RunRecord, Series};
use crate::stats::{median, theil_sen};
use crate::thresholds::scale::{ENOUGH, SEVERAL};
use crate::thresholds::settled::AT_REST;

/// When the load paused after the soak had begun: from and to, in seconds. Where the target was made to collect, from then
/// on, and pauses in which that failed are left out.
pub fn pauses(record: &RunRecord) -> Vec<(f64, f64)> {
    let collected = record.events.iter().any(|e| e.kind == EventKind::Collected);
    let (mut soaked, mut open) = (false, None);
    let mut out = Vec::new();
    for event in &record.events {
        let ends = match event.kind {
            EventKind::Phase { phase, .. } => {
                soaked |= phase == PhaseKind::Soak;
                true
            }
            ref kind => ends_judging(kind),
        };
        if ends && let Some(from) = open.take() {
            out.push((from, event.t));
        }
        match event.kind {
            EventKind::Phase { phase: PhaseKind::Settle, .. } if soaked && !collected => open = Some(event.t),
            EventKind::Collected if soaked => open = Some(event.t),
            ref kind if ends_judging(kind) => break,
            _ => {}
        }
    }
    // While a run goes on, its last pause does.
    let now = record.samples.last().map(|sample| sample.t);
    out.extend(open.zip(now).filter(|(from, now)| from < now));
    out
}

/// The settled levels in place of all readings, if there are enough pauses to judge by.
pub fn instead_of(raw: &[Series], pauses: &[(f64, f64)]) -> Option<Vec<Series>> {
    let settled: Vec<Series> = raw.iter().map(|one| settled(one, pauses)).collect();
    settled.iter().any(|one| one.x.len() >= ENOUGH.get()).then_some(settled)
}

/// What a few pauses say of memory.
pub fn comparison(raw: &[Series], pauses: &[(f64, f64)], axis: Axis) -> Option<FewPauses> {
    let settled: Vec<Series> =
        raw.iter().map(|one| settled(one, pauses)).filter(|s| s.x.len() >= SEVERAL.get()).collect();
    let slopes: Vec<f64> = settled.iter().filter_map(|one| theil_sen(&one.x, &one.y)).collect();
    let most = settled.iter().map(|one| one.x.len()).max()?;
    Some(FewPauses { pauses: most, needed: ENOUGH.get(), growth: median(&slopes)?, axis })
}

/// One reading for each pause that a worker lived through: the median of its last part, or, where readings are rare, the last
/// one in it.
fn settled(raw: &Series, pauses: &[(f64, f64)]) -> Series {
    let mut within: Vec<Vec<usize>> = vec![Vec::new(); pauses.len()];
    for (i, &t) in raw.t.iter().enumerate().filter(|(i, _)| raw.x[*i].is_finite()) {
        let Some(pause) = pauses.partition_point(|(from, _)| *from <= t).checked_sub(1) else { continue };
        if t < pauses[pause].1 {
            within[pause].push(i);
        }
    }
    let mut out = Series { worker: raw.worker, ..Series::default() };
    for (readings, (from, to)) in within.iter().zip(pauses) {
        let Some(&last) = readings.last() else { continue };
        let at_rest = |i: &&usize| raw.t[**i] >= to - AT_REST.get() * (to - from) || **i == last;
        let levels: Vec<f64> = readings.iter().filter(at_rest).map(|i| raw.y[*i]).collect();
        let Some(y) = median(&levels) else { continue };
        // A count that ran backwards is no place on the axis.
        if out.x.last().is_none_or(|x| raw.x[last] >= *x) {
            out.t.push(raw.t[last]);
            out.x.push(raw.x[last]);
            out.y.push(y);
        }
    }
    out.soak_from = out.x.first().copied().unwrap_or(0.0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::{Note, Outcome, ReadingNote};
    use crate::fixture::run::{END, WARM_UP, clean, event, record};
    use crate::model::{Resource, RunRecord};
    use crate::verdict::judge;

    /// A run that rises by a page a request under load, and falls back to the floor in each pause.
    fn paused(count: usize, collected: bool, floor: impl Fn(f64) -> u64) -> RunRecord {
        let mut run = record(|served| (50 << 20) + 4096 * served, |_| 12);
        let length = (END - WARM_UP) / count as f64;
        let stopping = run.events.pop().expect("the order to stop");
        for k in 0..count {
            let from = WARM_UP + length * (k as f64 + 0.5);
            let phase = |t, phase| event(t, EventKind::Phase { phase, index: k });
            run.events.push(phase(from, PhaseKind::Settle));
            if collected {
                run.events.push(event(from, EventKind::Collected));
            }
            run.events.push(phase(from + length * 0.5, PhaseKind::Soak));
            for sample in run.samples.iter_mut().filter(|s| s.t >= from && s.t < from + length * 0.5) {
                sample.anon = Some(floor(sample.t));
            }
        }
        run.events.push(stopping);
        run
    }

    #[test]
    fn what_a_collection_takes_is_no_leak() {
        let run = paused(24, true, |_| 50 << 20);
        assert_eq!(pauses(&run).len(), 24);
        let verdict = judge(&run);
        assert_eq!(verdict.findings[0].outcome, Outcome::Clean, "{verdict:#?}");
        assert!(verdict.notes.contains(&Note::Readings(ReadingNote::ByPauses(24))), "{:?}", verdict.notes);
    }

    #[test]
    fn what_is_left_after_collections_is_a_leak() {
        let verdict = judge(&paused(24, true, |t| (50 << 20) + 4096 * t as u64));
        assert_eq!(verdict.findings[0].outcome, Outcome::Leak, "{verdict:#?}");
        let growth = verdict.findings[0].growth.expect("growth").estimate;
        assert!((growth - 409.6).abs() < 30.0, "{growth}");
    }

    #[test]
    fn a_rare_reading_of_a_pause_counts_wherever_it_lies() {
        let raw = Series {
            t: vec![1.0, 5.1, 5.8, 5.9, 9.2],
            x: vec![1.0; 5],
            y: vec![0.0, 7.0, 8.0, 8.0, 3.0],
            ..Series::default()
        };
        let out = super::settled(&raw, &[(5.0, 6.0), (7.0, 8.0), (9.0, 10.0)]);
        assert_eq!((out.t, out.y), (vec![5.9, 9.2], vec![8.0, 3.0]));
    }

    #[test]
    fn too_few_pauses_are_only_compared() {
        let run = paused(8, false, |_| 50 << 20);
        let verdict = judge(&run);
        let few =
            |n: &Note| matches!(n, Note::Readings(ReadingNote::FewPauses(few)) if few.pauses == 8 && few.growth == 0.0);
        assert!(verdict.notes.iter().any(few), "{:?}", verdict.notes);
        assert!(judge(&clean()).notes.iter().all(|n| !matches!(n, Note::Readings(_))));
    }

    #[test]
    fn what_belongs_to_the_pool_is_judged_by_its_settled_levels_too() {
        let mut run = paused(24, true, |_| 50 << 20);
        run.meta.budgets.tmpfs = Some(64.0);
        // Stretches of load so short that no reading of the host falls into them.
        let pauses = pauses(&run);
        run.host.retain(|h| h.t < WARM_UP || pauses.iter().any(|(from, to)| h.t >= *from && h.t < *to));
        let verdict = judge(&run);
        let tmpfs = verdict.findings.iter().find(|f| f.resource == Resource::Tmpfs).expect("tmpfs");
        assert_eq!(tmpfs.outcome, Outcome::Clean, "{tmpfs:#?}");
    }

    #[test]
    fn a_pause_without_its_collection_does_not_count() {
        let mut run = paused(24, true, |_| 50 << 20);
        let failed = run.events.iter().position(|e| e.kind == EventKind::Collected).expect("a collection");
        run.events.remove(failed);
        assert_eq!(pauses(&run).len(), 23);
    }
}
