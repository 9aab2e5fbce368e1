//! What the driver did, in bounded memory: rows of a very long run are joined, two, four, ... seconds to one.

use crate::model::LoadSample;
use std::collections::HashMap;

/// Rows that are kept: some days of several steps.
const MOST: usize = if cfg!(test) { 1 << 8 } else { 1 << 18 };

/// Takes the rows of a run in their order.
#[derive(Debug)]
pub(super) struct LoadLog {
    rows: Vec<LoadSample>,
    /// Rows of a step that are joined to one.
    joined: u32,
    /// Of each step, the row that is being joined, and of how many.
    open: HashMap<String, (LoadSample, u32)>,
}

impl Default for LoadLog {
    fn default() -> Self {
        LoadLog { rows: Vec::new(), joined: 1, open: HashMap::new() }
    }
}

impl LoadLog {
    /// Takes the next row; an error if there are too many steps to keep apart.
    pub fn push(&mut self, row: LoadSample) -> Result<(), String> {
        self.take(row, 1);
        if self.rows.len() + self.open.len() > MOST {
            self.joined = self.joined.saturating_mul(2);
            // What is open is newer than all that is whole.
            let open = std::mem::take(&mut self.open);
            for row in std::mem::take(&mut self.rows) {
                self.take(row, self.joined / 2);
            }
            open.into_values().for_each(|(row, of)| self.take(row, of));
            if self.rows.len() + self.open.len() > 3 * MOST / 4 {
                return Err(format!("more than {} steps of the workload", MOST / 4));
            }
        }
        Ok(())
    }

    /// Adds a row that was joined of so many.
    fn take(&mut self, row: LoadSample, of: u32) {
        if of >= self.joined {
            self.rows.push(row);
            return;
        }
        match self.open.remove(&row.step) {
            None => {
                self.open.insert(row.step.clone(), (row, of));
            }
            Some((before, count)) if count + of >= self.joined => self.rows.push(join(before, row)),
            Some((before, count)) => {
                self.open.insert(before.step.clone(), (join(before, row), count + of));
            }
        }
    }

    /// The rows, in the order of time.
    pub fn finish(mut self) -> Vec<LoadSample> {
        if self.joined > 1 {
            self.rows.extend(self.open.into_values().map(|(row, _)| row));
            self.rows.sort_by(|a, b| a.t.total_cmp(&b.t));
        }
        self.rows
    }
}

/// Both rows of a step as one: sums, and of percentiles the worse.
fn join(before: LoadSample, after: LoadSample) -> LoadSample {
    let worse = |a: Option<f64>, b: Option<f64>| a.into_iter().chain(b).reduce(f64::max);
    LoadSample {
        t: after.t,
        step: before.step,
        sent: before.sent.saturating_add(after.sent),
        ok: before.ok.saturating_add(after.ok),
        aborted: before.aborted.saturating_add(after.aborted),
        failed: before.failed.saturating_add(after.failed),
        statuses: sums(before.statuses, after.statuses),
        errors: sums(before.errors, after.errors),
        p50: worse(before.p50, after.p50),
        p95: worse(before.p95, after.p95),
        p99: worse(before.p99, after.p99),
        bytes_sent: before.bytes_sent.saturating_add(after.bytes_sent),
    }
}

fn sums<K: PartialEq>(mut counts: Vec<(K, u64)>, more: Vec<(K, u64)>) -> Vec<(K, u64)> {
    /// Kinds that a row can have: more come only from elsewhere.
    const MOST_KINDS: usize = 1000;
    for (kind, count) in more {
        match counts.iter().position(|(known, _)| *known == kind) {
            Some(at) => counts[at].1 = counts[at].1.saturating_add(count),
            None if counts.len() < MOST_KINDS => counts.push((kind, count)),
            None => {}
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(t: u64, step: &str) -> LoadSample {
        let p50 = Some(1.0 / (1.0 + t as f64));
        LoadSample { t: t as f64, step: step.into(), sent: t, statuses: vec![(200, t)], p50, ..LoadSample::default() }
    }

    #[test]
    fn rows_are_joined_and_nothing_is_lost() {
        let mut log = LoadLog::default();
        let all: Vec<LoadSample> = (0..5000).map(|i| row(i / 2, ["a", "b"][i as usize % 2])).collect();
        all.iter().for_each(|row| log.push(row.clone()).unwrap());
        let rows = log.finish();
        assert!(rows.len() <= MOST && rows.len() >= MOST / 3, "{}", rows.len());
        assert!(rows.is_sorted_by(|a, b| a.t <= b.t));
        for step in ["a", "b"] {
            let sum = |rows: &[LoadSample]| rows.iter().filter(|r| r.step == step).map(|r| r.sent).sum::<u64>();
            assert_eq!(sum(&rows), sum(&all));
            assert!(rows.iter().all(|r| r.statuses[0].1 == r.sent));
        }
        let each: Vec<f64> = rows.iter().filter(|r| r.step == "a").map(|r| r.t).collect();
        let width = each[1] - each[0];
        assert!(each[..each.len() - 1].windows(2).all(|w| w[1] - w[0] == width), "all but the last are equally long");
    }

    #[test]
    fn few_rows_are_left_as_they_are_and_endless_steps_are_refused() {
        let mut log = LoadLog::default();
        (0..10).for_each(|t| log.push(row(t, "a")).unwrap());
        assert_eq!(log.finish(), (0..10).map(|t| row(t, "a")).collect::<Vec<_>>());
        let mut log = LoadLog::default();
        let refused = (0..1000).find_map(|t| log.push(row(t, &t.to_string())).err());
        assert!(refused.unwrap().contains("steps of the workload"));
    }
}
