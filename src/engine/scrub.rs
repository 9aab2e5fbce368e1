//! What goes into the record of a run, without secrets: reports are made of the record alone.

use crate::config::without_secrets;
use crate::model::{Chosen, EventKind, RunMeta};
use crate::store::Entry;

fn scrub(text: &mut String) {
    *text = without_secrets(text);
}

/// Scrubs the texts of the head of a run that come from outside; its `config` was redacted when it was made.
pub fn head(meta: &mut RunMeta) {
    let target = &mut meta.target;
    let texts = [&mut target.workers, &mut meta.counting.worth].into_iter();
    let texts = texts.chain(&mut target.command).chain(&mut target.executable).chain(&mut meta.aborted);
    let sources = meta.metrics.iter_mut().map(|one| &mut one.from);
    texts.chain(&mut meta.classes).chain(sources).for_each(scrub);
    target.chosen.iter_mut().for_each(chosen);
    for step in &mut meta.steps {
        [&mut step.name, &mut step.method, &mut step.path].into_iter().for_each(scrub);
    }
}

fn chosen(chosen: &mut Chosen) {
    for group in &mut chosen.groups {
        scrub(&mut group.command);
        group.parent.iter_mut().for_each(|parent| scrub(&mut parent.command));
    }
}

/// Scrubs the texts of a line of a run. Call sites that allocate are of the target's program, and stay as they are.
pub fn entry(entry: &mut Entry) {
    match entry {
        Entry::Load(load) => scrub(&mut load.step),
        Entry::Event(event) => match &mut event.kind {
            EventKind::Note { text }
            | EventKind::Look { found: text, .. }
            | EventKind::Spawned { command: text, .. } => {
                scrub(text);
            }
            EventKind::Chosen(chosen) => self::chosen(chosen),
            EventKind::LogRead { unmatched, .. } => unmatched.iter_mut().for_each(scrub),
            EventKind::Exited { .. }
            | EventKind::PageRead { .. }
            | EventKind::Phase { .. }
            | EventKind::Collected
            | EventKind::Stopping
            | EventKind::MissedTicks { .. }
            | EventKind::MemoryLimit { .. }
            | EventKind::TargetDied { .. }
            | EventKind::Interrupted { .. } => {}
        },
        Entry::Census(census) => {
            census.others.iter_mut().for_each(|other| scrub(&mut other.command));
            census.zombies.iter_mut().for_each(|zombies| scrub(&mut zombies.command));
        }
        Entry::Map(map) => map.places.iter_mut().flatten().filter_map(|place| place.name.as_mut()).for_each(scrub),
        Entry::Host(host) => host.neighbours.iter_mut().flatten().for_each(|one| scrub(&mut one.command)),
        Entry::Sample(_) | Entry::Metric(_) | Entry::Heap(_) => {}
    }
}
