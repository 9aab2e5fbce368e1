//! Reads a run directory, whoever wrote it.

use super::experiment::SEARCHES;
use super::held::{Holder, holder};
use super::load::LoadLog;
use super::{CENSUS, EVENTS, FORMAT, HEAD, HEAP, HOST, LOAD, MAPS, METRICS, MOST_READINGS, SAMPLES};
use crate::model::{
    Budgets, Census, Event, HeapEntry, HeapRecord, MOST_MAPS, MOST_PLACES, MapReading, MetricReading, Reading, RunMeta,
    RunRecord, RunStatus, SERVICES, Thinner, Thinners,
};
use rustix::fs::{Mode, OFlags};
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A head longer than this, or a line longer than that, was not written by us.
const LONGEST_HEAD: u64 = 4 << 20;
const LONGEST_LINE: u64 = 1 << 20;

/// Why a run directory can't be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// A file can't be read.
    #[error("could not read {}: {source}{}", path.display(), denied(source))]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no head.
    #[error("{} isn't a run directory: it has no {HEAD}", path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
    },
    /// There is no head, but there are runs below it.
    #[error(
        "{} isn't a run directory, but has {count} in it: give one of them, such as {}{}",
        path.display(),
        path.join(first).display(),
        if *searched { "; what the search found is in its report.html" } else { "" }
    )]
    Several {
        /// The directory.
        path: PathBuf,
        /// The first of them.
        first: String,
        /// How many there are.
        count: usize,
        /// Whether they are those of a search that has its answer.
        searched: bool,
    },
    /// The head isn't one.
    #[error("{}: not the head of a run: {source}", path.display())]
    Head {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The run was written by a newer version.
    #[error("{}: format {found} is newer than {FORMAT}, which this version reads; use a newer seepage", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: String,
    },
    /// The version of the run's format isn't one.
    #[error("{}: not the head of a run: its format {found:?} isn't a version", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: String,
    },
    /// A line isn't one.
    #[error("{}:{line}: {what}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// Why a run has no end that nobody records any more.
const NO_END: &str = "its end was not recorded: the harness was killed, or could not write any more";

/// Events beyond these were not written by us, or are not to be held in memory.
const MOST_EVENTS: usize = 1_000_000;

/// The same of censuses: they get rarer the longer a run lasts.
const MOST_CENSUSES: usize = 100_000;

/// The same of sampled blocks.
const MOST_BLOCKS: usize = 10_000_000;

/// Reads the run in `directory`. A last line without its end is ignored: the harness was killed while it wrote. Memory is
/// bounded: of more than 262,144 readings some stand for all, and an event says so.
///
/// # Errors
/// If it isn't a run directory, is of a newer format, or is damaged; the text says where.
pub fn read(directory: &Path) -> Result<RunRecord, ReadError> {
    let mut record = read_alone(directory)?;
    let names = record.meta.services.clone();
    if names.len() > MOST_SERVICES || !names.iter().all(|name| is_service_name(name)) {
        let what = "its services have no names that seepage gives".into();
        return Err(ReadError::Line { path: directory.join(HEAD), line: 1, what });
    }
    let services = names.iter().map(|name| read_alone(&directory.join(SERVICES).join(name)));
    record.services = services.collect::<Result<_, _>>()?;
    Ok(record)
}

/// Services beyond these were not written by us.
const MOST_SERVICES: usize = 64;

/// Whether a name leads to a directory below that of the services, and nowhere else.
fn is_service_name(name: &str) -> bool {
    let harmless = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    (1..=64).contains(&name.len()) && name.bytes().all(harmless)
}

