//! Which column is what: by its name, or as it was mapped.

use super::clock::{Clock, Form, UNITS, unit};
use super::names::{
    BESIDE_CPU_TIME, COMMAND, DESCRIPTORS, KINDS, LOAD, MEANT, MEMORY_UNITS, PID, PSRECORD, REQUESTS, SHARED,
    SINCE_A_BEGINNING, START, SWAP, THREADS, TIME, TIME_UNITS, UNIT, WORKER, is_share, may_be_swap, normal, split,
};
use super::values::{Numbers, is_missing, size};
use super::{Mapping, host, metrics, shown};
use crate::model::MemoryKind;
use csv::ByteRecord;

/// The place of each quantity in a row, with its unit; `None` if the table lacks it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Columns {
    pub time: Option<TimeColumn>,
    pub requests: Option<usize>,
    /// Place and unit of memory; of several columns, each is a worker's.
    pub memory: Vec<Size>,
    pub swap: Option<Size>,
    /// Shared memory.
    pub shared: Option<Size>,
    /// The column that holds most of a process, if that is another than the judged one.
    pub wider: Option<(Size, MemoryKind)>,
    /// Column of the unit of memory in each row.
    pub units: Option<usize>,
    /// Columns whose values together name a worker.
    pub workers: Vec<usize>,
    pub pid: Option<usize>,
    /// What the process runs, where there is a PID that may be another program's.
    pub command: Option<usize>,
    pub start: Option<usize>,
    pub descriptors: Option<usize>,
    pub threads: Option<usize>,
    pub load: Option<usize>,
    /// What the memory column holds.
    pub kind: MemoryKind,
    /// Columns that have to hold these values, for a row to be read.
    pub filters: Vec<(usize, Vec<u8>)>,
    /// Columns that nothing is read from.
    pub unused: Vec<usize>,
    /// Of these, the ones that may grow as what is judged does, by their names.
    pub watched: Vec<usize>,
    /// Of these, the ones that could be another clock.
    pub clocks: Vec<usize>,
    /// Of these, the ones with words, which may tell processes apart.
    pub labels: Vec<usize>,
}

/// The column of the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TimeColumn {
    pub index: usize,
    /// A column of dates, where this one has times of day.
    pub date: Option<usize>,
    /// Seconds in the unit; `None` if neither the name nor the user says it.
    pub unit: Option<f64>,
    /// Whether it may hold dates, by its name.
    pub wall: bool,
}

/// A column of sizes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Size {
    pub index: usize,
    /// Bytes in the unit; `None` where each value has its own.
    pub unit: Option<u64>,
}

const RECOGNISED: &str = "elapsed_s, requests, anon_kib or private_kib or rss_kib (also _bytes, _kb, _mb, _mib), \
                          swap_kib, worker, pid, start, fds, threads, load";

