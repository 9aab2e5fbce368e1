//! The readings of workers as CSV, with units in the names of the columns; what is missing is empty.

use crate::model::RunRecord;
use std::fmt::Write;

/// The columns, in their order.
pub const HEADER: &str = "elapsed_s,requests,anon_kib,swap_kib,file_kib,shmem_kib,fds,threads,pid,start";

/// Renders every reading of a worker as a line.
pub fn render(record: &RunRecord) -> String {
    let mut out = String::with_capacity(64 * (record.samples.len() + 1));
    out.push_str(HEADER);
    out.push('\n');
    for s in &record.samples {
        let kib = |bytes: Option<u64>| whole(bytes.map(|b| b / 1024));
        let fields = [
            seconds(s.t),
            whole(s.requests),
            kib(s.anon),
            kib(s.swap),
            kib(s.file),
            kib(s.shmem),
            whole(s.fds),
            whole(s.threads),
        ];
        // Writing to a string doesn't fail.
        let _ = writeln!(out, "{},{},{}", fields.join(","), s.worker.pid, s.worker.birth());
    }
    out
}

/// Renders every look at a series of the user's own as a line; `None` if there are none.
pub fn metrics(record: &RunRecord) -> Option<String> {
    let mut out = "elapsed_s,metric,unit,value\n".to_owned();
    for reading in &record.metrics {
        let unit = if reading.metric.in_bytes() { "bytes" } else { "items" };
        let value = reading.value.filter(|value| value.is_finite()).map_or_else(String::new, |value| value.to_string());
        let _ = writeln!(out, "{},{},{unit},{value}", seconds(reading.t), reading.metric.name());
    }
    (!record.metrics.is_empty()).then_some(out)
}

fn whole(value: Option<u64>) -> String {
    value.map_or_else(String::new, |v| v.to_string())
}

fn seconds(t: f64) -> String {
    if t.is_finite() { format!("{t:.3}") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Sample, WorkerId};
    use crate::report::fixture;

    #[test]
    fn what_is_missing_is_empty() {
        let (mut record, _) = fixture::empty();
        let mut sample = Sample::new(1.25, WorkerId::new(7, 99));
        sample.anon = Some(4 << 20);
        record.samples = vec![sample];
        assert_eq!(render(&record), format!("{HEADER}\n1.250,,4096,,,,,,7,99\n"));
    }
}
