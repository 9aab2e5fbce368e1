//! Which column is what: by its name, or as it was mapped.

use super::{Mapping, shown};

/// The place of each quantity in a row, with its unit; `None` if the table lacks it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Columns {
    /// Place, and seconds in the unit.
    pub time: Option<(usize, f64)>,
    pub requests: Option<usize>,
    /// Place, and bytes in the unit.
    pub memory: Option<(usize, u64)>,
    pub swap: Option<(usize, u64)>,
    pub worker: Option<usize>,
    pub pid: Option<usize>,
    pub start: Option<usize>,
    pub descriptors: Option<usize>,
    pub threads: Option<usize>,
    pub load: Option<usize>,
    /// What the memory column holds.
    pub kind: MemoryKind,
}

/// What a column of memory holds, the best for judging first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) enum MemoryKind {
    Anonymous,
    Private,
    Resident,
    /// A mapped column whose name says nothing.
    #[default]
    Unknown,
}

const TIME: &[&str] = &["elapsed", "elapsed_time", "time", "timestamp", "t", "seconds", "secs", "uptime"];
const REQUESTS: &[&str] = &["requests", "request_count", "requests_total", "requests_served", "reqs", "req"];
const ANONYMOUS: &[&str] = &["anon", "anonymous", "rss_anon", "rssanon"];
const PRIVATE: &[&str] = &["private", "uss"];
const RESIDENT: &[&str] = &["rss", "vmrss", "vm_rss", "resident", "memory", "mem"];
const SWAP: &[&str] = &["swap", "vmswap", "vm_swap"];
const WORKER: &[&str] = &["worker", "worker_id"];
const PID: &[&str] = &["pid", "process_id"];
const START: &[&str] = &["start", "start_time", "starttime"];
const DESCRIPTORS: &[&str] = &["fds", "fd", "num_fds", "open_fds", "descriptors", "file_descriptors"];
const THREADS: &[&str] = &["threads", "num_threads", "nthreads"];
const LOAD: &[&str] = &["load", "rps", "requests_per_second"];

/// What the ends of names of times mean in seconds.
const TIME_UNITS: [(&str, f64); 11] = [
    ("s", 1.0),
    ("sec", 1.0),
    ("secs", 1.0),
    ("seconds", 1.0),
    ("ms", 1e-3),
    ("us", 1e-6),
    ("ns", 1e-9),
    ("min", 60.0),
    ("minutes", 60.0),
    ("h", 3600.0),
    ("hours", 3600.0),
];

/// What the ends of names of memory mean in bytes. `kb` and the like are powers of 1024: so `/proc`, `ps`, psrecord
/// and scripts around psutil have it.
const MEMORY_UNITS: [(&str, u64); 8] = [
    ("b", 1),
    ("bytes", 1),
    ("kb", 1 << 10),
    ("kib", 1 << 10),
    ("mb", 1 << 20),
    ("mib", 1 << 20),
    ("gb", 1 << 30),
    ("gib", 1 << 30),
];

const RECOGNISED: &str = "elapsed_s, requests, anon_kib or private_kib or rss_kib (also _bytes, _kb, _mb, _mib), \
                          swap_kib, worker, pid, start, fds, threads, load";

impl Columns {
    /// Finds the columns of a header.
    ///
    /// # Errors
    /// If a mapped column isn't there, a unit is not known, two columns claim the same place, or nothing can be judged.
    pub fn find(header: &[Vec<u8>], mapping: &Mapping) -> Result<Columns, String> {
        let names = Names { header, plain: header.iter().map(|name| normal(&String::from_utf8_lossy(name))).collect() };
        let time = names.column("time", &mapping.time, TIME, &TIME_UNITS)?;
        let (memory, kind) = names.memory(mapping)?;
        let whole =
            |what, mapped, known| Ok::<_, String>(names.column::<()>(what, mapped, known, &[])?.map(|(i, _)| i));
        let swap = names.column("swap", &mapping.swap, SWAP, &MEMORY_UNITS)?;
        let columns = Columns {
            time: time.map(|(i, unit)| (i, unit.unwrap_or(1.0))),
            requests: whole("requests", &mapping.requests, REQUESTS)?,
            memory,
            kind,
            swap: swap.map(|(i, unit)| names.unit(i, unit, mapping)).transpose()?,
            worker: whole("worker", &mapping.worker, WORKER)?,
            pid: whole("pid", &mapping.pid, PID)?,
            start: whole("start", &None, START)?,
            descriptors: whole("fds", &mapping.descriptors, DESCRIPTORS)?,
            threads: whole("threads", &mapping.threads, THREADS)?,
            load: whole("load", &mapping.load, LOAD)?,
        };
        let lacks = if columns.time.is_none() && columns.requests.is_none() {
            "a time or requests"
        } else if columns.memory.is_none() && columns.descriptors.is_none() && columns.threads.is_none() {
            "memory, descriptors or threads"
        } else {
            return Ok(columns);
        };
        Err(format!(
            "no column is known to hold {lacks}; found: {}; recognised: {RECOGNISED}; map others with --time, \
             --requests, --memory and so on",
            names.list()
        ))
    }
}

struct Names<'a> {
    header: &'a [Vec<u8>],
    plain: Vec<String>,
}