impl Columns {
    /// Finds the columns of a header, above these first rows.
    ///
    /// # Errors
    /// If a mapped column isn't there, a unit is not known, two columns could be the same thing, or nothing can be judged.
    pub fn find(header: &[Vec<u8>], rows: &[ByteRecord], mapping: &Mapping, delimiter: u8) -> Result<Columns, String> {
        // A metric with labels is a column of that metric.
        let metrics: Vec<Option<String>> = header.iter().map(|name| metrics::of(name)).collect();
        let plain = header.iter().zip(&metrics).map(|(name, metric)| {
            let plain = normal(metric.as_deref().unwrap_or(&String::from_utf8_lossy(name)));
            // `%MEM` is no `MEM`.
            if name.contains(&b'%') && !plain.is_empty() { plain + "_percent" } else { plain }
        });
        let plain = plain.collect();
        let labelled = metrics.iter().map(Option::is_some).collect();
        let mut names = Names { header, plain, labelled, rows, mapping, delimiter, mapped: Vec::new() };
        names.give_way();
        let names = names;
        names.not_of_a_load_test()?;
        names.not_in_pages()?;
        let whole =
            |what, mapped, known| Ok::<_, String>(names.only::<()>(what, mapped, known, &[])?.map(|(index, _)| index));
        let (time, clocks) = names.time()?;
        let swap = match names.without_swap() {
            true => None,
            false => names.only("swap", &mapping.swap, SWAP, &MEMORY_UNITS)?,
        };
        let mut columns = Columns {
            time,
            requests: whole("requests", &mapping.requests, REQUESTS)?,
            swap: swap.map(|(i, unit)| names.unit(i, unit)).transpose()?,
            workers: match &mapping.worker {
                Some(name) => match names.mapped("worker", name) {
                    Err(_) if name.contains(',') => {
                        name.split(',').map(|name| names.mapped("worker", name)).collect::<Result<_, _>>()?
                    }
                    one => vec![one?],
                },
                None => names.all(WORKER),
            },
            pid: whole("pid", &mapping.pid, PID)?,
            start: names.only("start", &mapping.start, START, &TIME_UNITS)?.map(|(index, _)| index),
            descriptors: names.whole_of("fds", &mapping.descriptors, DESCRIPTORS)?,
            threads: names.whole_of("threads", &mapping.threads, THREADS)?,
            load: whole("load", &mapping.load, LOAD)?,
            filters: names.filters()?,
            ..Columns::default()
        };
        (columns.memory, columns.kind) = names.memory(&columns)?;
        names.each_once(&columns)?;
        names.no_rate(&columns)?;
        if columns.memory.is_empty() && columns.descriptors.is_none() && columns.threads.is_none() {
            let is_share = |plain: &String| is_share(plain) && plain.contains("mem");
            if let Some(share) = names.plain.iter().position(is_share) {
                return Err(names.share(share));
            }
            columns.memory = names.one_for_each_worker(&columns)?;
        }
        let one = columns.memory.len() == 1;
        columns.command = columns.pid.and_then(|_| names.all(COMMAND).first().copied()).filter(|i| !columns.uses(*i));
        columns.shared = names.with_values(SHARED).filter(|_| one).map(|(i, unit)| names.unit(i, unit)).transpose()?;
        columns.wider = names.wider(&columns)?;
        columns.units = names.units().filter(|_| !columns.memory.is_empty());
        columns.unused = (0..header.len()).filter(|index| !columns.uses(*index)).collect();
        columns.watched = names.watched(&columns);
        columns.clocks = clocks;
        names.not_swapped(&columns)?;
        let words = |index: &usize| !columns.clocks.contains(index) && names.has_words(*index);
        columns.labels = columns.unused.iter().copied().filter(words).collect();
        let lacks = if columns.time.is_none() && columns.requests.is_none() {
            "a time or requests"
        } else if columns.memory.is_empty() && columns.descriptors.is_none() && columns.threads.is_none() {
            "memory, descriptors or threads"
        } else {
            return Ok(columns);
        };
        if let Some((option, index)) = names.took_clock().filter(|_| columns.time.is_none()) {
            return Err(format!(
                "no column is known to hold {lacks}: `{}`, which may be the clock, is taken by --{option}; give --{option} another, or the \
                 clock with --time; found: {}",
                shown(&names.header[index]),
                names.list()
            ));
        }
        Err(format!(
            "no column is known to hold {lacks}; found: {}; recognised: {RECOGNISED}; map others with --time, \
             --requests, --memory and so on",
            names.list()
        ))
    }

    /// All columns of sizes.
    pub fn sizes(&self) -> impl Iterator<Item = &Size> {
        let wider = self.wider.iter().map(|(size, _)| size);
        self.memory.iter().chain(&self.swap).chain(&self.shared).chain(wider)
    }

    pub fn uses(&self, index: usize) -> bool {
        let time = self.time.iter().any(|time| time.index == index || time.date == Some(index));
        let one =
            [self.units, self.requests, self.pid, self.command, self.start, self.descriptors, self.threads, self.load];
        time || one.contains(&Some(index))
            || self.sizes().any(|size| size.index == index)
            || self.workers.contains(&index)
            || self.filters.iter().any(|(filter, _)| *filter == index)
    }
}

