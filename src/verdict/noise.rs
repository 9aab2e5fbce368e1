//! Whether the host was quiet enough to measure on.

use crate::model::{HostSample, RunRecord};
use crate::stats::median;

/// From these shares on, what was measured in time says more of the host than of the target.
const STOLEN: f64 = 0.05;
const MEMORY_WAIT: f64 = 0.10;
const CPU_WAIT: f64 = 0.90;

/// Growth of the host's swap in bytes that a run notices.
const SWAPPED: f64 = 64.0 * 1024.0 * 1024.0;

/// A sentence on why this host was too noisy to trust latencies and small differences; `None` if it was quiet enough,
/// or didn't tell.
pub fn noise(record: &RunRecord) -> Option<String> {
    let host = &record.host;
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let mut causes = Vec::new();
    if let Some(share) = stolen(host, record.meta.host.cpus).filter(|s| *s > STOLEN) {
        causes.push(format!("the hypervisor took {} of its CPU time", percent(share)));
    }
    if let Some(share) = typical(host, |s| s.memory_pressure).filter(|s| *s > MEMORY_WAIT) {
        causes.push(format!("processes waited for memory in {} of the time", percent(share)));
    }
    if let Some(share) = typical(host, |s| s.cpu_pressure).filter(|s| *s > CPU_WAIT) {
        causes.push(format!("processes waited for a CPU in {} of the time", percent(share)));
    }
    if let Some(((_, first), (_, last))) = ends(host, |s| s.swap_used.map(|b| b as f64))
        && last - first > SWAPPED
    {
        causes.push(format!("{} went to swap", crate::model::format_bytes(last - first)));
    }
    if causes.is_empty() {
        return None;
    }
    Some(format!("the host was noisy: {}; don't trust latencies, and repeat a close verdict", causes.join(", ")))
}

/// Share of the CPU time of the whole run that was stolen.
fn stolen(host: &[HostSample], cpus: u64) -> Option<f64> {
    let ((begun, first), (ended, last)) = ends(host, |s| s.steal)?;
    let time = (ended - begun) * cpus as f64;
    (time > 0.0).then(|| (last - first) / time)
}

/// The first and the last value, with their times.
fn ends(host: &[HostSample], value: impl Fn(&HostSample) -> Option<f64>) -> Option<((f64, f64), (f64, f64))> {
    let mut known = host.iter().filter_map(|s| Some((s.t, value(s)?)));
    let first = known.next()?;
    Some((first, known.next_back().unwrap_or(first)))
}

fn typical(host: &[HostSample], value: impl Fn(&HostSample) -> Option<f64>) -> Option<f64> {
    median(&host.iter().filter_map(value).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(t: f64) -> HostSample {
        HostSample { t, steal: Some(5.0), memory_pressure: Some(0.0), cpu_pressure: Some(0.5), ..Default::default() }
    }

    #[test]
    fn a_quiet_host_is_no_cause_for_a_word() {
        let quiet: Vec<_> = (0..20).map(|t| host(f64::from(t))).collect();
        assert_eq!(stolen(&quiet, 2), Some(0.0));
        assert_eq!(typical(&quiet, |s| s.cpu_pressure), Some(0.5));
    }

    #[test]
    fn stolen_time_is_a_share_of_all_processors() {
        let robbed: Vec<_> =
            (0..=20).map(|t| HostSample { steal: Some(f64::from(t) * 0.4), ..host(f64::from(t)) }).collect();
        assert!((stolen(&robbed, 2).unwrap() - 0.2).abs() < 1e-9);
        assert_eq!(stolen(&robbed[..1], 2), None);
        assert_eq!(stolen(&[], 2), None);
    }
}
