//! Whether the workers of a table become more and more: those that are left behind grow nowhere by themselves.

use crate::answer::{Doubt, Grown};
use crate::model::{Axis, Resource, RunRecord};
use crate::readings::kinds::raw_pool_series;
use crate::stats::median;
use crate::thresholds::scale::QUARTER;

/// What speaks against a pass: in the last quarter there are more workers all the time than there ever were in the first, and they hold more by
/// more than is allowed. A fleet that follows its load looks alike until it shrinks again.
pub fn doubt(record: &RunRecord) -> Option<Doubt> {
    record.meta.understood.as_ref()?;
    let census = &record.census;
    let quarter = (QUARTER.get() * census.len() as f64) as usize;
    let (early, late) = (census.get(..quarter)?, census.get(census.len() - quarter..)?);
    let most = early.iter().map(|census| census.workers).max()?;
    let least = late.iter().map(|census| census.workers).min()?;
    let allowed = record.budget(Resource::Memory).filter(|_| least > most)?;
    let levels = census.iter().filter_map(|census| Some((census.t, census.workers_memory? as f64)));
    let (axis, held) = raw_pool_series(record, levels);
    if axis == Axis::Seconds || held.y.len() != census.len() {
        return None;
    }
    let of = |values: &[f64]| median(&values[..quarter]).zip(median(&values[values.len() - quarter..]));
    let ((from, to), (begin, end)) = of(&held.y).zip(of(&held.x))?;
    let grown = Grown { from, to, rate: (to - from) / (end - begin), allowed, axis };
    (end > begin && grown.rate > allowed).then_some(Doubt::PiledUp { from: most, to: least, grown })
}

#[cfg(test)]
mod tests {
    use crate::answer::ExitCode;
    use crate::model::MemoryKind;
    use crate::table::{Mapping, read, usual_budgets};
    use crate::verdict::judge;

    /// A table of four hours in which so many workers are there at each moment, each flat.
    fn judged(workers: impl Fn(u32) -> u32) -> ExitCode {
        let mut text = "time_s,pid,rss_kib\n".to_owned();
        for i in 0..240 {
            for pid in 0..workers(i) {
                text.push_str(&format!("{},{},{}\n", 60 * i, 100 + pid, 30_000 + (i + 7 * pid) * 7919 % 97));
            }
        }
        let mut record = read(text.as_bytes(), "x.csv", &Mapping::default()).unwrap().record;
        record.meta.budgets = usual_budgets(&record);
        assert_eq!(record.meta.understood.as_ref().unwrap().kind, MemoryKind::Resident);
        judge(&record).exit
    }

    #[test]
    fn workers_that_become_more_are_no_pass_however_few_they_are() {
        for (from, to) in [(1, 2), (2, 3), (2, 4), (4, 5), (8, 12), (20, 26)] {
            assert_ne!(judged(|i| from + (to - from + 1) * i / 240), ExitCode::Clean, "{from} to {to}");
            assert_ne!(judged(|i| if i < 100 { from } else { to }), ExitCode::Clean, "{from} to {to} at once");
        }
    }

    #[test]
    fn workers_that_come_and_go_pass() {
        assert_eq!(judged(|_| 4), ExitCode::Clean);
        assert_eq!(judged(|i| if (80..160).contains(&i) { 6 } else { 4 }), ExitCode::Clean, "a busy hour");
        assert_eq!(judged(|i| 4 + i / 7 % 2), ExitCode::Clean, "by turns");
    }
}
