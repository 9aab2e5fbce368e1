//! Making the target collect its garbage, or trim its heap, before a settled level is read.
//!
//! Garbage that a runtime hasn't collected yet can rise for a hundred thousand requests exactly like a leak; only a
//! collection tells the two apart. Signals go to workers that we launched, and of those only to ones that handle them.

use super::end::Cut;
use super::interrupt::Interrupt;
use super::setup::Setup;
use super::target::Preparation;
use crate::config::CollectConfig;
use crate::http::get_from_each;
use crate::model::{EventKind, RunRecord, WorkerId};
use crate::store::Folder;
use crate::supervise::signal_worker;
use crate::thread;
use nix::sys::signal::Signal;
use std::str::FromStr;
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a collection may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A collection that goes on, on a thread of its own: the recorder goes on with its work.
pub struct Collection(JoinHandle<Result<(), String>>);

impl Collection {
    /// Begins as the harness file says, for the workers that live after `record`; `None` if it says nothing.
    ///
    /// # Errors
    /// If its thread can't be started.
    pub fn begin(
        setup: &Setup,
        folder: &Folder,
        record: &RunRecord,
        interrupt: Interrupt,
    ) -> Result<Option<Self>, Cut> {
        let Some(how) = setup.harness.settle.collect.clone() else { return Ok(None) };
        let workers = alive(record);
        let preparation = Preparation::new(setup, folder);
        let started = thread::start("collection", move || match how {
            CollectConfig::Url(url) => by_url(&url, workers.len()),
            CollectConfig::Signal(name) => by_signal(&name, &workers),
            CollectConfig::Command(command) => {
                let ran = preparation.run("the collection", &command, PATIENCE, interrupt.flag());
                ran.map(drop).map_err(|cut| cut.reason)
            }
        });
        started.map(|thread| Some(Collection(thread))).map_err(|error| Cut::recording(error.to_string()))
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.0.is_finished()
    }

    /// How it ended, once it is over.
    ///
    /// # Errors
    /// If the target wasn't made to collect; the text says why.
    pub fn end(self) -> Result<(), String> {
        self.0.join().unwrap_or_else(|_| Err("the collection's thread panicked; please report this".into()))
    }
}

fn by_url(url: &str, workers: usize) -> Result<(), String> {
    let statuses = get_from_each(url, workers, PATIENCE).map_err(|error| format!("{url}: {error}"))?;
    match statuses.into_iter().find(|status| !(200..300).contains(status)) {
        None => Ok(()),
        Some(status) => Err(format!("{url} answered with status {status}")),
    }
}

fn by_signal(name: &str, workers: &[WorkerId]) -> Result<(), String> {
    let signal = Signal::from_str(&format!("SIG{name}")).map_err(|_| format!("unknown signal `{name}`"))?;
    for worker in workers {
        signal_worker(*worker, signal).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Workers that were seen and haven't ended, as far as the record goes.
pub fn alive(record: &RunRecord) -> Vec<WorkerId> {
    let mut alive = Vec::new();
    for event in &record.events {
        match &event.kind {
            EventKind::Spawned { worker, .. } => alive.push(*worker),
            EventKind::Exited { worker, .. } => alive.retain(|other| other != worker),
            _ => {}
        }
    }
    alive
}
