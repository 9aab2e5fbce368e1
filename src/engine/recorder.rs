//! The recorder: takes in what the other threads saw, writes it down, and keeps in memory what is judged.
//!
//! Everything is written; in memory, some readings stand for all if there are too many, the same ones as when the run
//! directory is read again.

use super::end::{Cut, Finished, Interruption};
use super::pulse::Pulse;
use super::sampler::SamplerEnd;
use super::scrub;
use crate::config::without_secrets;
use crate::model::{
    Event, EventKind, HostSample, LoadSample, MOST_MAPS, MapReading, Observing, RunMeta, RunRecord, RunStatus, Sample,
    Thinner,
};
use crate::store::{Entry, MOST_READINGS, RunDirectory, WriteError};
use crate::thread;
use crate::workload::StepHistograms;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often lines are handed to the kernel.
const FLUSH: Duration = Duration::from_secs(1);

/// The record of a run that goes on, in memory and in its directory.
#[derive(Debug)]
pub struct Recorder {
    /// What is known so far.
    pub record: RunRecord,
    workers: Thinner<Sample>,
    host: Thinner<HostSample>,
    maps: Thinner<MapReading>,
    directory: RunDirectory,
    pulse: Pulse,
    entries: Receiver<Entry>,
    loads: Receiver<LoadSample>,
    flushed: Instant,
    /// CPU time of what is made of the record while the run goes on.
    live: Duration,
    failed: Option<WriteError>,
}

impl Recorder {
    /// A recorder of a run that has just begun.
    pub fn new(
        meta: RunMeta,
        directory: RunDirectory,
        pulse: Pulse,
        entries: Receiver<Entry>,
        loads: Receiver<LoadSample>,
    ) -> Self {
        let record = RunRecord {
            meta,
            samples: Vec::new(),
            host: Vec::new(),
            load: Vec::new(),
            census: Vec::new(),
            maps: Vec::new(),
            events: Vec::new(),
            heap: Default::default(),
        };
        Recorder {
            record,
            workers: Thinner::new(MOST_READINGS),
            host: Thinner::new(MOST_READINGS),
            maps: Thinner::new(MOST_MAPS),
            directory,
            flushed: pulse.origin(),
            pulse,
            entries,
            loads,
            live: Duration::ZERO,
            failed: None,
        }
    }

    /// Waits up to `patience` for something to record, and records all there is.
    pub fn take(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        loop {
            match self.entries.recv_timeout(left()) {
                Ok(entry) => self.put(entry),
                Err(RecvTimeoutError::Timeout) => break,
                // Nobody is left who could send: whoever calls time and again must not spin.
                Err(RecvTimeoutError::Disconnected) => break std::thread::sleep(left()),
            }
        }
        while let Ok(load) = self.loads.try_recv() {
            self.put(Entry::Load(load));
        }
        if self.flushed.elapsed() >= FLUSH {
            self.flushed = Instant::now();
            let flushed = self.directory.flush();
            self.note_failure(flushed);
        }
    }

    /// Has something made of the record while the run goes on, and keeps account of its CPU time.
    pub fn live<T>(&mut self, make: impl FnOnce(&RunRecord) -> T) -> T {
        let before = thread::cpu_time();
        let made = make(&self.record);
        self.live += thread::cpu_time().saturating_sub(before);
        made
    }

    /// Records something that just happened.
    pub fn event(&mut self, kind: EventKind) {
        self.put(Entry::Event(Event { t: self.pulse.seconds(), kind }));
    }

    /// Records what the user should know, if it isn't recorded yet.
    pub fn note_once(&mut self, text: &str) {
        let is_known = |event: &Event| matches!(&event.kind, EventKind::Note { text: known } if known == text);
        if !self.record.events.iter().any(is_known) {
            self.event(EventKind::Note { text: text.into() });
        }
    }

    /// Why the run can't be written any more, if it can't.
    pub fn failure(&self) -> Option<&WriteError> {
        self.failed.as_ref()
    }