/// Reads the run in `directory` without its services.
fn read_alone(directory: &Path) -> Result<RunRecord, ReadError> {
    let head = directory.join(HEAD);
    match head.symlink_metadata() {
        Ok(_) => {}
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(no_run(directory));
        }
        Err(source) => return Err(ReadError::Io { path: head, source }),
    }
    let mut meta: RunMeta = document(&head)?;
    if meta.status == RunStatus::Running && holder(directory) == Holder::Nobody {
        (meta.status, meta.aborted) = (RunStatus::Aborted, Some(NO_END.into()));
    }
    let (workers, samples) = readings(&directory.join(SAMPLES), MOST_READINGS)?;
    let (thinned_host, host) = readings(&directory.join(HOST), MOST_READINGS)?;
    let (thinned_maps, maps) = maps(&directory.join(MAPS))?;
    let (thinned_metrics, metrics) = metrics(&directory.join(METRICS))?;
    let mut load = LoadLog::default();
    lines(&directory.join(LOAD), |row| load.push(row))?;
    let mut events: Vec<Event> = Vec::new();
    lines(&directory.join(EVENTS), |event| {
        events.push(event);
        if events.len() > MOST_EVENTS { Err(format!("more than {MOST_EVENTS} events")) } else { Ok(()) }
    })?;
    let census = census(&directory.join(CENSUS))?;
    judge_account(&mut meta);
    let heap = heap(&directory.join(HEAP))?;
    let mut record = RunRecord {
        meta,
        samples,
        host,
        load: load.finish(),
        census,
        maps,
        metrics,
        events,
        heap,
        services: Vec::new(),
    };
    record.complete(Thinners { workers, host: thinned_host, maps: thinned_maps, metrics: thinned_metrics });
    Ok(record)
}

/// Gives a run of format 1.3 the budgets by which its account is judged now; then, what it said was held against the same amounts.
fn judge_account(meta: &mut RunMeta) {
    let budgets = &mut meta.budgets;
    let minor = meta.format.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    if minor != Some(3) || budgets.memory.is_none() {
        return;
    }
    let usual = Budgets::usual(budgets.per);
    (budgets.shared, budgets.rest, budgets.processes) = (budgets.memory, budgets.memory, usual.processes);
}

/// Why a directory without a head is none of a run.
fn no_run(path: &Path) -> ReadError {
    let path = path.to_owned();
    let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
    let runs = entries.filter(|entry| entry.path().join(HEAD).is_file());
    let mut names: Vec<String> = runs.map(|run| run.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let count = names.len();
    match names.into_iter().next() {
        Some(first) => ReadError::Several {
            searched: SEARCHES.iter().any(|(file, _)| path.join(file).is_file()),
            path,
            first,
            count,
        },
        None => ReadError::NotARun { path },
    }
}

/// What to do if that is why.
fn denied(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "; a run directory is its owner's: read it as that user, or as root",
        _ => "",
    }
}

/// Readings, thinned if they are too many.
fn readings<R: Reading + DeserializeOwned>(path: &Path, most: usize) -> Result<(Thinner<R>, Vec<R>), ReadError> {
    let (mut thinner, mut kept) = (Thinner::new(most), Vec::new());
    lines(path, |reading| {
        thinner.push(&mut kept, reading);
        Ok(())
    })?;
    Ok((thinner, kept))
}

/// Where the workers' memory lay; older versions didn't look.
fn maps(path: &Path) -> Result<(Thinner<MapReading>, Vec<MapReading>), ReadError> {
    if !path.exists() {
        return Ok((Thinner::new(MOST_MAPS), Vec::new()));
    }
    let (thinner, mut maps) = readings::<MapReading>(path, MOST_MAPS)?;
    // Longer lists were not written by us.
    maps.iter_mut().flat_map(|map| &mut map.places).for_each(|places| places.truncate(2 * MOST_PLACES));
    Ok((thinner, maps))
}

/// Looks at series of the user's own; most runs have none.
fn metrics(path: &Path) -> Result<(Thinner<MetricReading>, Vec<MetricReading>), ReadError> {
    if path.exists() { readings(path, MOST_READINGS) } else { Ok((Thinner::new(MOST_READINGS), Vec::new())) }
}

/// The whole target at some moments; older versions kept no account of it.
fn census(path: &Path) -> Result<Vec<Census>, ReadError> {
    let mut all = Vec::new();
    if path.exists() {
        lines(path, |census| {
            all.push(census);
            if all.len() > MOST_CENSUSES { Err(format!("more than {MOST_CENSUSES} censuses")) } else { Ok(()) }
        })?;
    }
    Ok(all)
}

