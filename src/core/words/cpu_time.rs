//! CPU time, in sentences.

use super::doubts::named;
use crate::answer::{CpuShare, CpuTime};
use crate::model::{format_seconds, shown_command, whole_percent};

/// Programs that a sentence names.
const MOST: usize = 3;

/// What a request takes, who takes it, and that it grows: `a request takes 2.1 ms of CPU time (84 % of a core): 1.9 ms in 4 workers,
/// 240 µs in PID 12 (mariadbd)`.
pub fn sentences(time: &CpuTime) -> Vec<String> {
    let amount = |seconds: f64| match time.per_request(seconds) {
        Some(each) => format_seconds(each),
        None => whole_percent(time.cores(seconds)),
    };
    let cores = whole_percent(time.cores(time.total()));
    let all = match time.per_request(time.total()) {
        Some(each) => format!("a request takes {} of CPU time ({cores} of a core)", format_seconds(each)),
        None => format!("the target uses {cores} of a core"),
    };
    let groups = groups(&time.shares);
    let mut parts: Vec<String> =
        groups.iter().take(MOST).map(|(who, seconds)| format!("{} in {who}", amount(*seconds))).collect();
    if groups.len() > MOST {
        let rest = groups[MOST..].iter().map(|group| group.1).sum();
        parts.push(format!("{} elsewhere in the target", amount(rest)));
    }
    let first = if groups.len() > 1 { format!("{all}: {}", parts.join(", ")) } else { all };
    let grows = time.grows.map(|(first, last)| {
        let (first, last) = (format_seconds(first), format_seconds(last));
        format!("CPU time of the workers grows: from {first} for a request in the first quarter to {last} in the last")
    });
    [first].into_iter().chain(grows).collect()
}

/// Workers together, the others by their command; the most first.
fn groups(shares: &[CpuShare]) -> Vec<(String, f64)> {
    let mut groups: Vec<(Option<&str>, Vec<&CpuShare>)> = Vec::new();
    for share in shares {
        let program = (!share.is_worker).then_some(&share.who.command[..]);
        match groups.iter_mut().find(|group| group.0 == program) {
            Some(group) => group.1.push(share),
            None => groups.push((program, vec![share])),
        }
    }
    let told = |(program, of): (Option<&str>, Vec<&CpuShare>)| {
        let who = match (program, &of[..]) {
            (None, [one]) => format!("the worker, {}", named(&one.who)),
            (Some(_), [one]) => named(&one.who),
            (None, many) => format!("{} workers", many.len()),
            (Some(program), many) => format!("{} ({} processes)", shown_command(program), many.len()),
        };
        (who, of.iter().map(|share| share.seconds).sum())
    };
    let mut out: Vec<(String, f64)> = groups.into_iter().map(told).collect();
    out.sort_by(|a, b| b.1.total_cmp(&a.1));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Named;

    fn share(pid: u32, command: &str, is_worker: bool, seconds: f64) -> CpuShare {
        CpuShare { who: Named { pid, command: command.into() }, is_worker, seconds }
    }

    fn time(requests: Option<f64>, shares: Vec<CpuShare>) -> CpuTime {
        CpuTime { watched: 10.0, requests, shares, grows: None }
    }

    #[test]
    fn a_request_has_its_cost_and_who_bears_it() {
        let shares = vec![share(12, "mariadbd", false, 4.0), share(3, "", true, 1.0), share(4, "", true, 1.0)];
        let said = sentences(&time(Some(1000.0), shares));
        assert_eq!(
            said,
            ["a request takes 6 ms of CPU time (60 % of a core): 4 ms in PID 12 (mariadbd), 2 ms in 2 workers"]
        );
    }

    #[test]
    fn one_worker_alone_is_not_told_twice() {
        let said = sentences(&time(Some(100.0), vec![share(3, "", true, 1.0)]));
        assert_eq!(said, ["a request takes 10 ms of CPU time (10 % of a core)"]);
    }

    #[test]
    fn without_requests_it_is_a_share_of_a_core() {
        let many = (0..6).map(|pid| share(pid, &format!("p{pid}"), false, 1.0)).collect();
        let said = sentences(&time(None, many));
        assert!(said[0].starts_with("the target uses 60 % of a core: 10 % in PID 0 (p0)"), "{said:?}");
        assert!(said[0].ends_with("elsewhere in the target"), "{said:?}");
    }

    #[test]
    fn growth_has_both_its_ends() {
        let said =
            sentences(&CpuTime { grows: Some((0.002, 0.004)), ..time(Some(1.0), vec![share(3, "", true, 1.0)]) });
        assert_eq!(
            said[1],
            "CPU time of the workers grows: from 2 ms for a request in the first quarter to 4 ms in the last"
        );
    }
}
