//! What a resource's growth is made of: which kind of descriptors, how much of it in swap.
//!
//! Kinds of descriptors come from the slow readings, which are few: they are no verdict of their own but say where a growth
//! that is proven comes from.

use crate::answer::{Finding, Interval, Part, PartKind};
use crate::limits::{POINTS, WORKERS};
use crate::model::{DescriptorKinds, Resource, RunRecord, Sample, Series};
use crate::readings::series::part_series;
use crate::stats::{Panel, Unit};
use crate::thresholds::assess::ALPHA;
use crate::thresholds::scale::{FEW, TENTH};

type LevelOf = fn(&Sample) -> Option<u64>;

/// A kind of descriptors and its count.
type Kind = (PartKind, fn(&DescriptorKinds) -> Option<u64>);

const KINDS: [Kind; 8] = [
    (PartKind::Sockets, |k| Some(k.sockets)),
    (PartKind::Established, |k| k.established),
    (PartKind::CloseWait, |k| k.close_wait),
    (PartKind::Files, |k| Some(k.files)),
    (PartKind::Deleted, |k| Some(k.deleted)),
    (PartKind::Pipes, |k| Some(k.pipes)),
    (PartKind::Anonymous, |k| k.anonymous),
    (PartKind::Other, |k| Some(k.other)),
];

const MEMORY: [(PartKind, LevelOf); 2] = [(PartKind::Resident, |s| s.anon), (PartKind::SwappedOut, |s| s.swap)];

/// The parts of a resource's growth that could be fitted, the largest first; empty for what has no parts.
pub fn parts(record: &RunRecord, resource: Resource) -> Vec<Part> {
    let mut out: Vec<Part> = match resource {
        Resource::Memory => {
            let fitted =
                MEMORY.iter().filter_map(|(kind, level)| part(*kind, &part_series(record, level).1, MEMORY.len()));
            fitted.collect()
        }
        Resource::Descriptors => {
            let fitted = KINDS.iter().filter_map(|(kind, count)| {
                let level = |s: &Sample| count(s.slow.as_ref()?.descriptors.as_ref()?);
                part(*kind, &part_series(record, &level).1, KINDS.len())
            });
            fitted.collect()
        }
        Resource::Heap
        | Resource::Threads
        | Resource::Shared
        | Resource::Tmpfs
        | Resource::Kernel
        | Resource::Rest
        | Resource::Processes
        | Resource::Metric(_) => Vec::new(),
    };
    out.sort_by(|a, b| b.growth.estimate.total_cmp(&a.growth.estimate));
    out
}

/// The pooled growth of one part under a straight line, one of as many as are looked at.
fn part(kind: PartKind, series: &[Series], of: usize) -> Option<Part> {
    let unit = |s: &Series| {
        let soak = s.judged_from();
        // Where slow readings cost much there are too few of them to leave out those of the warm-up.
        let from = if s.x.len() - soak < FEW.get() { 0 } else { soak };
        let step = (s.x.len() - from).div_ceil(POINTS).max(1);
        let thin = |v: &[f64]| v[from..].iter().step_by(step).copied().collect();
        Unit { y: thin(&s.y), columns: vec![thin(&s.x)] }
    };
    let units: Vec<Unit> = series.iter().take(WORKERS).map(unit).filter(|u| u.y.len() >= 2).collect();
    let slope = Panel::new(&units, 1.0)?.fit(&[0])?.coefficient(0);
    let alpha = ALPHA.get() / of as f64;
    let growth = Interval {
        estimate: slope.value,
        lower: slope.lower(alpha),
        upper: slope.upper(alpha),
        confidence: 1.0 - 2.0 * ALPHA.get(),
    };
    growth.estimate.is_finite().then_some(Part { kind, growth })
}

/// The parts that a leak is made of: proven to grow, and a notable share of the whole.
pub fn leaking_parts(finding: &Finding) -> Vec<&Part> {
    let whole = finding.growth.map_or(f64::INFINITY, |g| g.estimate);
    let grows = |p: &&Part| p.growth.lower > 0.0 && p.growth.estimate >= TENTH.get() * whole;
    finding.parts.iter().filter(grows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{record, told};
    use crate::model::SlowReading;
    use crate::verdict::judge;

    /// Four descriptors in ten requests leak, all of them sockets that the other side has closed.
    fn leaking_sockets() -> RunRecord {
        let mut run = record(|_| 50 << 20, |served| 12 + 2 * served / 5);
        for s in run.samples.iter_mut().filter(|s| (s.t as u64).is_multiple_of(10)) {
            let leaked = s.fds.unwrap() - 12;
            let kinds = DescriptorKinds {
                sockets: 4 + leaked,
                close_wait: Some(leaked),
                established: Some(1),
                files: 8,
                ..DescriptorKinds::default()
            };
            s.slow = Some(Box::new(SlowReading { descriptors: Some(kinds), ..SlowReading::default() }));
        }
        run
    }

    #[test]
    fn the_kind_of_descriptor_that_leaks_is_named() {
        let verdict = judge(&leaking_sockets());
        let finding = verdict.findings.iter().find(|f| f.resource == Resource::Descriptors).unwrap();
        let kinds: Vec<PartKind> = leaking_parts(finding).iter().map(|part| part.kind).collect();
        assert_eq!(kinds, [PartKind::Sockets, PartKind::CloseWait]);
        assert!((finding.parts[0].growth.estimate - 0.4).abs() < 0.01, "{:?}", finding.parts);
        let reason = crate::words::reason(finding);
        assert!(reason.contains("0.4 sockets/request, 0.4 TCP connections in CLOSE_WAIT/request"), "{reason}");
        let growing = finding.parts.iter().filter(|p| p.growth.lower > 0.0).count();
        assert_eq!(growing, 2, "{:?}", finding.parts);
        let told = told(&leaking_sockets());
        assert!(told.contains("every 10 requests leave 4 descriptors (sockets) open"), "{told}");
    }

    #[test]
    fn parts_that_were_never_read_are_missing() {
        assert!(parts(&record(|_| 50 << 20, |_| 12), Resource::Descriptors).is_empty());
        assert!(parts(&record(|_| 50 << 20, |_| 12), Resource::Threads).is_empty());
    }
}
