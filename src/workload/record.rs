//! What the driver did: by second, and in total over the soak phases.

use super::counters::{Counters, Totals};
use crate::model::{LatencySummary, LoadSample, WorkloadSummary};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// Latencies are recorded in microseconds, up to one hour, with three significant digits.
const HIGHEST: u64 = 3_600_000_000;
/// The name under which latencies over all steps are summed up.
const ALL: &str = "all";

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ErrorKind {
    /// No connection could be made.
    Connect,
    /// The connection broke.
    Reset,
    /// The request took longer than its timeout.
    Timeout,
    /// The server closed the connection before its answer was whole.
    Closed,
    /// The answer wasn't HTTP.
    Protocol,
    /// The answer had an unexpected status.
    Status,
    /// In the open model: it waited longer than the timeout for its turn and was never sent.
    Dropped,
    /// The external command failed.
    Command,
}

impl ErrorKind {
    const COUNT: usize = 8;
    const EACH: [ErrorKind; Self::COUNT] = [
        ErrorKind::Connect,
        ErrorKind::Reset,
        ErrorKind::Timeout,
        ErrorKind::Closed,
        ErrorKind::Protocol,
        ErrorKind::Status,
        ErrorKind::Dropped,
        ErrorKind::Command,
    ];
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ErrorKind::Connect => "connect",
            ErrorKind::Reset => "reset",
            ErrorKind::Timeout => "timeout",
            ErrorKind::Closed => "closed",
            ErrorKind::Protocol => "protocol",
            ErrorKind::Status => "status",
            ErrorKind::Dropped => "dropped",
            ErrorKind::Command => "command",
        })
    }
}

/// How one request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestEnd {
    /// It was answered as expected, with this status.
    Ok(u16),
    /// It was broken off on purpose.
    Aborted,
    /// It failed; with the status, if there was an answer.
    Failed(ErrorKind, Option<u16>),
}

/// Latencies of one step over the soak phases, in microseconds.
#[derive(Debug, Clone)]
pub struct StepHistograms {
    /// Name of the step.
    pub step: String,
    /// Of requests answered as expected.
    pub ok: Histogram<u64>,
    /// Of all requests that weren't aborted on purpose, failed ones included.
    pub all: Histogram<u64>,
}

/// Counts of one step in one second.
#[derive(Default)]
struct StepSecond {
    totals: Totals,
    statuses: Vec<(u16, u64)>,
    errors: [u64; ErrorKind::COUNT],
    bytes_sent: u64,
}

/// Takes note of every request.
pub(super) struct LoadRecorder {
    origin: Instant,
    counters: Arc<Counters>,
    seconds: mpsc::Sender<LoadSample>,
    /// The current second: its end, and what happened in it by step, with the latencies of successes.
    boundary: Duration,
    tallies: Vec<(StepSecond, Histogram<u64>)>,
    /// Since when there is a soak phase, and the sums over all of them.
    soaking: Option<Instant>,
    soaked: Duration,
    sums: StepSecond,
    histograms: Vec<StepHistograms>,
    last_failure: Option<String>,
}

impl LoadRecorder {
    pub(super) fn new(origin: Instant, counters: Arc<Counters>, seconds: mpsc::Sender<LoadSample>) -> LoadRecorder {
        let names: Vec<String> = counters.steps().map(str::to_owned).collect();
        LoadRecorder {
            origin,
            counters,
            seconds,
            boundary: Duration::ZERO,
            tallies: names.iter().map(|_| (StepSecond::default(), histogram())).collect(),
            soaking: None,
            soaked: Duration::ZERO,
            sums: StepSecond::default(),
            histograms: names
                .into_iter()
                .map(|step| StepHistograms { step, ok: histogram(), all: histogram() })
                .collect(),
            last_failure: None,
        }
    }

    /// A phase with load begins.
    pub(super) fn begin_phase(&mut self, soak: bool, now: Instant) {
        self.boundary = next_second(now.duration_since(self.origin));
        self.soaking = soak.then_some(now);
    }

    /// The phase ends: what is left of its last second is given out.
    pub(super) fn end_phase(&mut self, now: Instant) {
        self.roll(now);
        let t = now.duration_since(self.origin);
        if self.tallies.iter().any(|(tally, _)| !tally.is_empty()) {
            self.give_out(t);
        }
        if let Some(since) = self.soaking.take() {
            self.soaked += now.duration_since(since);
        }
    }

    /// Gives out the seconds that are over.
    pub(super) fn roll(&mut self, now: Instant) {
        let t = now.duration_since(self.origin);
        while t >= self.boundary {
            self.give_out(self.boundary);
            self.boundary += Duration::from_secs(1);
        }
    }

    /// A request was begun.
    pub(super) fn sent(&mut self, step: usize, now: Instant) {
        self.roll(now);
        self.add(step, Totals { sent: 1, ..Totals::default() });
    }

