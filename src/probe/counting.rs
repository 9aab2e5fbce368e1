//! How many requests each worker has served, from the best source the harness file names.

use super::WorkerProbe;
use super::page_poller::{LookUps, PAGE_TIMEOUT, PagePoller};
use super::status_page::{ByPid, StatusPage, parse_mod_status, parse_page, parse_php_fpm};
use crate::config::{RequestsConfig, open_plain};
use crate::model::{Counting, CountingSource};
use regex::{Regex, bytes};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Classes that are kept apart; what comes after counts as the last one, `other`.
const MOST_CLASSES: usize = 32;

/// A line longer than this is not a log line.
const LONGEST_LINE: usize = 64 << 10;

/// Characters of a line of a log that are shown.
const SHOWN: usize = 200;

/// Bytes of a log that are read at once, at most: a log that is written faster than it is read must not keep the sampler.
const LONGEST_POLL: u64 = if cfg!(test) { 128 << 10 } else { 8 << 20 };

/// PIDs whose counts are kept although no process with them was seen. A worker is in the log before it is seen; whoever
/// else is, is only counted.
const MOST_UNSEEN: usize = if cfg!(test) { 100 } else { 1 << 16 };

/// What one worker has served so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Served {
    /// All requests.
    pub total: u64,
    /// By class; shorter than the table of classes where the last ones didn't occur.
    pub by_class: Vec<u64>,
}

/// Counts requests by worker.
#[derive(Debug)]
pub struct Counter {
    source: Source,
    by_pid: HashMap<u32, Served>,
    /// How many processes that live know themselves by a PID: in namespaces of their own, several may by the same.
    seen: HashMap<u32, u32>,
    classes: Vec<String>,
    total: u64,
    /// Of these, the ones of workers that were forgotten, as they ended.
    departed: u64,
    fresh: bool,
}

#[derive(Debug)]
enum Source {
    Log(LogTail),
    Page { poller: PagePoller, kind: CountingSource, ended: ByPid },
}

/// Why requests can't be counted.
#[derive(Debug, Error)]
pub enum CounterError {
    /// A pattern isn't a regular expression.
    #[error(transparent)]
    Pattern(#[from] regex::Error),
    /// The page can't be asked for.
    #[error(transparent)]
    Thread(#[from] io::Error),
}

/// How the lines of a log were understood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LinesRead {
    /// Lines read.
    pub lines: u64,
    /// Of these, the ones that the pattern matched.
    pub matched: u64,
    /// The first that it didn't match, shortened.
    pub unmatched: Option<String>,
}

impl Counter {
    /// Sets up the source that `config` names; `None` if it names none. A page is asked for by a thread of its own.
    ///
    /// # Errors
    /// If a pattern isn't a regular expression, or the thread can't be started.
    pub fn new(config: &RequestsConfig) -> Result<Option<Self>, CounterError> {
        let source = if let Some(log) = &config.log {
            Source::Log(LogTail::new(log.path.clone().into(), bytes::Regex::new(&log.pattern)?))
        } else if let Some(url) = &config.php_fpm {
            Source::page(url, CountingSource::PhpFpm, parse_php_fpm)?
        } else if let Some(url) = &config.mod_status {
            Source::page(url, CountingSource::ModStatus, parse_mod_status)?
        } else if let Some(config) = &config.page {
            let pattern = Regex::new(&config.pattern)?;
            Source::page(&config.url, CountingSource::Page, move |text, _| parse_page(text, &pattern))?
        } else {
            return Ok(None);
        };
        let (by_pid, seen) = (HashMap::new(), HashMap::new());
        Ok(Some(Counter { source, by_pid, seen, classes: Vec::new(), total: 0, departed: 0, fresh: false }))
    }

