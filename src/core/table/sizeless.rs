//! Columns that are taken for memory by mistake: they are refused by name, with what to record in their place.

use super::columns::Names;
use super::names::{KINDS, MEMORY_UNITS, load_test};
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

    /// Refuses a share as memory: of what, the table doesn't say.
    pub fn share(&self, index: usize) -> String {
        format!(
            "column `{}` is a share, such as that of the machine's memory, and no size: record sizes beside it (RSS, as `ps -o rss` has it), or \
             multiply it by what it is a share of, into a column like `rss_bytes`",
            shown(&self.header[index])
        )
    }
}