    /// A request ended after `latency`, if that could be measured, with so many bytes of its body sent.
    pub(super) fn ended(
        &mut self,
        step: usize,
        outcome: RequestEnd,
        latency: Option<Duration>,
        bytes_sent: u64,
        now: Instant,
    ) {
        self.roll(now);
        let totals = match outcome {
            RequestEnd::Ok(_) => Totals { ok: 1, ..Totals::default() },
            RequestEnd::Aborted => Totals { aborted: 1, ..Totals::default() },
            RequestEnd::Failed(..) => Totals { failed: 1, ..Totals::default() },
        };
        self.add(step, totals);
        let soaking = self.soaking.is_some();
        let (tally, second) = &mut self.tallies[step];
        tally.note(outcome, bytes_sent);
        if soaking {
            self.sums.note(outcome, bytes_sent);
        }
        let Some(latency) = latency.filter(|_| outcome != RequestEnd::Aborted) else { return };
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let ok = matches!(outcome, RequestEnd::Ok(_));
        if ok {
            second.saturating_record(micros);
        }
        if soaking {
            let histograms = &mut self.histograms[step];
            histograms.all.saturating_record(micros);
            if ok {
                histograms.ok.saturating_record(micros);
            }
        }
    }

    /// An external command reported so many requests, of which those that failed are not known.
    pub(super) fn reported(&mut self, step: usize, requests: u64) {
        self.add(step, Totals { sent: requests, ok: requests, ..Totals::default() });
    }

    /// A request was sent again on a new connection.
    pub(super) fn reconnected(&self) {
        self.counters.add_reconnect();
    }

    /// Keeps the words for the last failure.
    pub(super) fn explain(&mut self, step: usize, why: impl fmt::Display) {
        let name = self.histograms.get(step).map_or("", |histograms| histograms.step.as_str());
        self.last_failure = Some(format!("step `{name}`: {why}"));
    }

    pub(super) fn last_failure(&self) -> Option<&str> {
        self.last_failure.as_deref()
    }

    pub(super) fn histograms(&self) -> &[StepHistograms] {
        &self.histograms
    }

    /// Totals over the soak phases so far.
    pub(super) fn summary(&self, model: &str, now: Instant) -> WorkloadSummary {
        let Totals { sent, ok, failed, aborted } = self.sums.totals;
        let mut latency = BTreeMap::new();
        let mut all = histogram();
        for histograms in &self.histograms {
            if let Some(summary) = summarize(&histograms.ok) {
                latency.insert(histograms.step.clone(), summary);
                // They have the same bounds, so adding can't fail.
                let _ = all.add(&histograms.ok);
            }
        }
        if let Some(summary) = summarize(&all) {
            latency.insert(ALL.to_owned(), summary);
        }
        let running = self.soaking.map_or(Duration::ZERO, |since| now.duration_since(since));
        WorkloadSummary {
            model: model.to_owned(),
            sent,
            ok,
            aborted,
            failed,
            seconds: (self.soaked + running).as_secs_f64(),
            errors: self.sums.errors().map(|(kind, count)| (kind.to_string(), count)).collect(),
            statuses: self.sums.statuses.iter().copied().collect(),
            latency,
        }
    }

    fn add(&mut self, step: usize, more: Totals) {
        self.counters.add(step, more);
        self.tallies[step].0.totals += more;
        if self.soaking.is_some() {
            self.sums.totals += more;
        }
    }

    /// Sends a sample for each step and begins a new second.
    fn give_out(&mut self, t: Duration) {
        for ((tally, latencies), histograms) in self.tallies.iter_mut().zip(&self.histograms) {
            let tally = std::mem::take(tally);
            let errors = tally.errors().map(|(kind, count)| (kind.to_string(), count)).collect();
            let summary = summarize(latencies);
            latencies.reset();
            let mut statuses = tally.statuses;
            statuses.sort_unstable();
            let sample = LoadSample {
                t: t.as_secs_f64(),
                step: histograms.step.clone(),
                sent: tally.totals.sent,
                ok: tally.totals.ok,
                aborted: tally.totals.aborted,
                failed: tally.totals.failed,
                statuses,
                errors,
                p50: summary.as_ref().map(|summary| summary.p50),
                p95: summary.as_ref().map(|summary| summary.p95),
                p99: summary.as_ref().map(|summary| summary.p99),
                bytes_sent: tally.bytes_sent,
            };
            // Nobody may be listening any more; the totals are kept all the same.
            let _ = self.seconds.send(sample);
        }
    }
}

impl StepSecond {
    fn note(&mut self, outcome: RequestEnd, bytes_sent: u64) {
        self.bytes_sent += bytes_sent;
        let status = match outcome {
            RequestEnd::Ok(status) => Some(status),
            RequestEnd::Aborted => None,
            RequestEnd::Failed(kind, status) => {
                self.errors[kind as usize] += 1;
                status
            }
        };
        if let Some(status) = status {
            match self.statuses.iter_mut().find(|(known, _)| *known == status) {
                Some((_, count)) => *count += 1,
                None => self.statuses.push((status, 1)),
            }
        }
    }