impl Names<'_> {
    /// The column mapped to `what`, or the only one whose name is known, and its unit if the name ends in one.
    fn column<U: Copy>(
        &self,
        what: &str,
        mapped: &Option<String>,
        known: &[&str],
        units: &[(&str, U)],
    ) -> Result<Option<(usize, Option<U>)>, String> {
        if let Some(name) = mapped {
            let index = self.mapped(what, name)?;
            return Ok(Some((index, split(&self.plain[index], units).1)));
        }
        // The order of the known names is the order of preference: `elapsed_s` is a better time than `timestamp`.
        for name in known {
            let mut found = self.plain.iter().enumerate().filter_map(|(i, plain)| {
                let (base, unit) = split(plain, units);
                if plain == name { Some((i, None)) } else { (base == *name).then_some((i, unit)) }
            });
            match (found.next(), found.next()) {
                (Some(_), Some((second, _))) => {
                    return Err(format!(
                        "more than one column is the {what}, such as `{}`: choose with --{what}",
                        shown(&self.header[second])
                    ));
                }
                (Some(one), None) => return Ok(Some(one)),
                (None, _) => {}
            }
        }
        Ok(None)
    }

    fn mapped(&self, what: &str, name: &str) -> Result<usize, String> {
        let wanted = normal(name);
        let exact = self.header.iter().position(|h| h == name.as_bytes());
        exact.or_else(|| self.plain.iter().position(|plain| *plain == wanted)).ok_or_else(|| {
            format!("no column is called `{}`, as --{what} wants it; found: {}", shown(name.as_bytes()), self.list())
        })
    }

    fn memory(&self, mapping: &Mapping) -> Result<(Option<(usize, u64)>, MemoryKind), String> {
        let kinds =
            [(MemoryKind::Anonymous, ANONYMOUS), (MemoryKind::Private, PRIVATE), (MemoryKind::Resident, RESIDENT)];
        if let Some(name) = &mapping.memory {
            let index = self.mapped("memory", name)?;
            let (base, unit) = split(&self.plain[index], &MEMORY_UNITS);
            let kind = kinds.iter().find(|(_, known)| known.contains(&base)).map_or(MemoryKind::Unknown, |(k, _)| *k);
            return Ok((Some(self.unit(index, unit, mapping)?), kind));
        }
        for (kind, known) in kinds {
            if let Some((index, unit)) = self.column("memory", &None, known, &MEMORY_UNITS)? {
                return Ok((Some(self.unit(index, unit, mapping)?), kind));
            }
        }
        Ok((None, MemoryKind::Unknown))
    }

    /// The unit of a column of memory: as it was asked for, else as its name says.
    fn unit(&self, index: usize, named: Option<u64>, mapping: &Mapping) -> Result<(usize, u64), String> {
        let unit = mapping.memory_unit.or(named).ok_or_else(|| {
            format!(
                "the unit of column `{}` isn't known: give --memory-unit, or name it like `rss_kib`",
                shown(&self.header[index])
            )
        })?;
        Ok((index, unit))
    }

    /// The columns found, for a message: not all of a hostile header.
    fn list(&self) -> String {
        const MOST: usize = 30;
        let mut list: Vec<String> = self.header.iter().take(MOST).map(|name| format!("`{}`", shown(name))).collect();
        if self.header.len() > MOST {
            list.push(format!("{} more", self.header.len() - MOST));
        }
        list.join(", ")
    }
}

/// A name as names are compared: in lower case, with single `_` between words.
fn normal(name: &str) -> String {
    let words = name.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join("_")
}

/// A name less its unit, and the unit.
fn split<'a, U: Copy>(name: &'a str, units: &[(&str, U)]) -> (&'a str, Option<U>) {
    match name.rsplit_once('_') {
        Some((base, last)) => match units.iter().find(|(unit, _)| *unit == last) {
            Some((_, unit)) => (base, Some(*unit)),
            None => (name, None),
        },
        None => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(header: &str, mapping: &Mapping) -> Result<Columns, String> {
        let header: Vec<Vec<u8>> = header.split(',').map(|name| name.as_bytes().to_vec()).collect();
        Columns::find(&header, mapping)
    }

    #[test]
    fn names_are_known_in_any_spelling() {
        let columns = find("Elapsed Time (s),Requests,RSS (KiB),Anon-KB,PID,Num Threads", &Mapping::default()).unwrap();
        assert_eq!(columns.time, Some((0, 1.0)));
        assert_eq!((columns.memory, columns.kind), (Some((3, 1024)), MemoryKind::Anonymous));
        assert_eq!((columns.requests, columns.pid, columns.threads), (Some(1), Some(4), Some(5)));
        assert_eq!(find("time_ms,rss_bytes", &Mapping::default()).unwrap().time, Some((0, 1e-3)));
    }

    #[test]
    fn a_mapping_comes_before_names() {
        let mapping = Mapping {
            time: Some("when".into()),
            memory: Some("heap_mib".into()),
            requests: Some("N".into()),
            ..Mapping::default()
        };
        let columns = find("time,when,heap_mib,rss_kib,n", &mapping).unwrap();
        assert_eq!((columns.time, columns.memory, columns.requests), (Some((1, 1.0)), Some((2, 1 << 20)), Some(4)));
        let mapping = Mapping { memory_unit: Some(1000), ..mapping };
        assert_eq!(find("when,heap_mib,n", &mapping).unwrap().memory, Some((1, 1000)));
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        let none = Mapping::default();
        let error = |header: &str| find(header, &none).unwrap_err();
        assert!(error("a,b\u{1b}[31m").contains("found: `a`, `b\\u{1b}[31m`; recognised: elapsed_s, requests"));
        assert!(error("time,rss").contains("the unit of column `rss` isn't known"));
        assert!(error("time,rss_kib,rss_mb").contains("more than one column is the memory, such as `rss_mb`"));
        assert!(
            error("time,cpu")
                .contains("no column is known to hold memory, descriptors or threads; found: `time`, `cpu`")
        );
        let mapping = Mapping { pid: Some("id".into()), ..Mapping::default() };
        assert!(find("time,rss_kib", &mapping).unwrap_err().contains("no column is called `id`, as --pid wants it"));
    }
}