/// Who allocated; nobody if that wasn't traced.
fn heap(path: &Path) -> Result<HeapRecord, ReadError> {
    let mut heap = HeapRecord::default();
    let mut blocks = 0;
    if path.exists() {
        lines(path, |entry| {
            if let HeapEntry::Look(look) = &entry {
                blocks += look.came.len();
            }
            heap.put(entry);
            if blocks > MOST_BLOCKS { Err(format!("more than {MOST_BLOCKS} sampled blocks")) } else { Ok(()) }
        })?;
    }
    Ok(heap)
}

/// Opens a plain file, not a link that might lead out of the directory, nor a FIFO that would never end.
fn open(path: &Path) -> Result<File, ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(|e| failed(e.into()))?);
    if file.metadata().map_err(failed)?.is_file() {
        Ok(file)
    } else {
        Err(failed(io::Error::other("not a plain file")))
    }
}

/// Reads a JSON document that says its format's version.
pub(super) fn document<T: DeserializeOwned>(path: &Path) -> Result<T, ReadError> {
    let mut text = Vec::new();
    let read = open(path)?.take(LONGEST_HEAD).read_to_end(&mut text);
    read.map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
    let wrong = |source| ReadError::Head { path: path.to_owned(), source };
    // The version is looked at first: a newer head may not even have our fields.
    let any: serde_json::Value = serde_json::from_slice(&text).map_err(wrong)?;
    let found = any.get("format").and_then(|f| f.as_str()).unwrap_or_default().to_owned();
    let major = |version: &str| version.split('.').next().and_then(|m| m.parse::<u32>().ok());
    match major(&found) {
        None => return Err(ReadError::Version { path: path.to_owned(), found }),
        found_major if found_major > major(FORMAT) => return Err(ReadError::Newer { path: path.to_owned(), found }),
        Some(_) => {}
    }
    serde_json::from_value(any).map_err(wrong)
}

