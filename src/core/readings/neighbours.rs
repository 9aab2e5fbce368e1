//! What others on the host did: who used the CPU, when, and what that cost the requests.

use crate::answer::{Named, Neighbours, Slower};
use crate::model::{EventKind, Neighbour, PhaseKind, RunRecord};
use crate::stats::median;
use crate::thresholds::scale::{SEVERAL, TENTH};
use std::collections::{BTreeMap, BTreeSet};

/// What each process, by PID and start, had taken at a moment.
type Look = (f64, BTreeMap<(u32, u64), f64>);

/// Others that used a notable part of a core in the soak; `None` if there were none, or nobody looked.
pub fn neighbours(record: &RunRecord) -> Option<Neighbours> {
    let soak = |event: &&crate::model::Event| matches!(event.kind, EventKind::Phase { phase: PhaseKind::Soak, .. });
    let from = record.events.iter().find(soak).map_or(0.0, |event| event.t);
    let stops = |event: &&crate::model::Event| event.kind == EventKind::Stopping;
    let to = record.events.iter().find(stops).map_or(f64::INFINITY, |event| event.t);
    let looks: Vec<Look> = looks(record).into_iter().filter(|(t, _)| (from..to).contains(t)).collect();
    let ((first, before), (last, after)) = (looks.first()?, looks.last()?);
    let watched = last - first;
    let took = |(id, cpu): (&(u32, u64), &f64)| (*id, cpu - before.get(id).copied().unwrap_or(0.0));
    let mut took: Vec<((u32, u64), f64)> = after.iter().map(took).filter(|(_, cpu)| *cpu > 0.0).collect();
    took.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let name = |(id, cpu): &((u32, u64), f64)| (Named { pid: id.0, command: command(record, *id) }, *cpu);
    let mut who: Vec<(Named, f64)> = took.iter().map(name).collect();
    // A job may be many processes of one name, one after the other.
    let mut of_name: BTreeMap<String, f64> = BTreeMap::new();
    who.iter().for_each(|(who, cpu)| *of_name.entry(who.command.clone()).or_default() += cpu);
    who.retain(|(who, _)| of_name.get(&who.command).is_some_and(|cpu| *cpu > TENTH.get() * watched));
    (!who.is_empty() && watched > 0.0).then(|| Neighbours { watched, slower: slower(record, &looks), who })
}

/// Cores that others used, at the end of each time between two looks.
pub fn cores(record: &RunRecord) -> Vec<(f64, f64)> {
    between(&looks(record))
}

fn between(looks: &[Look]) -> Vec<(f64, f64)> {
    let rise = |pair: &[Look]| {
        let ((t, before), (now, after)) = (&pair[0], &pair[1]);
        let of = |(id, cpu): (&(u32, u64), &f64)| (cpu - before.get(id).copied().unwrap_or(0.0)).max(0.0);
        let taken: f64 = after.iter().map(of).sum();
        (*now, taken / (now - t))
    };
    looks.windows(2).filter(|pair| pair[1].0 > pair[0].0).map(rise).collect()
}

/// What each process that isn't the target's had taken at each look. Of those that a look doesn't list any more the last is kept.
fn looks(record: &RunRecord) -> Vec<Look> {
    let records = || [record].into_iter().chain(&record.services);
    let workers = records().flat_map(|part| part.samples.iter().map(|sample| sample.worker.pid));
    let others = records().flat_map(|part| part.census.iter().flat_map(|census| &census.others)).map(|one| one.id.pid);
    let own: BTreeSet<u32> = workers.chain(others).collect();
    let mut known: BTreeMap<(u32, u64), f64> = BTreeMap::new();
    let mut looks: Vec<Look> = Vec::new();
    for (t, listed) in record.host.iter().filter_map(|host| Some((host.t, host.neighbours.as_ref()?))) {
        if !t.is_finite() || looks.last().is_some_and(|(last, _)| t <= *last) {
            continue;
        }
        let foreign = |one: &&Neighbour| !own.contains(&one.pid) && one.cpu.is_finite();
        known.extend(listed.iter().filter(foreign).map(|one| ((one.pid, one.start), one.cpu)));
        looks.push((t, known.clone()));
    }
    looks
}

fn command(record: &RunRecord, id: (u32, u64)) -> String {
    let all = record.host.iter().rev().flat_map(|host| host.neighbours.iter().flatten());
    let mut named = all.filter(|one| (one.pid, one.start) == id).map(|one| one.command.clone());
    named.next().unwrap_or_default()
}

fn slower(record: &RunRecord, looks: &[Look]) -> Option<Slower> {
    let used = between(looks);
    let most = used.iter().map(|(_, cores)| *cores).fold(0.0, f64::max);
    let (mut loud, mut quiet) = (Vec::new(), Vec::new());
    for load in &record.load {
        let Some(p95) = load.p95.filter(|p95| p95.is_finite()) else { continue };
        // The second ends at its time; the look that ends next is mostly of it.
        let Some((_, cores)) = used.iter().find(|(t, _)| *t >= load.t) else { continue };
        if *cores > 0.5 * most {
            loud.push(p95);
        } else if *cores < TENTH.get() {
            quiet.push(p95);
        }
    }
    if loud.len().min(quiet.len()) < SEVERAL.get() {
        return None;
    }
    let (loud, quiet) = (median(&loud)?, median(&quiet)?);
    (loud - quiet > TENTH.get() * quiet).then_some(Slower { loud, quiet })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::clean;

    /// A process beside that uses a core from `on` to `off`, as recorded once a second; a page takes longer then.
    fn burnt(on: f64, off: f64) -> RunRecord {
        let mut run = clean();
        let burns = |t: f64| (t.min(off) - on).max(0.0);
        for host in &mut run.host {
            let one = |pid: u32, cpu: f64| Neighbour { pid, start: 9, command: "backup".into(), cpu };
            // The worker of the target is none of them.
            host.neighbours = Some(vec![one(77, burns(host.t)), one(1, host.t)]);
        }
        for load in &mut run.load {
            load.p95 = Some(if (on..off).contains(&load.t) { 0.040 } else { 0.010 });
        }
        run
    }

    #[test]
    fn who_burns_is_named_with_what_it_cost() {
        let found = neighbours(&burnt(40.0, 80.0)).expect("it burns");
        assert_eq!(found.who.len(), 1);
        assert_eq!((found.who[0].0.pid, found.who[0].0.command.as_str()), (77, "backup"));
        assert!((found.who[0].1 - 40.0).abs() < 1.0, "{found:?}");
        assert_eq!(found.slower, Some(Slower { loud: 0.040, quiet: 0.010 }));
        // Where it burns all the time, there is nothing to compare with.
        let always = neighbours(&burnt(0.0, 200.0)).expect("it burns");
        assert_eq!(always.slower, None);
    }

    #[test]
    fn a_quiet_host_and_one_that_nobody_looked_at_have_nothing_to_tell() {
        assert_eq!(neighbours(&burnt(500.0, 500.0)), None);
        assert_eq!(neighbours(&clean()), None);
    }
}