    /// Counts only what comes from now on: of a log that is there already, what is in it is passed over.
    ///
    /// # Errors
    /// If the log can't be read, or the page gives no counts; the text says which.
    pub fn skip_the_past(&mut self) -> Result<(), String> {
        if let Source::Log(tail) = &mut self.source {
            return tail.skip().map_err(|error| {
                let what = match error.kind() {
                    io::ErrorKind::PermissionDenied => "; run as a user who may read this log",
                    io::ErrorKind::NotFound => "; name a log that is there",
                    _ => "",
                };
                format!("{}: {error}{what}", tail.path.display())
            });
        }
        let deadline = Instant::now() + 2 * PAGE_TIMEOUT;
        // Counts go on from the first answer: without it, they would begin at zero and leap.
        while Instant::now() < deadline {
            self.poll()?;
            if self.total > 0 {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("the status page names no worker".into())
    }

    /// How this counts, and what that is worth.
    pub fn counting(&self) -> Counting {
        let (source, worth) = match &self.source {
            Source::Log(_) => (CountingSource::AccessLog, "each worker's requests are exact, from the log it writes"),
            Source::Page { kind, .. } => (
                *kind,
                match kind {
                    CountingSource::PhpFpm => {
                        "each worker's requests are exact, from PHP-FPM's status page, without these look-ups"
                    }
                    CountingSource::ModStatus => {
                        "each worker's requests are from mod_status, without these look-ups; they lag a little"
                    }
                    _ => "each worker's requests are from a status page, with these look-ups if it counts them",
                },
            ),
        };
        Counting { source, per_worker: true, worth: worth.into() }
    }

    /// Takes in what is new.
    ///
    /// # Errors
    /// If the log or the page can't be read; the counts stay as they were.
    pub fn poll(&mut self) -> Result<(), String> {
        match &mut self.source {
            Source::Log(tail) => {
                let (by_pid, classes, total) = (&mut self.by_pid, &mut self.classes, &mut self.total);
                let whole = tail.read(|pid, class| {
                    let served = of_pid(by_pid, &self.seen, pid);
                    served.total += 1;
                    *total += 1;
                    if let Some(class) = class {
                        let index = class_index(classes, class);
                        if served.by_class.len() <= index {
                            served.by_class.resize(index + 1, 0);
                        }
                        served.by_class[index] += 1;
                    }
                });
                // What could not be read, or only in part, says nothing of this moment.
                self.fresh = whole.as_ref().is_ok_and(|whole| *whole);
                whole.map(drop).map_err(|error| format!("{}: {error}", tail.path.display()))
            }
            Source::Page { poller, ended, .. } => {
                let page = poller.take();
                self.fresh = page.is_some();
                let page = page.unwrap_or_else(|| Ok(ByPid::new()))?;
                for (&pid, &count) in &page {
                    if ended.get(&pid) == Some(&count) {
                        continue;
                    }
                    ended.remove(&pid);
                    let served = self.by_pid.entry(pid).or_default();
                    // A page may lag behind one that was seen before; requests are never un-served.
                    let grown = count.saturating_sub(served.total);
                    served.total += grown;
                    self.total += grown;
                }
                if self.by_pid.len() > MOST_UNSEEN + self.seen.len() {
                    self.by_pid.retain(|pid, _| self.seen.contains_key(pid) || page.contains_key(pid));
                }
                Ok(())
            }
        }
    }

    /// What the worker with this PID has served; `None` if it was never mentioned.
    pub fn served(&self, pid: u32) -> Option<&Served> {
        self.by_pid.get(&pid)
    }

    /// What this process has served, by the PID that it knows itself by, or by ours where whoever writes the log sees that;
    /// `None` if it was never mentioned.
    pub fn served_by(&self, worker: &WorkerProbe) -> Option<&Served> {
        self.served(worker.own_pid()).or_else(|| self.served(worker.id().pid))
    }

    /// A worker that knows itself by this PID was seen: its count is kept. Whether it is the only one.
    pub fn meet(&mut self, pid: u32) -> bool {
        let seen = self.seen.entry(pid).or_default();
        *seen += 1;
        *seen == 1
    }

    /// Whether nobody else who lives knows itself by the PID of this worker.
    pub fn can_tell(&self, worker: &WorkerProbe) -> bool {
        self.seen.get(&worker.own_pid()).is_none_or(|seen| *seen == 1)
    }

    /// Forgets a worker that has ended, so that the next one with its PID starts at zero.
    pub fn forget(&mut self, pid: u32) {
        match self.seen.get_mut(&pid) {
            Some(seen) if *seen > 1 => {
                *seen -= 1;
                return;
            }
            _ => drop(self.seen.remove(&pid)),
        }
        let served = self.by_pid.remove(&pid);
        self.departed += served.as_ref().map_or(0, |served| served.total);
        if let (Source::Page { ended, .. }, Some(served)) = (&mut self.source, served) {
            ended.insert(pid, served.total);
        }
    }

    /// Whether the counts are of this moment: those of a page are only when it was just read. A level of memory must not
    /// be held against a count from half a second before.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// What all workers have served, ended ones included.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How the lines of the log were understood; `None` if there is no log.
    pub fn lines(&self) -> Option<&LinesRead> {
        match &self.source {
            Source::Log(tail) => Some(&tail.understood),
            Source::Page { .. } => None,
        }
    }

    /// Our own look-ups of the page; `None` if there is no page.
    pub fn look_ups(&self) -> Option<LookUps> {
        match &self.source {
            Source::Log(_) => None,
            Source::Page { poller, .. } => Some(poller.look_ups()),
        }
    }

    /// Requests counted under a PID that is none of `known`, and the first such PID.
    pub fn strangers(&self, known: &HashSet<u32>) -> (u64, Option<u32>) {
        let of_known: u64 =
            self.by_pid.iter().filter(|(pid, _)| known.contains(pid)).map(|(_, served)| served.total).sum();
        let first = self.by_pid.keys().filter(|pid| !known.contains(pid)).min().copied();
        // Those of strangers that were too many to keep are in the total.
        (self.total.saturating_sub(of_known + self.departed), first)
    }

    /// The classes seen so far, in the order of `Served::by_class`.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }
}

impl Source {
    fn page<P>(url: &str, kind: CountingSource, parse: P) -> io::Result<Self>
    where
        P: Fn(&[u8], &str) -> Result<StatusPage, String> + Send + 'static,
    {
        Ok(Source::Page { poller: PagePoller::start(url.to_owned(), parse)?, kind, ended: ByPid::new() })
    }
}

/// The count of a PID; those of PIDs that were never seen go when they are too many.
fn of_pid<'a>(by_pid: &'a mut HashMap<u32, Served>, seen: &HashMap<u32, u32>, pid: u32) -> &'a mut Served {
    if by_pid.len() >= MOST_UNSEEN + seen.len() && !by_pid.contains_key(&pid) {
        by_pid.retain(|pid, _| seen.contains_key(pid));
    }
    by_pid.entry(pid).or_default()
}

fn class_index(classes: &mut Vec<String>, class: &[u8]) -> usize {
    if let Some(index) = classes.iter().position(|c| c.as_bytes() == class) {
        return index;
    }
    if classes.len() + 1 < MOST_CLASSES {
        classes.push(String::from_utf8_lossy(class).into_owned());
    } else if classes.len() < MOST_CLASSES {
        classes.push("other".into());
    }
    classes.len() - 1
}

/// Reads a line of a log by a pattern with the groups `pid` and, if it likes, `class`; `None` if it isn't about a request.
pub fn parse_log_line<'a>(line: &'a [u8], pattern: &bytes::Regex) -> Option<(u32, Option<&'a [u8]>)> {
    let found = pattern.captures(line)?;
    let pid = std::str::from_utf8(found.name("pid")?.as_bytes()).ok()?.parse().ok()?;
    Some((pid, found.name("class").map(|class| class.as_bytes())))
}

