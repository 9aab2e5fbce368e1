//! Counts of a whole service, in one series beside those of its workers: they are no worker, but go with all of them.

use super::Mapping;
use super::metrics::Points;
use super::names::{KINDS, LOAD, MEMORY_UNITS, REQUESTS, normal, split};
use super::prometheus::NAME;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Seconds for which a reading counts at most, as Prometheus has it.
pub(super) const LOOK_BACK: f64 = 300.0;

/// Gives each series of memory the requests of the series whose labels it has among its own, where it has none itself.
///
/// # Errors
/// If requests go with no series of memory.
pub(super) fn hand_out(points: &mut Points, mapping: &Mapping) -> Result<(), String> {
    let is = |metric: &String, known: &[&str], asked: &Option<String>| {
        let plain = normal(metric);
        asked.as_ref() == Some(metric) || asked.is_none() && known.contains(&plain.as_str())
    };
    let is_memory = |metric: &String| {
        let plain = normal(metric);
        let base = split(&plain, &MEMORY_UNITS).0;
        let known = KINDS.iter().any(|(_, known)| known.contains(&plain.as_str()) || known.contains(&base));
        mapping.memory.as_ref().map_or(known, |asked| asked == metric)
    };
    let memory: Vec<bool> = points.metrics.iter().map(is_memory).collect();
    let counts = points.metrics.iter().map(|m| is(m, REQUESTS, &mapping.requests) || is(m, LOAD, &mapping.load));
    let counts: Vec<bool> = counts.collect();
    // What each set of labels has.
    let mut has: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); points.labels.len()];
    for (place, _, values) in &points.rows {
        has[*place].extend(values.iter().enumerate().filter(|(_, value)| !value.is_empty()).map(|(metric, _)| metric));
    }
    let of_memory = |place: usize| has[place].iter().any(|metric| memory[*metric]);
    let all: Vec<usize> = (0..has.len()).filter(|place| of_memory(*place)).collect();
    let alone = |place: &usize| !has[*place].is_empty() && has[*place].iter().all(|metric| counts[*metric]);
    let shared: Vec<usize> = (0..has.len()).filter(alone).collect();
    if all.is_empty() || shared.is_empty() {
        return Ok(());
    }
    let labels = &points.labels;
    let goes_with =
        |one: usize, other: usize| labels[one].iter().all(|(name, value)| labels[other].get(name) == Some(value));
    // A service has one count, whatever else its labels say.
    let several = shared.len() > 1;
    let mut of: HashMap<usize, Vec<usize>> = HashMap::new();
    for one in &shared {
        let with: Vec<usize> = all.iter().copied().filter(|other| !several || goes_with(*one, *other)).collect();
        let labels: Vec<String> = labels[*one].iter().map(|(name, value)| format!("{name}={value}")).collect();
        let twice = with.iter().any(|other| {
            of.get(other).is_some_and(|list| list.iter().any(|before| !has[*before].is_disjoint(&has[*one])))
        });
        if with.is_empty() || twice {
            let metric = has[*one].first().map_or("", |metric| points.metrics[*metric].as_str());
            let why = if twice { "is one of several that go with the same memory" } else { "goes with no memory" };
            return Err(format!(
                "the series of `{metric}` with {{{}}} {why}: add them up by the labels that memory has, such as `sum by (instance) ({metric})`, or \
                 choose with --where {NAME}=METRIC",
                labels.join(", ")
            ));
        }
        with.into_iter().for_each(|other| of.entry(other).or_default().push(*one));
    }
    let mut courses: BTreeMap<usize, Vec<(f64, Vec<String>)>> = BTreeMap::new();
    points.rows.retain_mut(|(place, t, values)| {
        let is_shared = shared.contains(place);
        if is_shared {
            courses.entry(*place).or_default().push((*t, std::mem::take(values)));
        }
        !is_shared
    });
    courses.values_mut().for_each(|course| course.sort_by(|a, b| a.0.total_cmp(&b.0)));
    for (place, t, values) in &mut points.rows {
        for course in of.get(place).into_iter().flatten().filter_map(|one| courses.get(one)) {
            let before = course.partition_point(|point| point.0 <= *t).checked_sub(1).map(|at| &course[at]);
            let Some((_, counts)) = before.filter(|point| *t - point.0 <= LOOK_BACK) else { continue };
            values.resize(values.len().max(counts.len()), String::new());
            values
                .iter_mut()
                .zip(counts)
                .filter(|(own, _)| own.is_empty())
                .for_each(|(own, count)| own.clone_from(count));
        }
    }
    points.keep_labels();
    Ok(())
}
