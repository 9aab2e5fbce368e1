//! Several runs that answer one question: which of two variants is worse, which of many modules is to
//! blame, and how much a target takes.
//!
//! Each run is an ordinary run with its own directory below that of the experiment. An experiment that is interrupted
//! keeps what it has.

mod ab;
mod bisect;
mod knee;
mod margins;
mod modules;
mod one;
mod sides;

pub use ab::{AbError, AbRequest, Stop, ab, failure, finished_pairs, read_head};
pub use bisect::{BisectEnd, BisectError, BisectRequest, bisect};
pub use knee::{KneeEnd, KneeError, KneeRequest, knee};
pub use margins::{margins, margins_of_baseline, margins_of_run, margins_of_services, margins_of_services_of_run};
pub use modules::ModulesError;
pub use one::OneRunError;
pub use sides::{Contrast, SidesError, Variants, variants};

use crate::answer::Verdict;
use crate::engine::Progress;
use crate::model::RunRecord;
use std::path::Path;

/// Sees an experiment go on.
pub trait Observer {
    /// A run begins; what for.
    fn begin(&mut self, what: &str);
    /// A run goes on.
    fn look(&mut self, progress: &Progress<'_>);
    /// A run that counts has ended, in this directory: its reports can be written.
    fn end(&mut self, directory: &Path, record: &RunRecord, verdict: &Verdict);
    /// What is known by now.
    fn so_far(&mut self, what: &str);
}
