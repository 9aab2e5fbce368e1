//! Whether the host was quiet enough to measure on.

use crate::answer::NoiseCause;
use crate::model::{HostSample, RunRecord};
use crate::stats::median;
use crate::thresholds::noise::SWAPPED;
use crate::thresholds::scale::{LITTLE, TENTH};

/// Why this host was too noisy; empty if it was quiet enough, or didn't tell.
pub fn noise(record: &RunRecord) -> Vec<NoiseCause> {
    let host = &record.host;
    let swapped = ends(host, |s| s.swap_used.map(|b| b as f64)).map(|((_, first), (_, last))| last - first);
    let over = |share: Option<f64>, most: f64| share.filter(|share| *share > most);
    let causes = [
        over(stolen(host, record.meta.host.cpus), LITTLE.get()).map(NoiseCause::Stolen),
        over(typical(host, |s| s.memory_pressure), TENTH.get()).map(NoiseCause::MemoryWait),
        over(typical(host, |s| s.cpu_pressure), 1.0 - TENTH.get()).map(NoiseCause::CpuWait),
        over(swapped, SWAPPED.get()).map(NoiseCause::Swapped),
    ];
    causes.into_iter().flatten().collect()
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