    /// Where the run is.
    pub fn path(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// Writes the latencies of `seconds` of load, by step.
    pub fn write_latency(&mut self, seconds: f64, steps: &[StepHistograms]) {
        let tagged: Vec<_> = steps
            .iter()
            .map(|s| (without_secrets(&s.step), s))
            .flat_map(|(step, s)| [(format!("{step}:ok"), &s.ok), (format!("{step}:all"), &s.all)])
            .collect();
        let written = self.directory.write_latency(seconds, &tagged);
        self.note_failure(written);
    }

    /// Writes the head as it is now.
    pub fn write_head(&mut self) {
        scrub::head(&mut self.record.meta);
        let written = self.directory.write_head(&self.record.meta);
        self.note_failure(written);
    }

    /// Takes in what the sampler left, `None` if it panicked; an error if not every worker could be followed.
    pub fn end_sampling(&mut self, end: Option<SamplerEnd>) -> Result<(), Cut> {
        let end = end.ok_or_else(Cut::unsampled)?;
        let live_share = self.live.as_secs_f64() / self.pulse.seconds().max(f64::MIN_POSITIVE);
        self.record.meta.observing = Some(Observing { live_share: Some(live_share), ..end.observing });
        self.record.meta.classes = end.classes;
        self.record.meta.target.worker_limits = end.worker_limits;
        if let Some(error) = end.counting_error {
            let text = format!("at the end the requests of the workers could not be read: {error}");
            self.event(EventKind::Note { text });
        }
        for text in [end.untraced, end.thinned, end.unmapped, end.beside].into_iter().flatten() {
            self.event(EventKind::Note { text });
        }
        let unopened = end.unopened.map(|error| {
            Cut::recording(format!("not every worker could be followed: {error}; `ulimit -n` has to be higher"))
        });
        unopened.map_or(Ok(()), Err)
    }

    /// Takes in the last of it and closes the run, with how it ended.
    pub fn finish(mut self, end: Result<(), Cut>) -> Finished {
        let interrupted = end.as_ref().err().and_then(|cut| cut.by);
        if let Some(Interruption::Signal(signal)) = interrupted {
            self.event(EventKind::Interrupted { signal });
        }
        let end = match (end, &self.failed) {
            (Ok(()), Some(error)) => Err(Cut::recording(error.to_string())),
            (end, _) => end,
        };
        let meta = &mut self.record.meta;
        meta.elapsed = Some(self.pulse.seconds());
        match end {
            Ok(()) => meta.status = RunStatus::Complete,
            Err(Cut { failure, reason, .. }) => {
                meta.status = RunStatus::Aborted;
                meta.failure = failure;
                meta.aborted = Some(reason);
            }
        }
        let directory = self.path().to_owned();
        Finished { record: self.close(), directory, interrupted }
    }

    fn close(mut self) -> RunRecord {
        self.take(Duration::ZERO);
        // Each reading has its own time; threads hand them in out of order by a hair.
        self.record.events.sort_by(|a, b| a.t.total_cmp(&b.t));
        let flushed = self.directory.flush();
        self.note_failure(flushed);
        self.write_head();
        self.record.complete(self.workers, self.host, self.maps);
        self.record
    }

    /// What can't be written is still kept in memory: the verdict is on all that was seen.
    fn put(&mut self, mut entry: Entry) {
        scrub::entry(&mut entry);
        if self.failed.is_none() {
            let written = self.directory.append(&entry);
            self.note_failure(written);
        }
        if let Entry::Event(Event { kind: EventKind::Chosen(chosen), .. }) = &entry {
            self.record.meta.target.chosen = Some(chosen.clone());
            self.write_head();
        }
        match entry {
            Entry::Sample(sample) => self.workers.push(&mut self.record.samples, sample),
            Entry::Host(sample) => self.host.push(&mut self.record.host, sample),
            Entry::Load(sample) => self.record.load.push(sample),
            Entry::Census(census) => self.record.census.push(census),
            Entry::Map(map) => self.maps.push(&mut self.record.maps, map),
            Entry::Event(event) => self.record.events.push(event),
            Entry::Heap(entry) => self.record.heap.put(entry),
        }
    }

    fn note_failure(&mut self, written: Result<(), WriteError>) {
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WorkerId;
    use crate::store;
    use seepage_core::fixture::run::clean;
    use std::sync::mpsc::channel;

    #[test]
    fn a_long_run_is_judged_by_what_is_read_again_and_takes_bounded_memory() {
        let parent = tempfile::tempdir().unwrap();
        let directory = RunDirectory::create(parent.path(), "long").unwrap();
        let ((entries, taken), (loads, load)) = (channel(), channel());
        let mut recorder = Recorder::new(clean().meta, directory, Pulse::begin(), taken, load);
        recorder.write_head();
        for reading in 0..3 * MOST_READINGS as u64 {
            let worker = WorkerId::new(1 + (reading % 3) as u32, 1);
            entries.send(Entry::Sample(Sample::new(reading as f64, worker))).unwrap();
            recorder.take(Duration::ZERO);
            assert!(recorder.record.samples.len() <= MOST_READINGS);
        }
        drop((entries, loads));
        let Finished { record, directory, .. } = recorder.finish(Ok(()));
        assert!(record.samples.len() >= MOST_READINGS / 2);
        assert_eq!(record.samples.last().unwrap().t, (3 * MOST_READINGS - 1) as f64);
        let told = |e: &Event| matches!(&e.kind, EventKind::Note { text } if text.contains("stand for all"));
        assert!(record.events.iter().any(told), "{:?}", record.events);
        assert_eq!(store::read(&directory).unwrap(), record);
    }
}