    fn errors(&self) -> impl Iterator<Item = (ErrorKind, u64)> {
        ErrorKind::EACH.into_iter().zip(self.errors).filter(|(_, count)| *count > 0)
    }

    fn is_empty(&self) -> bool {
        self.totals == Totals::default() && self.errors == [0; ErrorKind::COUNT]
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(HIGHEST, 3).expect("the bounds are constants that the library accepts")
}

/// The first full second after `t`.
fn next_second(t: Duration) -> Duration {
    Duration::from_secs(t.as_secs() + 1)
}

fn summarize(latencies: &Histogram<u64>) -> Option<LatencySummary> {
    let quantile = |q| latencies.value_at_quantile(q) as f64 / 1e6;
    (!latencies.is_empty()).then(|| LatencySummary {
        count: latencies.len(),
        p50: quantile(0.5),
        p95: quantile(0.95),
        p99: quantile(0.99),
        max: latencies.max() as f64 / 1e6,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::testing::workload;

    fn recorder() -> (LoadRecorder, Instant, Arc<Counters>, mpsc::Receiver<LoadSample>) {
        let config = workload("step = [{ name = 'a', path = '/' }, { name = 'b', path = '/' }]");
        let counters = Arc::new(Counters::new(&config));
        let (sender, receiver) = mpsc::channel();
        let origin = Instant::now();
        (LoadRecorder::new(origin, counters.clone(), sender), origin, counters, receiver)
    }

    #[test]
    fn each_second_has_a_sample_for_each_step() {
        let (mut recorder, origin, counters, receiver) = recorder();
        let at = |seconds: f64| origin + Duration::from_secs_f64(seconds);
        let ms = Duration::from_millis;
        recorder.begin_phase(false, at(0.2));
        recorder.sent(0, at(0.3));
        recorder.sent(0, at(0.3));
        recorder.ended(0, RequestEnd::Ok(200), Some(ms(4)), 10, at(0.4));
        recorder.ended(0, RequestEnd::Failed(ErrorKind::Status, Some(500)), Some(ms(9)), 20, at(3.1));
        recorder.end_phase(at(3.2));
        let samples: Vec<LoadSample> = receiver.try_iter().collect();
        assert_eq!(
            samples.iter().map(|s| (s.t, s.step.as_str())).collect::<Vec<_>>(),
            [(1.0, "a"), (1.0, "b"), (2.0, "a"), (2.0, "b"), (3.0, "a"), (3.0, "b"), (3.2, "a"), (3.2, "b")]
        );
        assert_eq!((samples[0].sent, samples[0].ok, samples[0].bytes_sent), (2, 1, 10));
        assert!((samples[0].p50.unwrap() - 0.004).abs() < 1e-5);
        assert_eq!((samples[1].sent, samples[1].p50), (0, None));
        assert_eq!((samples[6].failed, samples[6].errors.as_slice()), (1, &[("status".to_owned(), 1)][..]));
        assert_eq!(samples[6].statuses, [(500, 1)]);
        assert_eq!(counters.totals(), Totals { sent: 2, ok: 1, failed: 1, aborted: 0 });
    }

    #[test]
    fn only_soak_is_summed_up_and_only_successes_have_a_summary() {
        let (mut recorder, origin, _, _receiver) = recorder();
        let at = |seconds: f64| origin + Duration::from_secs_f64(seconds);
        let ms = Duration::from_millis;
        recorder.begin_phase(false, at(0.0));
        recorder.sent(0, at(0.1));
        recorder.ended(0, RequestEnd::Ok(200), Some(ms(1)), 0, at(0.1));
        recorder.end_phase(at(1.0));
        recorder.begin_phase(true, at(1.0));
        for (outcome, latency) in [
            (RequestEnd::Ok(200), 10),
            (RequestEnd::Failed(ErrorKind::Timeout, None), 5000),
            (RequestEnd::Aborted, 3),
            (RequestEnd::Failed(ErrorKind::Status, Some(503)), 1),
        ] {
            recorder.sent(1, at(1.5));
            recorder.ended(1, outcome, Some(ms(latency)), 0, at(1.5));
        }
        recorder.end_phase(at(3.0));
        let summary = recorder.summary("closed", at(4.0));
        assert_eq!((summary.sent, summary.ok, summary.failed, summary.aborted), (4, 1, 2, 1));
        assert_eq!(summary.seconds, 2.0);
        assert_eq!(summary.errors, BTreeMap::from([("timeout".into(), 1), ("status".into(), 1)]));
        assert_eq!(summary.statuses, BTreeMap::from([(200, 1), (503, 1)]));
        assert_eq!(summary.latency.keys().collect::<Vec<_>>(), ["all", "b"]);
        assert_eq!(summary.latency["all"].count, 1);
        assert_eq!(recorder.histograms()[1].all.len(), 3);
    }
}