/// Hands each line of a file to `take`.
fn lines<T: DeserializeOwned>(path: &Path, mut take: impl FnMut(T) -> Result<(), String>) -> Result<(), ReadError> {
    let mut reader = BufReader::with_capacity(256 << 10, open(path)?);
    let mut text = Vec::new();
    for line in 1.. {
        text.clear();
        let read = (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut text);
        let length = read.map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
        let wrong = |what: String| ReadError::Line { path: path.to_owned(), line, what };
        if length as u64 == LONGEST_LINE {
            return Err(wrong(format!("longer than {LONGEST_LINE} bytes")));
        }
        if text.last() != Some(&b'\n') {
            break;
        }
        let value = serde_json::from_slice(&text).map_err(|e| wrong(e.to_string()))?;
        take(value).map_err(wrong)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Event, EventKind, HostSample, LoadSample, Sample, WorkerId};
    use crate::store::{Entry, RunDirectory};
    use proptest::prelude::*;

    fn meta() -> RunMeta {
        serde_json::from_value(serde_json::json!({
            "format": FORMAT, "seepage": "0.1.0", "id": "x", "name": "x", "started": "2026-01-01T00:00:00Z",
            "status": "complete", "seed": 1,
            "host": { "kernel": "6", "cpus": 2, "memory": 1, "page": 4096, "ticks": 100 },
            "target": { "command": ["x"], "workers": "children" },
            "counting": { "source": "driver", "per_worker": false, "worth": "" },
            "classes": [], "budgets": { "memory": 64.0, "descriptors": null, "threads": null, "tmpfs": null },
            "gates": { "error_rate": null, "p50": null, "p95": null, "p99": null }, "config": {}
        }))
        .unwrap()
    }

    fn written(parent: &Path) -> PathBuf {
        let mut run = RunDirectory::create(parent, "run").unwrap();
        for tick in 0..20 {
            let mut sample = Sample::new(f64::from(tick) * 0.1, WorkerId::new(7, 8));
            sample.anon = Some(4096);
            run.append(&Entry::Sample(sample)).unwrap();
            run.append(&Entry::Host(HostSample { t: 0.5, ..Default::default() })).unwrap();
        }
        run.append(&Entry::Load(LoadSample { t: 1.0, step: "<b>\u{1b}[31m\n".into(), ..Default::default() })).unwrap();
        run.append(&Entry::Event(Event { t: 0.0, kind: EventKind::Stopping })).unwrap();
        run.write_head(&meta()).unwrap();
        run.flush().unwrap();
        run.path().to_owned()
    }

    #[test]
    fn what_was_written_is_read_and_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let run = written(directory.path());
        let record = read(&run).unwrap();
        assert_eq!((record.samples.len(), record.host.len(), record.load.len(), record.events.len()), (20, 20, 1, 1));
        assert_eq!(record.meta, meta());
        assert_eq!(std::fs::metadata(&run).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_run_without_an_end_goes_on_as_long_as_its_harness_lives() {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDirectory::create(directory.path(), "run").unwrap();
        run.write_head(&RunMeta { status: RunStatus::Running, ..meta() }).unwrap();
        let path = run.path().to_owned();
        let read = || read(&path).unwrap().meta;
        assert_eq!((read().status, read().aborted), (RunStatus::Running, None));
        drop(run);
        assert_eq!((read().status, read().aborted.as_deref()), (RunStatus::Aborted, Some(NO_END)));
    }

    #[test]
    fn a_directory_that_may_not_be_entered_is_said_to_be_so() {
        let directory = tempfile::tempdir().unwrap();
        let absent = directory.path().join("absent");
        assert!(matches!(read(&absent), Err(ReadError::NotARun { .. })));
        // A name that is too long is as unreadable for root as for anybody.
        let error = read(&directory.path().join("x".repeat(300))).unwrap_err().to_string();
        assert!(error.starts_with("could not read "), "{error}");
    }

    #[test]
    fn a_file_cut_at_any_byte_loses_its_last_line_at_most() {
        let directory = tempfile::tempdir().unwrap();
        let run = written(directory.path());
        let samples = run.join(SAMPLES);
        let whole = std::fs::read(&samples).unwrap();
        for end in (0..whole.len()).step_by(7) {
            std::fs::write(&samples, &whole[..end]).unwrap();
            let complete = whole[..end].iter().filter(|&&b| b == b'\n').count();
            assert_eq!(read(&run).unwrap().samples.len(), complete);
        }
    }

    #[test]
    fn a_long_run_is_read_in_bounded_memory_and_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let run = written(directory.path());
        let lines: String =
            (0..20_000).map(|t| format!("{{\"t\":{t},\"worker\":{{\"pid\":7,\"start\":8}}}}\n")).collect();
        std::fs::write(run.join(SAMPLES), lines).unwrap();
        let record = read(&run).unwrap();
        assert!((MOST_READINGS / 2..=MOST_READINGS + 1).contains(&record.samples.len()), "{}", record.samples.len());
        assert_eq!((record.samples[0].t, record.samples[record.samples.len() - 1].t), (0.0, 19_999.0));
        let told = |e: &Event| matches!(&e.kind, EventKind::Note { text } if text.contains("of 20000 readings of the workers"));
        assert!(record.events.iter().any(told), "{:?}", record.events);
        assert_eq!(record.host.len(), 20);
    }

    #[test]
    fn damage_is_told_with_file_and_line() {
        let directory = tempfile::tempdir().unwrap();
        let run = written(directory.path());
        std::fs::write(run.join(EVENTS), "{\"t\":0,\"event\":\"stopping\"}\nnonsense\n").unwrap();
        assert!(read(&run).unwrap_err().to_string().contains("events.jsonl:2: "));
        let head = std::fs::read_to_string(run.join(HEAD)).unwrap();
        std::fs::write(run.join(HEAD), head.replace(&format!("\"{FORMAT}\""), "\"2.0\"")).unwrap();
        assert!(matches!(read(&run), Err(ReadError::Newer { .. })));
    }

    #[test]
    fn links_are_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let run = written(directory.path());
        std::fs::remove_file(run.join(HOST)).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", run.join(HOST)).unwrap();
        assert!(matches!(read(&run), Err(ReadError::Io { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let directory = tempfile::tempdir().unwrap();
            let run = written(directory.path());
            std::fs::write(run.join(SAMPLES), &bytes).unwrap();
            let _ = read(&run);
            std::fs::write(run.join(HEAD), &bytes).unwrap();
            let _ = read(&run);
        }
    }
}
