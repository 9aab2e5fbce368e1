//! What counters of the user's own counted, in sentences.

use super::steps::{joined, name};
use crate::answer::{Counted, Interval, StepGrowth};
use crate::model::{Metric, Resource, amount};

/// Steps that are told.
const MOST: usize = 4;

/// What a request adds to each, by step, and that it grows: Questions, 52.3 for each request, 203 ± 2 for each of `list`. Those to
/// which nothing came have one sentence together.
pub fn sentences(counted: &[Counted]) -> Vec<String> {
    let idle: Vec<String> =
        counted.iter().filter(|one| one.total == 0.0).map(|one| format!("`{}`", one.metric.name())).collect();
    let still = (!idle.is_empty()).then(|| format!("nothing came to {}", joined(&idle, "and")));
    counted.iter().filter(|one| one.total != 0.0).flat_map(of).chain(still).collect()
}

fn of(counted: &Counted) -> Vec<String> {
    let told = |value: f64| amount(Resource::Metric(counted.metric), value);
    let name_of = format!("`{}`", counted.metric.name());
    let all = match counted.per_request() {
        Some(each) => format!("{name_of}: {} for each request", told(each)),
        None => format!("{name_of}: {} a second", told(counted.total / counted.watched)),
    };
    let by_step = counted.steps.as_ref().map(|steps| {
        let mut rows: Vec<_> = steps.rows.iter().collect();
        rows.sort_by(|a, b| b.growth.estimate.total_cmp(&a.growth.estimate));
        let part = |row: &&StepGrowth| step(counted.metric, row);
        let mut parts: Vec<String> = rows.iter().take(MOST).map(part).collect();
        if let Some(rest) = rows.get(MOST) {
            parts.push(format!("{} or less for each of the others", told(rest.growth.estimate.max(0.0))));
        }
        format!("; {}", joined(&parts, "and"))
    });
    let grows = counted.grows.map(|(first, last)| {
        format!(
            "{name_of} grows: from {} for a request in the first quarter to {} in the last",
            told(first),
            told(last)
        )
    });
    [all + &by_step.unwrap_or_default()].into_iter().chain(grows).collect()
}

/// What a request of a step adds: 203 ± 2 for each of `list`, or, where that may be nothing, what it is at most.
fn step(metric: Metric, row: &StepGrowth) -> String {
    let told = |value: f64| amount(Resource::Metric(metric), value);
    let Interval { estimate, lower, upper, .. } = row.growth;
    let by = told((upper - estimate).max(estimate - lower));
    let which = name(row);
    match () {
        () if lower <= 0.0 => format!("at most {} for each of {which}", told(upper.max(0.0))),
        () if told(lower) == told(upper) => format!("{} for each of {which}", told(estimate)),
        () => format!("{} ± {by} for each of {which}", told(estimate)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::BySteps;

    fn counted(steps: &[(&str, f64, f64)]) -> Counted {
        let row = |(name, estimate, by): &(&str, f64, f64)| StepGrowth {
            steps: vec![(*name).to_owned()],
            share: 0.5,
            growth: Interval { estimate: *estimate, lower: estimate - by, upper: estimate + by, confidence: 0.98 },
            grows: true,
        };
        let steps = BySteps { exact: false, rows: steps.iter().map(row).collect(), alone: None };
        let metric = Metric::new("Questions", false).unwrap();
        let steps = Some(steps).filter(|steps| !steps.rows.is_empty());
        Counted { metric, total: 5225.0, watched: 10.0, requests: Some(100.0), steps, grows: None }
    }

    #[test]
    fn what_a_request_adds_is_told_by_step() {
        let said = sentences(&[counted(&[("item", 2.004, 0.0), ("list", 203.0, 3.2), ("ping", 0.1, 0.4)])]);
        let words = "`Questions`: 52.2 for each request; 203 ± 3.2 for each of `list`, 2 for each of `item` and at most 0.5 for each \
                     of `ping`";
        assert_eq!(said, [words]);
        let none = Counted { total: 0.0, ..counted(&[]) };
        assert_eq!(sentences(&[none.clone(), counted(&[]), none])[1], "nothing came to `Questions` and `Questions`");
    }

    #[test]
    fn growth_has_both_its_ends_and_without_requests_there_is_time() {
        let said = sentences(&[Counted { grows: Some((12.0, 40.0)), ..counted(&[]) }]);
        assert_eq!(said[1], "`Questions` grows: from 12 for a request in the first quarter to 40 in the last");
        assert_eq!(sentences(&[Counted { requests: None, ..counted(&[]) }]), ["`Questions`: 522 a second"]);
    }
}
