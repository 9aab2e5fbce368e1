//! Writes a run as it happens.

use super::{CENSUS, EVENTS, HEAD, HEAP, HOST, LATENCY, LOAD, SAMPLES};
use crate::model::{Census, Event, HeapEntry, HostSample, LoadSample, RunMeta, Sample};
use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use serde::Serialize;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;

/// Why a run could not be recorded.
#[derive(Debug, Error)]
#[error("could not write {}: {source}", path.display())]
pub struct WriteError {
    path: PathBuf,
    source: io::Error,
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
    /// Something that happened.
    Event(Event),
    /// Who allocated.
    Heap(HeapEntry),
}

/// A run directory that is being written.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    samples: Log,
    host: Log,
    load: Log,
    census: Log,
    events: Log,
    /// Made when there is something to write: most runs don't trace allocations.
    heap: Option<Log>,
}

impl RunDirectory {
    /// Makes the directory `id` below `parent`, readable by its owner only, with empty files in it.
    ///
    /// # Errors
    /// If it can't be made or written, or is there already.
    pub fn create(parent: &Path, id: &str) -> Result<Self, WriteError> {
        let path = make_directory(parent, id)?;
        let log = |name| Log::create(path.join(name));
        Ok(RunDirectory {
            samples: log(SAMPLES)?,
            host: log(HOST)?,
            load: log(LOAD)?,
            census: log(CENSUS)?,
            events: log(EVENTS)?,
            heap: None,
            path,
        })
    }

    /// Where it is, as an absolute path.
    pub fn path(&self) -> &Path {
        &self.path
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
            Entry::Heap(entry) => match &mut self.heap {
                Some(heap) => heap.append(entry),
                None => self.heap.insert(Log::create(self.path.join(HEAP))?).append(entry),
            },
        }
    }

    /// Hands what was appended to the kernel, so that it outlives a crash of ours.
    ///
    /// # Errors
    /// If it can't be written, or was removed: what is written to a removed file succeeds, and is lost.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        let logs = [&mut self.samples, &mut self.host, &mut self.load, &mut self.census, &mut self.events];
        logs.into_iter().chain(&mut self.heap).try_for_each(Log::flush)
    }

    /// Writes latency histograms (in microseconds, with their tags) over the last `seconds` of load, in the interval log
    /// format that HdrHistogram's own tools read.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn write_latency(&self, seconds: f64, histograms: &[(String, &Histogram<u64>)]) -> Result<(), WriteError> {
        let path = self.path.join(LATENCY);
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
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(&text)
        };
        write().map_err(|source| WriteError { path: path.clone(), source })
    }

    /// Writes the head of the run, whole or not at all.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn write_head(&self, meta: &RunMeta) -> Result<(), WriteError> {
        write_document(&self.path, HEAD, meta)
    }
}

/// Makes the directory `id` below `parent`, readable by its owner only, and returns it as an absolute path.
pub(super) fn make_directory(parent: &Path, id: &str) -> Result<PathBuf, WriteError> {
    let path = parent.join(id);
    let failed = |source| WriteError { path: path.clone(), source };
    std::fs::create_dir_all(parent).map_err(failed)?;
    DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
    // Whoever is to run commands in other directories needs the whole path.
    path.canonicalize().map_err(failed)
}

/// Writes a JSON document, whole or not at all.
pub(super) fn write_document(directory: &Path, name: &str, value: &impl Serialize) -> Result<(), WriteError> {
    let path = directory.join(name);
    let temporary = directory.join(format!("{name}.new"));
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        serde_json::to_writer_pretty(&mut file, value)?;
        file.write_all(b"\n")?;
        std::fs::rename(&temporary, &path)
    };
    let written = write();
    if written.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    written.map_err(|source| WriteError { path: path.clone(), source })
}

#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: BufWriter<File>,
    /// Kept from line to line for its capacity.
    line: Vec<u8>,
}

impl Log {
    fn create(path: PathBuf) -> Result<Self, WriteError> {
        match OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => Ok(Log { path, file: BufWriter::with_capacity(64 << 10, file), line: Vec::new() }),
            Err(source) => Err(WriteError { path, source }),
        }
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
