//! Columns that are taken for memory or for counts by mistake: they are refused by name, with what to record in their place.

use super::columns::{Columns, Names};
use super::names::{KINDS, MEMORY_UNITS, is_no_count, is_rate, load_test};
use super::shown;

impl Names<'_> {
    /// Refuses what tools that send a load write: it has no memory, and its times and counts are of requests.
    pub fn not_of_a_load_test(&self) -> Result<(), String> {
        let Some(tool) = load_test(&self.plain).filter(|_| self.mapping.memory.is_none()) else { return Ok(()) };
        if KINDS.iter().any(|(_, known)| !self.known(known, &MEMORY_UNITS).is_empty()) {
            return Ok(());
        }
        Err(format!(
            "it is {tool}'s record of requests, without the memory of who answers them: record that beside it (`seepage \
             attach`, `pidstat -r`, or Prometheus), and judge that by the hour; found: {}",
            self.list()
        ))
    }

    /// Refuses what `/proc/PID/statm` has: it counts pages, and no unit says how large these are.
    pub fn not_in_pages(&self) -> Result<(), String> {
        const STATM: [&str; 5] = ["size", "resident", "shared", "text", "data"];
        if !STATM.iter().all(|name| self.plain.iter().any(|plain| plain == name)) {
            return Ok(());
        }
        Err("it is of /proc/PID/statm, which counts pages: record VmRSS and RssAnon of /proc/PID/status, or multiply by `getconf PAGESIZE` into a \
             column `rss_bytes`"
            .into())
    }

    /// Refuses a rate as a count of requests: summed up, it is one only if it is for each of just the rows' intervals.
    ///
    /// Nor do their sizes, their times or those under way say how many were served.
    pub fn no_rate(&self, columns: &Columns) -> Result<(), String> {
        let said = self.mapping.requests_are.is_some();
        let one = columns.requests.filter(|_| !columns.memory.is_empty());
        if let Some(index) = one.filter(|index| !said && is_no_count(&self.plain[*index])) {
            return Err(format!(
                "column `{}` has sizes or times of requests, or those under way, by its name, and no count of them: give the requests \
                 served so far with --requests, or leave it out for growth by the hour",
                shown(&self.header[index])
            ));
        }
        let rate = columns.requests.filter(|index| !said && is_rate(&self.plain[*index]));
        rate.map_or(Ok(()), |index| {
            let name = shown(&self.header[index]);
            Err(format!(
                "column `{name}` has requests in a unit of time, by its name, and no count of them: give the requests served so far, or \
                 --load '{name}' for growth by the hour; if it counts those since the row before, --requests-are interval"
            ))
        })
    }

    /// Refuses a share as memory: of what, the table doesn't say.
    pub fn share(&self, index: usize) -> String {
        format!(
            "column `{}` is a share, such as that of the machine's memory, and no size: record sizes beside it (RSS, as `ps -o rss` has it), or \
             multiply it by what it is a share of, into a column like `rss_bytes`",
            shown(&self.header[index])
        )
    }
}
