//! `baseline`: an earlier run as a small file, to be compared with and accepted.

use super::output::{self, folded};
use super::problem::{Done, Problem};
use crate::answer::ExitCode;
use crate::baseline::{Acceptance, Baseline};
use crate::config;
use crate::model::{NaiveDate, day};
use crate::report;
use crate::store;
use crate::verdict;
use crate::words;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A verdict longer than this was not written by us.
const LONGEST: u64 = 64 << 20;

/// Arguments of `baseline`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// Run directory, its `verdict.json`, or what this command wrote.
    #[arg(value_name = "RUN_OR_FILE")]
    run: PathBuf,
    /// File into which it is written, in place of being shown.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// The last day on which its leaks are accepted, in UTC, such as 2027-03-01.
    #[arg(long, value_name = "DATE", value_parser = day, requires = "to", requires = "reason")]
    until: Option<NaiveDate>,
    /// Why they are, in a sentence.
    #[arg(long, value_name = "TEXT", requires = "until", allow_hyphen_values = true)]
    reason: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
    seepage baseline reports/20260101T000000Z-shop-1f2e3d
    seepage baseline reports/20260101T000000Z-shop-1f2e3d --to ci/baseline.json
    seepage baseline ci/baseline.json
    seepage run shop.toml --baseline ci/baseline.json";

/// Shows or writes what is known of a run.
pub fn baseline(arguments: &Arguments) -> Done {
    let mut baseline = if arguments.run.is_file() { read(&arguments.run)? } else { of_run(&arguments.run)? };
    let Some(to) = &arguments.to else {
        let lines: Vec<String> = words::baseline::lines(&baseline).iter().map(|line| report::plain(line)).collect();
        return Ok(output::tell(folded(lines.join("\n") + "\n").as_bytes()));
    };
    let wrong = |code, what: &str| Problem::new(code, format!("{}: {what}", arguments.run.display()));
    if let Some((exit, what)) = baseline.failure() {
        return Err(wrong(exit, &format!("it failed, so that nothing can be compared with it: {what}")));
    }
    if !baseline.is_by_request() {
        let what = "growth per hour can't be compared, because the load of those hours was its own";
        return Err(wrong(ExitCode::Usage, what));
    }
    if let Some((until, reason)) = arguments.until.zip(arguments.reason.as_ref()) {
        accept(&mut baseline, until, reason).map_err(|what| wrong(ExitCode::Usage, &what))?;
    }
    report::write_baseline(to, &baseline)?;
    Ok(output::told(std::slice::from_ref(to)))
}

/// Notes that its leaks are accepted.
fn accept(baseline: &mut Baseline, until: NaiveDate, reason: &str) -> Result<(), String> {
    if !baseline.findings.iter().any(|known| known.verdict == crate::answer::Outcome::Leak) {
        return Err("nothing leaks in it, so that there is nothing to accept: leave --until and --reason out".into());
    }
    if until < today() {
        return Err(format!("--until {until} is over: expected a day from {} on", today()));
    }
    if reason.trim().is_empty() {
        return Err("--reason is empty: expected why the leak is accepted".into());
    }
    baseline.accept = Some(Acceptance { until, reason: reason.trim().to_owned() });
    Ok(())
}

/// What is known of a run from its directory.
pub fn of_run(path: &Path) -> Result<Baseline, Problem> {
    let record = store::read(path).map_err(|error| Problem::new(ExitCode::Failure, error))?;
    let verdict = verdict::judge(&record);
    let sentence = words::headline(&record, &verdict).to_string();
    Ok(Baseline::of(&record, &verdict, sentence))
}

/// Reads the file of a verdict.
pub fn read(path: &Path) -> Result<Baseline, Problem> {
    let wrong = |what: String| Problem::new(ExitCode::Failure, format!("{}: {what}", path.display()));
    let bytes = config::read_input(path, LONGEST).map_err(|error| wrong(error.to_string()))?;
    Baseline::read(&bytes).map_err(wrong)
}

/// Whether a file is meant to be that of a verdict, and no table: it has what no table of ours has.
pub fn is_one(path: &Path) -> bool {
    if !path.is_file() {
        // What comes through a pipe comes once.
        return false;
    }
    let Ok(bytes) = config::read_input(path, LONGEST) else { return false };
    let has = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
    bytes.trim_ascii_start().starts_with(b"{") && has("\"findings\"") && has("\"exit_code\"")
}

/// The day that it is, in UTC.
pub fn today() -> NaiveDate {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    day(&now[..10]).unwrap_or(NaiveDate::MAX)
}
