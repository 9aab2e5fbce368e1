//! Whether what was collected can be so: each reading at its own time, and sizes that processes have.

use super::clock::Form;
use super::collect::{Collector, Raw};
use super::columns::Size;
use super::course::Course;
use super::names::is_known;
use super::sizes;
use std::collections::BTreeSet;

impl Raw {
    /// Whether two rows of one time can't be one reading: where both have something, it isn't the same. A row that comes twice is one.
    fn is_another(&self, other: &Raw) -> bool {
        fn differ<V: PartialEq>(one: Option<V>, other: Option<V>) -> bool {
            one.zip(other).is_some_and(|(one, other)| one != other)
        }
        let same_kind = self.memory.is_some() && other.memory.is_some();
        differ(self.memory, other.memory)
            || differ(self.swap, other.swap)
            || differ(self.requests, other.requests)
            || differ(self.descriptors, other.descriptors)
            || differ(self.threads, other.threads)
            || differ(self.load, other.load)
            || same_kind && self.pulse != other.pulse
    }
}

impl Collector {
    /// Whether each reading has a time of its own, and times go on.
    pub(super) fn check_times(&self, courses: &[Course]) -> Result<(), String> {
        let Some(column) = self.columns.time else { return Ok(()) };
        let name = self.header.get(column.index).map_or("", String::as_str);
        let all = || courses.iter().flat_map(|course| &course.raws).map(|raw| raw.t);
        let (first, last) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        if self.rows > 2 && first >= last {
            return Err(format!("column `{name}` never changes: choose the clock with --time"));
        }
        let (mut rows, mut beside, mut elsewhere) = (0, 0, 0);
        for course in courses {
            rows += course.raws.len();
            for (_, before, after) in course.steps().filter(|(_, before, after)| before.t >= after.t) {
                if before.is_another(after) {
                    *(if before.order.abs_diff(after.order) <= 1 { &mut beside } else { &mut elsewhere }) += 1;
                }
            }
        }
        // A clock of whole seconds may have two neighbours in one now and then.
        let again: usize = beside + elsewhere;
        if again < 3 || elsewhere < 3 && again * 20 < rows {
            return Ok(());
        }
        let of: Vec<String> =
            self.columns.labels.iter().filter_map(|index| self.header.get(*index)).map(|n| format!("`{n}`")).collect();
        let of = if of.is_empty() { String::new() } else { format!(" (one of {}?)", of.join(", ")) };
        let set_back = if self.form == Form::Date && elsewhere > beside {
            "; if a local clock was set back, write times in UTC or with their offset"
        } else {
            ""
        };
        Err(format!(
            "{again} of {rows} rows have the same time as another that differs: say which column tells their processes apart with \
             --worker{of}, or choose rows with --where COLUMN=VALUE{set_back}; of \
             one process, keep one row of each moment"
        ))
    }

    /// Whether what is taken as memory, swapped memory and requests has any value.
    pub(super) fn check_values(&self, courses: &[Course]) -> Result<(), String> {
        let all = || courses.iter().flat_map(|course| &course.raws);
        let of = |size: Option<&Size>| size.map(|size| size.index);
        let [memory, swap] = [of(self.columns.memory.first()), of(self.columns.swap.as_ref())];
        let (requests, none) =
            (self.columns.requests, |read: fn(&Raw) -> Option<u64>| all().all(|raw| read(raw).is_none()));
        let empty = [
            (memory, none(|raw| raw.memory), "choose another with --memory; without the column, all else is judged"),
            (swap, none(|raw| raw.swap), "choose another with --swap, or say by --swap none that there is none"),
            (
                requests,
                none(|raw| raw.requests),
                "choose another with --requests; without the column, growth is judged by the hour",
            ),
        ];
        let found = empty.into_iter().find_map(|(index, is_empty, what)| Some((index.filter(|_| is_empty)?, what)));
        found.map_or(Ok(()), |(index, what)| {
            let name = self.header.get(index).map_or("", String::as_str);
            Err(format!("column `{name}` has no value in any row: {what}"))
        })
    }

    /// Whether what is taken as memory may be that of processes, all of it and that of each.
    pub(super) fn check_sizes(&self, courses: &[Course]) -> Result<(), String> {
        let Some(column) = self.columns.memory.first() else { return Ok(()) };
        let sizes = |course: &Course| {
            let sizes: Vec<u64> = course.raws.iter().filter_map(|raw| raw.memory).collect();
            sizes
        };
        let name = |index: usize| self.header.get(index).map_or("", String::as_str);
        let counted = column.unit == Some(1) && self.mapping.memory_unit.is_none();
        if self.columns.memory.len() == 1
            && let Some(wrong) = sizes::wrong(courses.iter().flat_map(sizes), self.columns.kind, counted)
        {
            return Err(format!("column `{}`: {wrong}; give their unit with --memory-unit", name(column.index)));
        }
        if let Some(several) = self.several_metrics() {
            return Err(several);
        }
        let most = |course: &Course| sizes(course).into_iter().max().unwrap_or(0);
        let small = courses.iter().find(|course| (1..sizes::LEAST as u64).contains(&most(course)));
        let Some(course) = small else { return Ok(()) };
        let way = if self.columns.memory.len() > 1 {
            "choose columns with --memory, such as `--memory 'pod-*'`, or give another --memory-unit"
        } else {
            "choose rows with --where COLUMN=VALUE"
        };
        Err(format!(
            "`{}` has {} bytes at most, which is no memory of a process: {way}",
            self.whose(course.key),
            most(course)
        ))
    }

    /// Says so if a column that tells workers apart names metrics, of which only one can be memory.
    fn several_metrics(&self) -> Option<String> {
        self.mapping.memory.as_ref()?;
        for (place, column) in self.columns.workers.iter().enumerate() {
            let split = |name: &'_ String| {
                let parts: Vec<String> = name.split('/').map(str::to_owned).collect();
                if parts.len() == self.columns.workers.len() { parts.get(place).cloned() } else { None }
            };
            let values: BTreeSet<String> = self.called.iter().filter_map(split).collect();
            let metric = values.iter().find(|value| is_known(value));
            if let Some((metric, other)) = metric.zip(values.iter().find(|value| Some(*value) != metric)) {
                let name = self.header.get(*column).map_or("", String::as_str);
                return Some(format!(
                    "column `{name}` names several metrics, such as `{metric}` and `{other}`: choose one with --where \
                     '{name}={metric}'"
                ));
            }
        }
        None
    }
}
