//! What the descriptors refer to that a growth of them lies in: readings that are far apart, held against each other.

use super::{Pair, goes_on, growing, is_shown, pair};
use crate::answer::{Finding, Held, HeldGrowth};
use crate::model::{HeldGroup, HeldKind, Resource, RunRecord, Sample, Series, WorkerId};
use std::collections::{BTreeMap, HashMap};

/// What the growth of descriptors lies in, whose judged `series` these are; `None` if no growth is shown, or it isn't known.
pub fn held(record: &RunRecord, finding: &Finding, series: &[Series]) -> Option<Held> {
    if finding.resource != Resource::Descriptors || !is_shown(finding) {
        return None;
    }
    let mut readings: HashMap<WorkerId, Vec<&Sample>> = HashMap::new();
    for sample in record.samples.iter().filter(|sample| groups(sample).is_some() && sample.fds.is_some()) {
        readings.entry(sample.worker).or_default().push(sample);
    }
    let growing = growing(finding);
    let judged = series.iter().filter(|one| one.worker.is_some_and(|worker| growing.contains(&worker)));
    let pairs: Vec<Pair<'_, Sample>> =
        judged.filter_map(|one| pair(one, readings.get(&one.worker?)?, |sample| sample.t)).collect();
    let count = |sample: &Sample| sample.fds.map_or(0.0, |fds| fds as f64);
    let grown: f64 = pairs.iter().map(|pair| count(pair.last) - count(pair.first)).sum();
    let mut all: BTreeMap<(HeldKind, &str), ([f64; 3], f64)> = BTreeMap::new();
    for pair in &pairs {
        for (at, sample) in [Some(pair.first), pair.middle, Some(pair.last)].into_iter().enumerate() {
            for group in sample.and_then(groups).into_iter().flatten() {
                let (counts, close_wait) = all.entry((group.kind, group.name.as_str())).or_default();
                counts[at] += group.count as f64;
                *close_wait += if at == 2 { group.close_wait as f64 } else { 0.0 };
            }
        }
    }
    let is_whole = pairs.iter().all(|pair| pair.middle.is_some());
    let growth = |((kind, name), (counts, close_wait)): ((HeldKind, &str), ([f64; 3], f64))| HeldGrowth {
        kind,
        name: name.to_owned(),
        grown: counts[2] - counts[0],
        last: counts[2],
        close_wait,
        goes_on: is_whole.then(|| goes_on(counts)),
    };
    let mut groups: Vec<HeldGrowth> = all.into_iter().map(growth).filter(|group| group.grown > 0.0).collect();
    groups.sort_by(|a, b| b.grown.total_cmp(&a.grown));
    (grown > 0.0 && !groups.is_empty()).then_some(Held { workers: pairs.len(), grown, groups })
}

fn groups(sample: &Sample) -> Option<&Vec<HeldGroup>> {
    sample.slow.as_ref()?.descriptors.as_ref()?.held.as_ref()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::record;
    use crate::model::{DescriptorKinds, SlowReading};
    use crate::verdict::judge;

    /// Four descriptors in ten requests leak, of which these are the groups.
    fn run(groups: impl Fn(u64) -> Vec<HeldGroup>) -> RunRecord {
        let mut run = record(|_| 50 << 20, |served| 12 + 2 * served / 5);
        for sample in run.samples.iter_mut().filter(|s| (s.t as u64).is_multiple_of(10)) {
            let held = Some(groups(sample.fds.unwrap() - 12));
            let descriptors = Some(DescriptorKinds { held, ..DescriptorKinds::default() });
            sample.slow = Some(Box::new(SlowReading { descriptors, ..SlowReading::default() }));
        }
        run
    }

    fn group(kind: HeldKind, name: &str, count: u64, close_wait: u64) -> HeldGroup {
        HeldGroup { kind, name: name.into(), count, close_wait }
    }

    fn told(run: &RunRecord) -> Option<String> {
        judge(run).findings.iter().find_map(crate::words::places::held)
    }

    #[test]
    fn whom_the_growing_sockets_lead_to_is_told() {
        let run = run(|leaked| {
            let peer = group(HeldKind::Outgoing, "10.0.0.5:3306", 4 + leaked * 9 / 10, leaked / 2);
            vec![peer, group(HeldKind::Deleted, "/var/spool/job-*", leaked / 10, 0), group(HeldKind::Pipe, "", 8, 0)]
        });
        let told = told(&run).unwrap();
        let expected = "descriptors grow in sockets to 10.0.0.5:3306 (90 % of the growth; 728 of them at last, 400 in CLOSE_WAIT), 10 % in deleted \
                        files `/var/spool/job-*`";
        assert_eq!(told, expected);
    }

    #[test]
    fn nothing_is_told_of_what_was_not_read_or_does_not_grow() {
        assert_eq!(told(&record(|_| 50 << 20, |served| 12 + 2 * served / 5)), None);
        assert_eq!(told(&run(|_| vec![group(HeldKind::Pipe, "", 8, 0)])), None);
        let mut clean = run(|leaked| vec![group(HeldKind::Pipe, "", leaked, 0)]);
        clean.samples.iter_mut().for_each(|sample| sample.fds = Some(12));
        assert_eq!(told(&clean), None);
    }
}
