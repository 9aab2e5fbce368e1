//! `--deadline`: the time by which a command has ended, whatever happens.

use super::problem::Problem;
use crate::answer::ExitCode;
use crate::config::Span;
use crate::engine::Interrupt;

/// When a command ends at the latest.
#[derive(Debug, Clone, clap::Args)]
pub struct Deadline {
    /// When it ends at the latest, such as `20m` from its start, whatever hangs. What goes on is stopped before that, early
    /// enough to be judged, reported and cleaned up (a tenth of the time, 2 s to 60 s, and the target's grace). What was cut
    /// short exits with 10 if a leak is proven all the same, else with 11; it never passes.
    #[arg(long, value_name = "TIME", value_parser = time)]
    deadline: Option<Span>,
}

fn time(text: &str) -> Result<Span, String> {
    let span: Span = text.parse().map_err(|_| "expected a time, such as `20m`")?;
    if span.0.is_zero() { Err("it needs some time".into()) } else { Ok(span) }
}

impl Deadline {
    /// Listens for signals, and for the deadline, from now on.
    pub fn listen(&self) -> Result<Interrupt, Problem> {
        Ok(Interrupt::listen(self.deadline.map(|span| span.0), ExitCode::Inconclusive.code())?)
    }
}
