//! `check` and `schema`: what can be said of a harness file without running it.

use super::baseline::today;
use super::output::{columns, tell};
use super::problem::{Done, Problem};
use crate::answer::ExitCode;
use crate::config::{self, AcceptConfig, Harness, Overrides, StepConfig};
use crate::model::{Per, format_count};
use crate::report::{hung, plain};
use crate::workload::mix_blocks;
use std::path::PathBuf;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Harness files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

/// Checks every file and names what is wrong with each.
pub fn check(arguments: &Arguments) -> Done {
    let mut wrong = Vec::new();
    let mut told = String::new();
    for file in &arguments.files {
        match config::load(file, &Overrides::default()) {
            Ok(harness) => {
                told.push_str(&format!("{}: fine (`{}`)\n", plain(&file.display().to_string()), plain(&harness.name)));
                for line in outline(&harness) {
                    told.push_str(&hung("    ", &line, columns()));
                }
            }
            Err(error) => wrong.push(error.to_string()),
        }
    }
    let code = tell(told.as_bytes());
    if wrong.is_empty() { Ok(code) } else { Err(Problem::new(ExitCode::Config, wrong.join("\n\n"))) }
}

/// What the file leads to that it doesn't say in so many words: the mix, and the pauses.
fn outline(harness: &Harness) -> Vec<String> {
    let mut lines = Vec::new();
    if harness.workload.is_none() {
        lines.push("nothing is sent: there is no [workload]".into());
    }
    if harness.per() == Per::Hour {
        lines.push("growth is judged by the hour".into());
    }
    let steps = harness.steps();
    let total: f64 = steps.iter().map(|step| step.weight).sum();
    if steps.len() > 1 {
        let share = |step: &StepConfig| {
            format!("{} {} %", plain(&step.name), format_count((1000.0 * step.weight / total).round() / 10.0))
        };
        let mix = steps.iter().map(share).collect::<Vec<_>>().join(", ");
        let varied = match harness.workload.as_ref().map_or(0, mix_blocks) {
            0 => "the same all the time".to_owned(),
            blocks => format!("varied around that in {blocks} blocks of each soak"),
        };
        lines.push(format!("mix: {mix}; {varied}"));
    }
    if harness.settle.pauses > 0 {
        let collected = if harness.settle.collect.is_some() { ", in which the target collects first" } else { "" };
        lines.push(format!("{} pauses of {} in each soak{collected}", harness.settle.pauses, harness.settle.duration));
    }
    let today = today().to_string();
    let over = harness.accept.iter().map(AcceptConfig::as_recorded).filter(|accepted| accepted.is_over(&today));
    lines.extend(over.map(|accepted| {
        let (site, until) = (plain(&accepted.site), accepted.until);
        format!("`{site}` was accepted until {until}, which is over: what it keeps fails the run again")
    }));
    lines
}

/// Prints the schema.
pub fn schema() -> Done {
    let schema = serde_json::to_string_pretty(&config::schema()).map_err(std::io::Error::from)?;
    Ok(tell(format!("{schema}\n").as_bytes()))
}
