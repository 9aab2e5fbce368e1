//! No record, however broken, makes a renderer panic.

use super::*;
use crate::answer::{Interval, Outcome};
use crate::report::fixture::Scenario;
use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Replaces numbers by bad ones and drops things, as `seed` says.
struct Vandal(ChaCha8Rng);

impl Vandal {
    fn strikes(&mut self) -> bool {
        self.0.random::<f64>() < 0.15
    }

    fn float(&mut self, value: &mut f64) {
        const BAD: [f64; 10] =
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -1.0, f64::MAX, f64::MIN, 5e-324, 1e18, -0.0];
        if self.strikes() {
            *value = BAD[self.0.random_range(0..BAD.len())];
        }
    }

    fn whole(&mut self, value: &mut u64) {
        if self.strikes() {
            *value = [0, 1, u64::MAX, 1 << 53][self.0.random_range(0..4)];
        }
    }

    fn maybe(&mut self, value: &mut Option<u64>) {
        if self.strikes() {
            *value = None;
        }
        if let Some(value) = value {
            self.whole(value);
        }
    }

    fn interval(&mut self, interval: &mut Interval) {
        for value in [&mut interval.estimate, &mut interval.lower, &mut interval.upper, &mut interval.confidence] {
            self.float(value);
        }
    }

    fn record(&mut self, record: &mut RunRecord) {
        for sample in &mut record.samples {
            self.float(&mut sample.t);
            for value in
                [&mut sample.anon, &mut sample.swap, &mut sample.fds, &mut sample.threads, &mut sample.requests]
            {
                self.maybe(value);
            }
        }
        for load in &mut record.load {
            self.float(&mut load.t);
            for value in [&mut load.sent, &mut load.ok, &mut load.failed, &mut load.aborted] {
                self.whole(value);
            }
            for value in [&mut load.p50, &mut load.p95, &mut load.p99].into_iter().flatten() {
                self.float(value);
            }
        }
        for event in &mut record.events {
            self.float(&mut event.t);
        }
        for host in &mut record.host {
            self.float(&mut host.t);
            self.maybe(&mut host.tmpfs);
        }
        if let Some(elapsed) = &mut record.meta.elapsed {
            self.float(elapsed);
        }
        if let Some(workload) = &mut record.meta.workload {
            for value in [&mut workload.sent, &mut workload.ok, &mut workload.failed, &mut workload.aborted] {
                self.whole(value);
            }
            self.float(&mut workload.seconds);
            for latency in workload.latency.values_mut() {
                self.float(&mut latency.p50);
                self.float(&mut latency.max);
            }
        }
        if self.strikes() {
            record.meta.workload = None;
        }
        if self.strikes() {
            record.meta.observing = None;
        }
        if let Some(cost) = &mut record.meta.observing {
            self.float(&mut cost.fast_reading);
            self.float(&mut cost.cpu_share);
            self.float(&mut cost.interval);
        }
        for look in &mut record.heap.looks {
            self.float(&mut look.t);
            look.came.iter_mut().for_each(|block| self.float(&mut block.born));
        }
    }

    fn verdict(&mut self, verdict: &mut Verdict) {
        for finding in &mut verdict.findings {
            finding.outcome = [Outcome::Leak, Outcome::Clean, Outcome::Inconclusive][self.0.random_range(0..3)];
            self.float(&mut finding.budget);
            if self.strikes() {
                finding.growth = None;
            }
            if let Some(growth) = &mut finding.growth {
                self.interval(growth);
            }
            if self.strikes() {
                finding.workers.clear();
            }
            for worker in &mut finding.workers {
                for value in [&mut worker.span, &mut worker.first, &mut worker.last] {
                    self.float(value);
                }
                if let Some(growth) = &mut worker.growth {
                    self.interval(growth);
                }
                if let Some(fit) = &mut worker.fit {
                    self.float(&mut fit.from);
                    for values in [&mut fit.x, &mut fit.y, &mut fit.lower, &mut fit.upper] {
                        values.iter_mut().for_each(|v| self.float(v));
                        if self.strikes() {
                            values.pop();
                        }
                    }
                }
            }
            finding.evidence.quarters.iter_mut().for_each(|v| self.float(v));
        }
        if self.strikes() {
            verdict.findings.clear();
        }
        if let Some(sites) = &mut verdict.call_sites {
            sites.churn.iter_mut().for_each(|v| self.float(v));
            self.interval(&mut sites.total);
            sites.unexplained.iter_mut().for_each(|v| self.float(v));
            for site in &mut sites.sites {
                self.interval(&mut site.growth);
                if let Some(step) = &mut site.step {
                    self.float(&mut step.share);
                    self.interval(&mut step.growth);
                    self.float(&mut step.others);
                }
                site.kept.iter_mut().chain(&mut site.age).for_each(|v| self.float(v));
                site.stacks.iter_mut().for_each(|(_, rate)| self.float(rate));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_number_breaks_a_report(seed in any::<u64>(), workers in 0usize..12, seconds in 0usize..8, leak in -1e6..1e6f64) {
        let (mut record, mut verdict) = Scenario { workers, seconds, leak, ..Scenario::default() }.build();
        let traced = fixture::traced();
        (record.heap, verdict.call_sites) = (traced.0.heap, traced.1.call_sites);
        let mut vandal = Vandal(ChaCha8Rng::seed_from_u64(seed));
        vandal.record(&mut record);
        vandal.verdict(&mut verdict);
        for format in formats_of(&record).into_iter().filter(|f| *f != Format::Png) {
            let bytes = render(format, &record, &verdict).unwrap();
            prop_assert!(format == Format::Collapsed || !bytes.is_empty());
            prop_assert!(format == Format::Pprof || std::str::from_utf8(&bytes).is_ok());
        }
    }
}

#[test]
fn no_number_breaks_a_png() {
    let (mut record, mut verdict) = Scenario { workers: 3, seconds: 5, ..Scenario::default() }.build();
    let mut vandal = Vandal(ChaCha8Rng::seed_from_u64(3));
    vandal.record(&mut record);
    vandal.verdict(&mut verdict);
    assert!(render(Format::Png, &record, &verdict).unwrap().starts_with(b"\x89PNG"));
    let timeline = chart::Timeline::new(&record, &verdict);
    assert!(chart::png(&timeline).unwrap().starts_with(b"\x89PNG"));
}
