//! Writes a run as it happens.

use super::held::hold_new;
use super::{CENSUS, EVENTS, Folder, HEAD, HEAP, HOST, LATENCY, LOAD, MAPS, METRICS, SAMPLES};
use crate::model::{Census, Event, HeapEntry, HostSample, LoadSample, MapReading, MetricReading, RunMeta, Sample};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Why a run could not be recorded.
#[derive(Debug, Error)]
#[error("could not write {}: {source}", path.display())]
pub struct WriteError {
    path: PathBuf,
    pub(super) source: io::Error,
}

impl WriteError {
    pub(super) fn new(path: PathBuf, source: io::Error) -> Self {
        WriteError { path, source }
    }
}

/// One line of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// A reading of a worker.
    Sample(Sample),
    /// A reading of the host.
    Host(HostSample),
    /// What the driver did in a second.
    Load(LoadSample),
    /// The whole target.
    Census(Census),
    /// Where a worker's memory lies.
    Map(MapReading),
    /// A look at a series of the user's own.
    Metric(MetricReading),
    /// Something that happened.
    Event(Event),
    /// Who allocated.
    Heap(HeapEntry),
}

/// A run directory that is being written.
#[derive(Debug)]
pub struct RunDirectory {
    folder: Folder,
    samples: Log,
    host: Log,
    load: Log,
    census: Log,
    events: Log,
    /// Made when there is something to write: maps may not be read of everybody, and most runs don't trace allocations.
    maps: Option<Log>,
    metrics: Option<Log>,
    heap: Option<Log>,
    /// Tells others that the run goes on, until this is dropped.
    _held: Option<OwnedFd>,
}

impl RunDirectory {
    /// Makes the directory `id` below `parent`, readable by its owner only, with empty files in it.
    ///
    /// # Errors
    /// If it can't be made or written, or is there already.
    pub fn create(parent: &Path, id: &str) -> Result<Self, WriteError> {
        let folder = Folder::make(parent, id)?;
        let log = |name| Log::create(&folder, name);
        Ok(RunDirectory {
            samples: log(SAMPLES)?,
            host: log(HOST)?,
            load: log(LOAD)?,
            census: log(CENSUS)?,
            events: log(EVENTS)?,
            maps: None,
            metrics: None,
            heap: None,
            _held: hold_new(&folder),
            folder,
        })
    }

    /// Where it is, as an absolute path.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The directory itself, for what others put into it.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Appends a line.
    ///
    /// # Errors
    /// If it can't be written, as on a full disk.
    pub fn append(&mut self, entry: &Entry) -> Result<(), WriteError> {
        match entry {
            Entry::Sample(sample) => self.samples.append(sample),
            Entry::Host(sample) => self.host.append(sample),
            Entry::Load(sample) => self.load.append(sample),
            Entry::Census(census) => self.census.append(census),
            Entry::Event(event) => self.events.append(event),
            Entry::Map(map) => made(&mut self.maps, &self.folder, MAPS)?.append(map),
            Entry::Metric(reading) => made(&mut self.metrics, &self.folder, METRICS)?.append(reading),
            Entry::Heap(entry) => made(&mut self.heap, &self.folder, HEAP)?.append(entry),
        }
    }

    /// Hands what was appended to the kernel, so that it outlives a crash of ours.
    ///
    /// # Errors
    /// If it can't be written, or was removed: what is written to a removed file succeeds, and is lost.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        let logs = [&mut self.samples, &mut self.host, &mut self.load, &mut self.census, &mut self.events];
        let beside = [&mut self.maps, &mut self.metrics, &mut self.heap].into_iter().flatten();
        logs.into_iter().chain(beside).try_for_each(Log::flush)
    }

    /// Writes latency histograms (in microseconds, with their tags) over the last `seconds` of load, in the interval log
    /// format that HdrHistogram's own tools read.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write_latency(&self, seconds: f64, histograms: &[(String, &Histogram<u64>)]) -> Result<(), WriteError> {
        let write = || -> io::Result<()> {
            let mut text = Vec::new();
            let mut serializer = V2DeflateSerializer::new();
            let mut log = IntervalLogWriterBuilder::new()
                .add_comment("latencies in microseconds; the largest value column is in milliseconds")
                .with_max_value_divisor(1000.0)
                .begin_log_with(&mut text, &mut serializer)
                .map_err(io::Error::other)?;
            let length = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            for (tag, histogram) in histograms {
                // A tag ends at a comma or at white space.
                let tag: String = tag
                    .chars()
                    .map(|c| if c == ',' || c.is_whitespace() || c.is_control() { '_' } else { c })
                    .collect();
                log.write_histogram(histogram, Duration::ZERO, length, Tag::new(&tag))
                    .map_err(|error| io::Error::other(format!("{error:?}")))?;
            }
            self.folder.create(LATENCY).map_err(|error| error.source)?.write_all(&text)
        };
        write().map_err(|source| WriteError::new(self.path().join(LATENCY), source))
    }

    /// Writes the head of the run, whole or not at all.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write_head(&self, meta: &RunMeta) -> Result<(), WriteError> {
        self.folder.write_document(HEAD, meta)
    }
}

/// Writes the head of a run that has ended again, whole or not at all.
///
/// # Errors
/// If it can't be written, or its directory is a link.
pub fn write_head(directory: &Path, meta: &RunMeta) -> Result<(), WriteError> {
    Folder::open(directory)?.write_document(HEAD, meta)
}

/// The log of this name, which is made with its first line.
fn made<'a>(log: &'a mut Option<Log>, folder: &Folder, name: &str) -> Result<&'a mut Log, WriteError> {
    Ok(match log {
        Some(log) => log,
        None => log.insert(Log::create(folder, name)?),
    })
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: BufWriter<File>,
    /// Kept from line to line for its capacity.
    line: Vec<u8>,
}

impl Log {
    fn create(folder: &Folder, name: &str) -> Result<Self, WriteError> {
        let file = BufWriter::with_capacity(64 << 10, folder.create(name)?);
        Ok(Log { path: folder.path().join(name), file, line: Vec::new() })
    }

    fn append(&mut self, value: &impl Serialize) -> Result<(), WriteError> {
        self.line.clear();
        let written = serde_json::to_writer(&mut self.line, value).map_err(io::Error::from).and_then(|()| {
            self.line.push(b'\n');
            self.file.write_all(&self.line)
        });
        written.map_err(|source| WriteError { path: self.path.clone(), source })
    }

    fn flush(&mut self) -> Result<(), WriteError> {
        let flushed = self.file.flush().and_then(|()| match self.file.get_ref().metadata()?.nlink() {
            0 => Err(io::Error::new(io::ErrorKind::NotFound, "it was removed while the run went on")),
            _ => Ok(()),
        });
        flushed.map_err(|source| WriteError { path: self.path.clone(), source })
    }
}
