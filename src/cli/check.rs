//! `check` and `schema`: what can be said of a harness file without running it.

use super::{Done, Problem};
use crate::config::{self, ConfigError, Overrides};
use crate::verdict::ExitCode;
use std::io::Write;
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
    let mut out = std::io::stdout().lock();
    for file in &arguments.files {
        match config::load(file, &Overrides::default()) {
            Ok(harness) => writeln!(out, "{}: fine (`{}`)", file.display(), harness.name)?,
            Err(error) => wrong.push(error.to_string()),
        }
    }
    if wrong.is_empty() { Ok(ExitCode::Clean) } else { Err(Problem::new(ExitCode::Config, wrong.join("\n\n"))) }
}

/// Prints the schema.
pub fn schema() -> Done {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, &config::schema()).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(ExitCode::Clean)
}

impl From<ConfigError> for Problem {
    fn from(error: ConfigError) -> Self {
        Problem::new(ExitCode::Config, error)
    }
}
