//! What `ab`, `bisect` and `knee` share: the hold on an experiment's directory, and what is told while it goes on.

use super::deadline::Deadline;
use super::output::{Printed, say};
use super::problem::Problem;
use super::run;
use super::watch::Watcher;
use crate::answer::{ExitCode, Verdict};
use crate::config::Harness;
use crate::engine::Progress;
use crate::experiment::Observer;
use crate::model::{Per, RunRecord};
use crate::report::live::Mode;
use crate::report::{self, Format, plain};
use crate::store;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// What `bisect` and `knee` are told alike.
#[derive(Debug, clap::Args)]
pub struct Searching {
    /// Set a variable of the target's environment; may be given again.
    #[arg(long, value_name = "NAME=VALUE", value_parser = run::assignment)]
    pub env: Vec<(String, String)>,
    /// Seed of everything random in the workload, instead of the harness file's.
    #[arg(long)]
    pub seed: Option<u64>,
    /// Directory in which the search's own directory is made.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    pub reports: PathBuf,
    /// Don't show progress.
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub deadline: Deadline,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "terminal")]
    pub format: Printed,
}

/// Holds an experiment's directory, where its file system has locks.
pub fn held(directory: &Path) -> Result<Option<OwnedFd>, Problem> {
    match store::hold(directory) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            Err(Problem::new(ExitCode::Failure, format!("{}: {error}", directory.display())))
        }
        held => Ok(held.ok()),
    }
}

/// Checks that a harness file doesn't say that growth is judged by the hour: it is compared by the request.
pub fn by_request(harness: &Harness) -> Result<(), Problem> {
    let services = harness.services.values().flat_map(|service| service.budget.given());
    if harness.budget.given().chain(services).all(|(_, allowed)| allowed.per() == Per::Request) {
        return Ok(());
    }
    let text = "runs are compared by their growth per request, and this harness file judges it by the hour: give its budgets per \
                request, and have requests counted";
    Err(Problem::new(ExitCode::Config, text))
}

/// Checks that a harness file has no services, where only targets are planned for.
pub fn without_services(harness: &Harness) -> Result<(), Problem> {
    if harness.services.is_empty() {
        return Ok(());
    }
    let text = "services aren't planned for: of runs with `[services]`, `seepage run` judges each; to plan for the target alone, start \
                what it needs in its `prepare`";
    Err(Problem::new(ExitCode::Config, text))
}

/// Tells on standard error how an experiment goes on.
pub struct Teller {
    quiet: bool,
    watcher: Option<Watcher>,
    written: Result<(), String>,
}

impl Teller {
    /// A teller that says nothing if `quiet`.
    pub fn new(quiet: bool) -> Self {
        Teller { quiet, watcher: None, written: Ok(()) }
    }

    /// A line.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            say(&plain(line));
        }
    }

    fn mode(&self) -> Mode {
        if self.quiet { Mode::Quiet } else { Mode::detect() }
    }
}

impl Observer for Teller {
    fn begin(&mut self, what: &str) {
        self.say(what);
        self.watcher = Some(Watcher::new(self.mode()));
    }

    fn look(&mut self, progress: &Progress<'_>) {
        if let Some(watcher) = &mut self.watcher {
            watcher.look(progress, None);
        }
    }

    fn end(&mut self, directory: &Path, record: &RunRecord, verdict: &Verdict) {
        // The page and the numbers; `seepage report` makes the rest.
        if let Err(error) = report::write(directory, record, verdict, &[Format::Html, Format::Json])
            && self.written.is_ok()
        {
            self.say(&format!("    {error}"));
            self.written = Err(error.to_string());
        }
    }

    fn so_far(&mut self, what: &str) {
        // What was drawn over gives way.
        self.watcher = None;
        self.say(&format!("    {what}"));
    }
}
