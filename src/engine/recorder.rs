//! The recorder: takes in what the other threads saw, writes it down, and keeps in memory what is judged.
//!
//! Everything is written; in memory, some readings stand for all if there are too many, the same ones as when the run
//! directory is read again.

use super::end::{Cut, Finished, Interruption};
use super::pulse::Pulse;
use super::sampler::SamplerEnd;
use super::scrub;
use crate::config::without_secrets;
use crate::model::{Event, EventKind, LoadSample, Observing, RunMeta, RunRecord, RunStatus, Thinner, Thinners};
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
    place: Place,
    /// Those of the services, in the order of the record.
    services: Vec<(Place, Receiver<Entry>)>,
    pulse: Pulse,
    entries: Receiver<Entry>,
    loads: Receiver<LoadSample>,
    flushed: Instant,
    /// CPU time of what is made of the record while the run goes on.
    live: Duration,
    failed: Option<WriteError>,
}

/// Where one record is written, and what keeps it within bounds in memory.
#[derive(Debug)]
struct Place {
    directory: RunDirectory,
    thinners: Thinners,
}

impl Place {
    fn new(directory: RunDirectory) -> Self {
        let (workers, host, metrics) =
            (Thinner::new(MOST_READINGS), Thinner::new(MOST_READINGS), Thinner::new(MOST_READINGS));
        Place { directory, thinners: Thinners { workers, host, metrics, ..Thinners::default() } }
    }

    /// Writes a line, unless writing has `failed` before, and keeps it in memory: the verdict is on all that was seen.
    fn put(&mut self, record: &mut RunRecord, mut entry: Entry, failed: &mut Option<WriteError>) {
        scrub::entry(&mut entry);
        if failed.is_none() {
            *failed = self.directory.append(&entry).err();
        }
        if let Entry::Event(Event { kind: EventKind::Chosen(chosen), .. }) = &entry {
            record.meta.target.chosen = Some(chosen.clone());
            self.write_head(&mut record.meta, failed);
        }
        match entry {
            Entry::Sample(sample) => self.thinners.workers.push(&mut record.samples, sample),
            Entry::Host(sample) => self.thinners.host.push(&mut record.host, sample),
            Entry::Load(sample) => record.load.push(sample),
            Entry::Census(census) => record.census.push(census),
            Entry::Map(map) => self.thinners.maps.push(&mut record.maps, map),
            Entry::Metric(reading) => self.thinners.metrics.push(&mut record.metrics, reading),
            Entry::Event(event) => record.events.push(event),
            Entry::Heap(entry) => record.heap.put(entry),
        }
    }

    fn write_head(&self, meta: &mut RunMeta, failed: &mut Option<WriteError>) {
        scrub::head(meta);
        if let Err(error) = self.directory.write_head(meta) {
            failed.get_or_insert(error);
        }
    }

    /// Closes the record.
    fn close(mut self, record: &mut RunRecord, failed: &mut Option<WriteError>) {
        // Each reading has its own time; threads hand them in out of order by a hair.
        record.events.sort_by(|a, b| a.t.total_cmp(&b.t));
        if let Err(error) = self.directory.flush() {
            failed.get_or_insert(error);
        }
        self.write_head(&mut record.meta, failed);
        record.complete(self.thinners);
    }
}