/// Whether times differ by the same everywhere, to a second or a hundredth of what they span.
fn same_times(a: &[f64], b: &[f64]) -> bool {
    let ends = |values: &mut dyn Iterator<Item = f64>| {
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)))
    };
    let span = ends(&mut a.iter().copied());
    let apart = ends(&mut a.iter().zip(b).map(|(a, b)| a - b));
    let span = span.1 - span.0;
    a.len() > 2 && span > 0.0 && apart.1 - apart.0 <= (0.01 * span).max(1.0f64.min(0.2 * span))
}

/// The names in a list with commas between.
fn parts(list: &str) -> impl Iterator<Item = &str> {
    [list].into_iter().chain(list.split(',').map(str::trim).filter(move |_| list.contains(',')))
}

pub(super) struct Names<'a> {
    pub header: &'a [Vec<u8>],
    pub plain: Vec<String>,
    /// Which are metrics with their labels.
    labelled: Vec<bool>,
    pub rows: &'a [ByteRecord],
    pub mapping: &'a Mapping,
    pub delimiter: u8,
    /// Columns that the user mapped: their names mean nothing else.
    mapped: Vec<usize>,
}

impl Names<'_> {
    /// Keeps what the user mapped from being found for something else by its name. A PID that names the worker is still a PID.
    fn give_way(&mut self) {
        let m = self.mapping;
        let each = [&m.time, &m.requests, &m.swap, &m.pid, &m.start, &m.descriptors, &m.threads, &m.load];
        let each = each.into_iter().flatten().map(String::as_str).chain(m.memory.iter().flat_map(|list| parts(list)));
        let workers = m.worker.iter().flat_map(|list| parts(list));
        let identity = |index: &usize| [PID, START].iter().any(|known| known.contains(&self.plain[*index].as_str()));
        let workers = workers.filter_map(|name| self.mapped("", name).ok()).filter(|index| !identity(index));
        self.mapped = each.filter_map(|name| self.mapped("", name).ok()).chain(workers).collect();
    }

    /// The option that maps a column to something else whose name is a clock's.
    fn took_clock(&self) -> Option<(&'static str, usize)> {
        let m = self.mapping;
        let options = [
            ("requests", &m.requests),
            ("memory", &m.memory),
            ("swap", &m.swap),
            ("worker", &m.worker),
            ("pid", &m.pid),
            ("fds", &m.descriptors),
            ("threads", &m.threads),
            ("load", &m.load),
            ("start", &m.start),
        ];
        let is_clock = |index: &usize| {
            let plain = self.plain[*index].as_str();
            TIME.contains(&plain) || TIME.contains(&split(plain, &TIME_UNITS).0)
        };
        let given = options.into_iter().filter_map(|(option, name)| Some((option, name.as_deref()?)));
        let mut columns = given.flat_map(|(option, list)| parts(list).map(move |name| (option, name)));
        columns.find_map(|(option, name)| Some((option, self.mapped("", name).ok().filter(is_clock)?)))
    }

    /// Refuses a column that is to be two things.
    fn each_once(&self, columns: &Columns) -> Result<(), String> {
        let one = |option: &'static str, index: Option<usize>| index.map(|index| (option, index));
        let time = columns.time.iter().flat_map(|time| [Some(time.index), time.date]);
        let mut roles: Vec<(&str, usize)> = time.flatten().map(|index| ("time", index)).collect();
        roles.extend(columns.memory.iter().map(|size| ("memory", size.index)));
        roles.extend(
            [
                one("requests", columns.requests),
                one("swap", columns.swap.map(|size| size.index)),
                one("fds", columns.descriptors),
                one("threads", columns.threads),
                one("load", columns.load),
            ]
            .into_iter()
            .flatten(),
        );
        let identity = columns.pid.into_iter().chain(columns.start);
        let workers = columns.workers.iter().copied().filter(|index| !identity.clone().any(|other| other == *index));
        roles.extend(workers.map(|index| ("worker", index)));
        roles.extend(columns.pid.map(|index| ("pid", index)));
        roles.extend(columns.start.map(|index| ("start", index)));
        for (place, (role, index)) in roles.iter().enumerate() {
            if let Some((before, _)) = roles[..place].iter().find(|(_, other)| other == index) {
                return Err(format!(
                    "column `{}` can't be both the {before} and the {role}: give --{before} or --{role} another",
                    shown(&self.header[*index])
                ));
            }
        }
        Ok(())
    }

    /// Columns with one of these names, with their unit if the name ends in one.
    pub fn known<U: Copy>(&self, known: &[&str], units: &[(&str, U)]) -> Vec<(usize, Option<U>)> {
        let one = |(index, plain): (usize, &String)| {
            if known.contains(&plain.as_str()) {
                return Some((index, None));
            }
            let (base, unit) = split(plain, units);
            (unit.is_some() && known.contains(&base)).then_some((index, unit))
        };
        self.plain.iter().enumerate().filter(|(index, _)| !self.mapped.contains(index)).filter_map(one).collect()
    }

    fn all(&self, known: &[&str]) -> Vec<usize> {
        self.known::<()>(known, &[]).into_iter().map(|(index, _)| index).collect()
    }

    /// The column mapped to `what`, or the only one whose name is known, and its unit if the name ends in one.
    fn only<U: Copy>(
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
        match &self.known(known, units)[..] {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            [first, second, ..] => Err(self.either(what, first.0, second.0)),
        }
    }

    /// The column mapped to `what`, or that of the first lists of names of which there is one.
    fn whole_of(&self, what: &str, mapped: &Option<String>, lists: [&[&str]; 2]) -> Result<Option<usize>, String> {
        let one = |known| Ok::<_, String>(self.only::<()>(what, mapped, known, &[])?.map(|(index, _)| index));
        Ok(one(lists[0])?.or(one(lists[1])?))
    }

    /// Whether the user says that there is no column of swapped memory.
    fn without_swap(&self) -> bool {
        self.mapping.swap.as_deref() == Some("none") && self.mapped("swap", "none").is_err()
    }

    /// Refuses to leave out what may be swapped memory: a leak that is swapped out shows there alone.
    fn not_swapped(&self, columns: &Columns) -> Result<(), String> {
        let is_read = columns.swap.is_some() || columns.memory.is_empty() || columns.kind == MemoryKind::Host;
        if is_read || self.without_swap() {
            return Ok(());
        }
        let may_be = columns.unused.iter().find(|index| may_be_swap(&self.plain[**index]));
        may_be.map_or(Ok(()), |index| {
            let name = shown(&self.header[*index]);
            Err(format!(
                "column `{name}` may be the swapped memory of the process, which is judged with the rest: say so with --swap '{name}', or \
                 that there is none with --swap none"
            ))
        })
    }

    /// The column of the unit of memory in each row.
    fn units(&self) -> Option<usize> {
        let is_unit = |text: &[u8]| std::str::from_utf8(text).is_ok_and(|unit| size(unit, 1.0).is_some());
        let values = |index: usize| {
            self.rows.iter().filter_map(move |row| row.get(index)).map(<[u8]>::trim_ascii).filter(|v| !is_missing(v))
        };
        self.all(UNIT).into_iter().find(|index| values(*index).next().is_some() && values(*index).all(is_unit))
    }

    fn either(&self, what: &str, first: usize, second: usize) -> String {
        format!(
            "more than one column could be the {what}: `{}` and `{}`; choose with --{what}",
            shown(&self.header[first]),
            shown(&self.header[second])
        )
    }

    pub fn mapped(&self, what: &str, name: &str) -> Result<usize, String> {
        let wanted = normal(name);
        let exact = self.header.iter().position(|h| h == name.as_bytes());
        exact.or_else(|| self.plain.iter().position(|plain| *plain == wanted)).ok_or_else(|| {
            format!("no column is called `{}`, as --{what} wants it; found: {}", shown(name.as_bytes()), self.list())
        })
    }

    /// The unit of times in a column that is called like it, such as `seconds`, or in psrecord's.
    fn seconds_in_name(&self, index: usize) -> Option<f64> {
        let plain = self.plain[index].as_str();
        let named = TIME_UNITS.iter().find(|(unit, _)| *unit == plain).map(|(_, seconds)| *seconds);
        let is_psrecord = plain == "elapsed_time" && self.plain.iter().any(|plain| PSRECORD.contains(&plain.as_str()));
        named.or(is_psrecord.then_some(1.0))
    }

    /// The clock, and what else could be one.
    fn time(&self) -> Result<(Option<TimeColumn>, Vec<usize>), String> {
        let column = |index: usize, unit: Option<f64>| TimeColumn {
            index,
            date: None,
            unit: self.mapping.time_unit.or(unit).or_else(|| self.seconds_in_name(index)),
            wall: !SINCE_A_BEGINNING.contains(&split(&self.plain[index], &TIME_UNITS).0),
        };
        let found = self.known(TIME, &TIME_UNITS);
        let others = |index: usize| found.iter().map(|(other, _)| *other).filter(|other| *other != index).collect();
        if let Some(name) = &self.mapping.time {
            let index = self.mapped("time", name)?;
            let unit = split(&self.plain[index], &TIME_UNITS).1;
            return Ok((Some(column(index, unit)), others(index)));
        }
        let Some((first, unit)) = found.first().copied() else { return Ok((None, Vec::new())) };
        let named = |name: &str| found.iter().map(|(index, _)| *index).find(|index| self.plain[*index] == name);
        if let (2, Some(date), Some(time)) = (found.len(), named("date"), named("time"))
            && self.holds(date, |text| !text.contains(&b':'))
            && self.holds(time, |text| text.contains(&b':'))
        {
            return Ok((Some(TimeColumn { date: Some(date), ..column(time, None) }), Vec::new()));
        }
        if self.plain[first] == "time" && self.is_cpu_time(first) {
            return Err(format!(
                "column `{}` may be CPU time, as `ps` and `top` print it: choose the clock with --time",
                shown(&self.header[first])
            ));
        }
        // The clock that was named first serves if the others say the same.
        let clock = column(first, unit);
        for (other, unit) in &found[1..] {
            if !self.same_clock(&clock, &column(*other, *unit)) {
                return Err(self.either("time", first, *other));
            }
        }
        Ok((Some(clock), others(first)))
    }

    fn holds(&self, index: usize, is: impl Fn(&[u8]) -> bool) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.get(index).is_some_and(&is))
    }

    fn is_cpu_time(&self, index: usize) -> bool {
        let beside = self.plain.iter().any(|name| PID.contains(&name.as_str()))
            && self.plain.iter().any(|name| BESIDE_CPU_TIME.contains(&name.as_str()));
        beside && self.holds(index, |text| text.contains(&b':') && !text.contains(&b'T'))
    }

    /// Whether two columns differ by the same in all of the first rows, to a second or a hundredth of what they span; of one whose unit
    /// nothing says, in some unit.
    fn same_clock(&self, one: &TimeColumn, other: &TimeColumn) -> bool {
        let times = |column: &TimeColumn| {
            let clock = Clock::new(None);
            let mut clock = if column.wall { clock } else { clock.of_ages() };
            let read = self.rows.iter().map(|row| clock.read(row.get(column.index)?.trim_ascii()).ok());
            let times: Vec<f64> = read.collect::<Option<_>>()?;
            let units = match clock.form() {
                Form::Number => match unit(&times, column.unit, column.wall) {
                    Ok((unit, _)) => vec![unit],
                    Err(_) => UNITS.iter().map(|(_, unit)| *unit).collect(),
                },
                Form::Date | Form::OfDay | Form::Age => vec![1.0],
            };
            Some(units.into_iter().map(|unit| times.iter().map(|t| t * unit).collect()).collect())
        };
        let in_units = |column: &TimeColumn| -> Vec<Vec<f64>> { times(column).unwrap_or_default() };
        let (ones, others) = (in_units(one), in_units(other));
        ones.iter().any(|a| others.iter().any(|b| same_times(a, b)))
    }

    fn filters(&self) -> Result<Vec<(usize, Vec<u8>)>, String> {
        let filters = self.mapping.filters.iter();
        filters.map(|(name, value)| Ok((self.mapped("where", name)?, value.as_bytes().to_vec()))).collect()
    }

    fn memory(&self, columns: &Columns) -> Result<(Vec<Size>, MemoryKind), String> {
        if let Some(name) = &self.mapping.memory {
            if name.contains('*') || name.contains(',') && self.mapped("memory", name).is_err() {
                return Ok((self.listed(name, columns)?, MemoryKind::Unknown));
            }
            let index = self.mapped("memory", name)?;
            if is_share(&self.plain[index]) {
                return Err(self.share(index));
            }
            let (base, unit) = split(&self.plain[index], &MEMORY_UNITS);
            let kind = KINDS.iter().find(|(_, known)| known.contains(&base)).map_or(MemoryKind::Unknown, |(k, _)| *k);
            return Ok((vec![self.unit(index, unit)?], kind));
        }
        // A column without a value serves only if there is no other.
        let has_values = |(index, _): &(usize, Option<u64>)| !self.all_missing(*index);
        let any = KINDS.iter().any(|(_, known)| self.known(known, &MEMORY_UNITS).iter().any(has_values));
        for (kind, known) in KINDS {
            let found = self.known(known, &MEMORY_UNITS);
            if any && !found.iter().any(has_values) {
                continue;
            }
            if found.len() > 1 && found.iter().all(|(index, _)| self.labelled[*index]) {
                let sizes = found.into_iter().map(|(index, unit)| self.unit(index, unit));
                return Ok((sizes.collect::<Result<_, _>>()?, kind));
            }
            if let Some((index, unit)) = self.only("memory", &None, known, &MEMORY_UNITS)? {
                if kind == MemoryKind::Host && host::used_with_cache(self.header, self.rows) {
                    return Err(format!(
                        "`{}` has the page cache in it, as older versions of sysstat count it: choose another with --memory, such as \
                         `--memory kbcommit --memory-unit KiB`",
                        shown(&self.header[index])
                    ));
                }
                return Ok((vec![self.unit(index, unit)?], kind));
            }
        }
        Ok((Vec::new(), MemoryKind::Unknown))
    }

    pub fn all_missing(&self, index: usize) -> bool {
        !self.rows.is_empty()
            && self.rows.iter().all(|row| row.get(index).is_none_or(|value| is_missing(value.trim_ascii())))
    }

    /// Whether a column has words that differ from row to row.
    fn has_words(&self, index: usize) -> bool {
        let mut numbers = Numbers::new(self.delimiter, self.mapping.decimal);
        let mut words = self.rows.iter().filter_map(|row| row.get(index)).map(<[u8]>::trim_ascii);
        let Some(first) = words.find(|text| !is_missing(text)) else { return false };
        numbers.read(first, b"").is_none() && words.any(|word| word != first)
    }

    /// Whether the first values of a column have units of their own; `None` if some aren't numbers.
    pub fn value_unit(&self, index: usize) -> Option<bool> {
        let mut numbers = Numbers::new(self.delimiter, self.mapping.decimal);
        let mut own = false;
        for text in self.rows.iter().filter_map(|row| row.get(index)).map(<[u8]>::trim_ascii) {
            if is_missing(text) {
                continue;
            }
            let value = numbers.read(text, b"")?;
            own |= value.unit.is_some();
        }
        Some(own)
    }

    /// The unit of a column of memory: as it was asked for, else as its name says, else as its values do.
    pub fn unit(&self, index: usize, named: Option<u64>) -> Result<Size, String> {
        let meant = || MEANT.iter().find(|(name, _)| *name == self.plain[index]).map(|(_, unit)| *unit);
        let unit = self.mapping.memory_unit.or(named).or_else(meant);
        if unit.is_some() || self.value_unit(index) == Some(true) || self.units().is_some() {
            return Ok(Size { index, unit });
        }
        Err(format!(
            "the unit of column `{}` isn't known: give --memory-unit, or name it like `rss_kib`",
            shown(&self.header[index])
        ))
    }

    /// The columns found, for a message: not all of a hostile header.
    pub fn list(&self) -> String {
        const MOST: usize = 30;
        let mut list: Vec<String> = self.header.iter().take(MOST).map(|name| format!("`{}`", shown(name))).collect();
        if self.header.len() > MOST {
            list.push(format!("{} more", self.header.len() - MOST));
        }
        list.join(", ")
    }
}