/// Follows a log: waits for it to appear, goes on after a rotation or a truncation.
#[derive(Debug)]
struct LogTail {
    path: PathBuf,
    pattern: bytes::Regex,
    file: Option<(File, u64)>,
    pending: Vec<u8>,
    understood: LinesRead,
}

impl LogTail {
    fn new(path: PathBuf, pattern: bytes::Regex) -> Self {
        LogTail { path, pattern, file: None, pending: Vec::new(), understood: LinesRead::default() }
    }

    /// Takes in what is new; false if there is more than is read at once.
    fn read(&mut self, mut count: impl FnMut(u32, Option<&[u8]>)) -> io::Result<bool> {
        let mut left = LONGEST_POLL;
        self.drain(&mut left, &mut count)?;
        if left == 0 {
            return Ok(false);
        }
        // A log that was moved away is read to its end first, and only then left for its successor.
        let named = match std::fs::metadata(&self.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        };
        let stale = match &self.file {
            None => true,
            Some((file, read)) => {
                let open = file.metadata()?;
                (open.dev(), open.ino()) != (named.dev(), named.ino()) || open.len() < *read
            }
        };
        if stale {
            self.pending.clear();
            self.file = Some((open_plain(&self.path)?, 0));
            self.drain(&mut left, &mut count)?;
        }
        Ok(left > 0)
    }

    fn skip(&mut self) -> io::Result<()> {
        let mut file = open_plain(&self.path)?;
        let end = file.seek(SeekFrom::End(0))?;
        self.file = Some((file, end));
        Ok(())
    }