/// Whether something concerns services as it does the target.
fn is_of_all(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::Phase { .. }
            | EventKind::Look { .. }
            | EventKind::Collected
            | EventKind::Stopping
            | EventKind::Interrupted { .. }
    )
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
            metrics: Vec::new(),
            events: Vec::new(),
            heap: Default::default(),
            services: Vec::new(),
        };
        Recorder {
            record,
            place: Place::new(directory),
            services: Vec::new(),
            flushed: pulse.origin(),
            pulse,
            entries,
            loads,
            live: Duration::ZERO,
            failed: None,
        }
    }

    /// Records a service beside from now on: its head, its directory, and what its sampler sees. Returns its place in the record.
    pub fn add_service(&mut self, meta: RunMeta, directory: RunDirectory, entries: Receiver<Entry>) -> usize {
        self.record.meta.services.push(meta.name.clone());
        let services = std::mem::take(&mut self.record.services);
        let record = RunRecord {
            meta,
            samples: Vec::new(),
            host: Vec::new(),
            load: Vec::new(),
            census: Vec::new(),
            maps: Vec::new(),
            metrics: Vec::new(),
            events: Vec::new(),
            heap: Default::default(),
            services: Vec::new(),
        };
        self.record.services = services.into_iter().chain([record]).collect();
        self.services.push((Place::new(directory), entries));
        self.services.len() - 1
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
        for ((place, entries), record) in self.services.iter_mut().zip(&mut self.record.services) {
            entries.try_iter().for_each(|entry| place.put(record, entry, &mut self.failed));
        }
        while let Ok(load) = self.loads.try_recv() {
            self.put_all(&Entry::Load(load));
        }
        if self.flushed.elapsed() >= FLUSH {
            self.flushed = Instant::now();
            let places = self.services.iter_mut().map(|(place, _)| place).chain([&mut self.place]);
            let flushed: Vec<_> = places.map(|place| place.directory.flush()).collect();
            flushed.into_iter().for_each(|flushed| self.note_failure(flushed));
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
        let of_all = is_of_all(&kind);
        let entry = Entry::Event(Event { t: self.pulse.seconds(), kind });
        if of_all { self.put_all(&entry) } else { self.put(entry) }
    }

    /// Records something that just happened to the service in this place, or, without one, to the target.
    pub fn event_of(&mut self, service: Option<usize>, kind: EventKind) {
        let entry = Entry::Event(Event { t: self.pulse.seconds(), kind });
        match service {
            Some(place) => self.put_of(place, entry),
            None => self.put(entry),
        }
    }

    /// The record of the service in this place, or, without one, of the target.
    pub fn record_of(&mut self, service: Option<usize>) -> &mut RunRecord {
        match service {
            Some(place) => &mut self.record.services[place],
            None => &mut self.record,
        }
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
        self.place.directory.path()
    }

    /// Writes the latencies of `seconds` of load, by step.
    pub fn write_latency(&mut self, seconds: f64, steps: &[StepHistograms]) {
        let tagged: Vec<_> = steps
            .iter()
            .map(|s| (without_secrets(&s.step), s))
            .flat_map(|(step, s)| [(format!("{step}:ok"), &s.ok), (format!("{step}:all"), &s.all)])
            .collect();
        let written = self.place.directory.write_latency(seconds, &tagged);
        self.note_failure(written);
    }

    /// Writes the heads as they are now.
    pub fn write_head(&mut self) {
        self.place.write_head(&mut self.record.meta, &mut self.failed);
        for ((place, _), record) in self.services.iter().zip(&mut self.record.services) {
            place.write_head(&mut record.meta, &mut self.failed);
        }
    }

    /// Takes in what a sampler left, `None` if it panicked: that of a service, or, without one, of the target; an error if not every
    /// worker could be followed.
    pub fn end_sampling(&mut self, service: Option<usize>, end: Option<SamplerEnd>) -> Result<(), Cut> {
        let end = end.ok_or_else(Cut::unsampled)?;
        let live_share = self.live.as_secs_f64() / self.pulse.seconds().max(f64::MIN_POSITIVE);
        let meta = &mut self.record_of(service).meta;
        meta.observing = Some(Observing { live_share: service.is_none().then_some(live_share), ..end.observing });
        meta.classes = end.classes;
        meta.target.worker_limits = end.worker_limits;
        if let Some(error) = end.counting_error {
            let text = format!("at the end the requests of the workers could not be read: {error}");
            self.event_of(service, EventKind::Note { text });
        }
        for text in [end.untraced, end.thinned, end.unmapped, end.beside].into_iter().flatten() {
            self.event_of(service, EventKind::Note { text });
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
        let elapsed = Some(self.pulse.seconds());
        let (status, failure, aborted) = match end {
            Ok(()) => (RunStatus::Complete, None, None),
            Err(Cut { failure, reason, .. }) => (RunStatus::Aborted, failure, Some(reason)),
        };
        // Why is said once, of the run.
        for meta in self.record.services.iter_mut().map(|service| &mut service.meta).chain([&mut self.record.meta]) {
            (meta.elapsed, meta.status, meta.failure) = (elapsed, status, failure);
        }
        self.record.meta.aborted = aborted;
        let directory = self.path().to_owned();
        Finished { record: self.close(), directory, interrupted }
    }

    fn close(mut self) -> RunRecord {
        self.take(Duration::ZERO);
        for ((place, _), record) in self.services.into_iter().zip(&mut self.record.services) {
            place.close(record, &mut self.failed);
        }
        self.place.close(&mut self.record, &mut self.failed);
        self.record
    }

    fn put(&mut self, entry: Entry) {
        self.place.put(&mut self.record, entry, &mut self.failed);
    }

    fn put_of(&mut self, service: usize, entry: Entry) {
        if let Some(((place, _), record)) = self.services.iter_mut().zip(&mut self.record.services).nth(service) {
            place.put(record, entry, &mut self.failed);
        }
    }

    /// Puts a line into all records: that of the target, and those of the services.
    fn put_all(&mut self, entry: &Entry) {
        (0..self.services.len()).for_each(|service| self.put_of(service, entry.clone()));
        self.put(entry.clone());
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
    use crate::model::{Sample, WorkerId};
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