    /// Reads on, at most so many bytes as are `left`.
    fn drain(&mut self, left: &mut u64, count: &mut impl FnMut(u32, Option<&[u8]>)) -> io::Result<()> {
        let Some((file, read)) = &mut self.file else { return Ok(()) };
        let mut chunk = [0; 64 << 10];
        while *left > 0 {
            let length = file.read(&mut chunk)?;
            if length == 0 {
                return Ok(());
            }
            *read += length as u64;
            *left = left.saturating_sub(length as u64);
            self.pending.extend_from_slice(&chunk[..length]);
            let Some(end) = self.pending.iter().rposition(|&b| b == b'\n') else {
                if self.pending.len() > LONGEST_LINE {
                    self.pending.clear();
                }
                continue;
            };
            for line in self.pending[..end].split(|&b| b == b'\n') {
                self.understood.lines += 1;
                if let Some((pid, class)) = parse_log_line(line, &self.pattern) {
                    self.understood.matched += 1;
                    count(pid, class);
                } else if self.understood.unmatched.is_none() {
                    let shown: String = String::from_utf8_lossy(line).chars().take(SHOWN).collect();
                    self.understood.unmatched = Some(shown);
                }
            }
            self.pending.drain(..=end);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LogConfig;
    use std::io::Write;

    fn counter(path: &std::path::Path) -> Counter {
        let log = LogConfig { path: path.to_str().unwrap().into(), pattern: r"^(?<pid>\d+) (?<class>\w+)".into() };
        Counter::new(&RequestsConfig { log: Some(log), ..Default::default() }).unwrap().unwrap()
    }

    #[test]
    fn a_log_is_followed_through_torn_lines_and_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let mut counter = counter(&path);
        counter.poll().unwrap();
        let mut log = File::create(&path).unwrap();
        log.write_all(b"10 upload\n10 index\ngarbage\n11 upl").unwrap();
        counter.poll().unwrap();
        assert_eq!(counter.served(10), Some(&Served { total: 2, by_class: vec![1, 1] }));
        assert_eq!(counter.served(11), None);
        log.write_all(b"oad\n").unwrap();
        std::fs::rename(&path, directory.path().join("access.log.1")).unwrap();
        File::create(&path).unwrap().write_all(b"11 upload\n").unwrap();
        counter.poll().unwrap();
        assert_eq!(counter.served(11).unwrap().total, 2);
        assert_eq!(counter.total(), 4);
        assert_eq!(counter.classes(), ["upload", "index"]);
        File::create(&path).unwrap();
        counter.poll().unwrap();
        counter.forget(11);
        assert_eq!(counter.served(11), None);
        assert_eq!(counter.total(), 4);
    }

    #[test]
    fn a_log_that_is_no_plain_file_is_refused_and_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for path in [path.as_path(), std::path::Path::new("/dev/zero")] {
            let mut counter = counter(path);
            assert!(counter.skip_the_past().unwrap_err().contains("where a plain file is expected"));
            assert!(counter.poll().unwrap_err().contains("where a plain file is expected"));
            assert!(!counter.is_fresh(), "what can't be read is no zero");
        }
    }

    #[test]
    fn a_long_log_is_read_in_parts_and_only_the_last_is_of_this_moment() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let mut counter = counter(&path);
        std::fs::write(&path, "10 upload\n".repeat(30_000)).unwrap();
        counter.poll().unwrap();
        assert!(!counter.is_fresh() && (1..30_000).contains(&counter.total()), "{}", counter.total());
        while !counter.is_fresh() {
            counter.poll().unwrap();
        }
        assert_eq!(counter.total(), 30_000);
    }

    #[test]
    fn pids_that_are_no_processes_are_counted_and_not_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let mut counter = counter(&path);
        counter.meet(7);
        let lines = |from: u32| (from..from + 1000).map(|pid| format!("{pid} upload\n")).collect::<String>();
        std::fs::write(&path, format!("7 upload\n{}7 upload\n", lines(1000))).unwrap();
        counter.poll().unwrap();
        assert_eq!((counter.total(), counter.served(7).unwrap().total), (1002, 2));
        assert!(counter.by_pid.len() <= MOST_UNSEEN + 1, "{}", counter.by_pid.len());
        let (newest, oldest) = (counter.served(1999).is_some(), counter.served(1000).is_some());
        assert!(newest && !oldest, "a worker is in the log before it is seen");
    }

    #[test]
    fn the_past_of_a_log_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        assert!(counter(&path).skip_the_past().is_err());
        let mut log = File::create(&path).unwrap();
        log.write_all(b"10 upload\n10 upload\n").unwrap();
        let mut counter = counter(&path);
        counter.skip_the_past().unwrap();
        log.write_all(b"10 upload\n").unwrap();
        counter.poll().unwrap();
        assert_eq!((counter.total(), counter.served(10).unwrap().total), (1, 1));
    }

    #[test]
    fn a_page_is_counted_from_its_first_answer() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut connection, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            assert!(connection.read(&mut request).unwrap() > 0);
            let page = r#"{"processes":[{"pid":7,"requests":12}]}"#;
            write!(connection, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{page}", page.len()).unwrap();
        });
        let config = RequestsConfig { php_fpm: Some(format!("http://{address}/")), ..Default::default() };
        let mut counter = Counter::new(&config).unwrap().unwrap();
        counter.skip_the_past().unwrap();
        assert_eq!(counter.served(7).unwrap().total, 12);
        server.join().unwrap();
        // Nobody listens there any more.
        let mut counter = Counter::new(&config).unwrap().unwrap();
        assert!(counter.skip_the_past().unwrap_err().contains(&address.to_string()));
    }

    #[test]
    fn classes_are_bounded() {
        let mut classes = Vec::new();
        for index in 0..1000 {
            class_index(&mut classes, format!("c{index}").as_bytes());
        }
        assert_eq!(classes.len(), MOST_CLASSES);
        assert_eq!(classes.last().unwrap(), "other");
    }
}
