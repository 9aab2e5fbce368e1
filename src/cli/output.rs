//! How an answer reaches the user: printed first, then written, and exited with whether or not anybody could hear it.

use super::problem::Problem;
use crate::answer::{ExitCode, Outcome, Verdict};
use crate::config;
use crate::engine::{Finished, Interrupt};
use crate::model::{RunRecord, RunStatus};
use crate::prometheus::Pushgateway;
use crate::report::{self, Format};
use crate::verdict;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// How a verdict is given to the user.
#[derive(Debug, Clone, clap::Args)]
pub struct Output {
    /// How the verdict is printed.
    #[arg(long, value_enum, default_value = "terminal")]
    pub format: Printed,
    /// What an inconclusive verdict exits with: 11, or that of a pass or a leak. A run that was cut short never passes.
    #[arg(long, value_enum, value_name = "AS")]
    pub inconclusive: Option<Inconclusive>,
    /// File into which readings and verdict are written beside, as OpenMetrics with their times: for `promtool tsdb
    /// create-blocks-from openmetrics`. Or the address of a Pushgateway, such as http://127.0.0.1:9091, at which the verdict is left: it
    /// takes no times, so no readings.
    #[arg(long, value_name = "FILE|URL")]
    metrics: Option<PathBuf>,
}

impl Output {
    /// Where metrics go, if they are wanted: known before anything is begun, so that nothing is in vain.
    ///
    /// # Errors
    /// If that is an address which can't be spoken to.
    pub fn metrics(&self) -> Result<Option<Metrics>, Problem> {
        let Some(path) = &self.metrics else { return Ok(None) };
        let address = path.to_str().filter(|text| text.contains("://"));
        let metrics = match address {
            Some(address) => Pushgateway::new(address).map(Metrics::Push),
            None if path.file_name().is_none() => Err("expected a file, or the address of a Pushgateway".into()),
            None => Ok(Metrics::File(path.clone())),
        };
        metrics.map(Some).map_err(|what| Problem::new(ExitCode::Usage, format!("--metrics: {what}")))
    }
}

/// Where metrics go.
#[derive(Debug, Clone)]
pub enum Metrics {
    /// Into a file.
    File(PathBuf),
    /// To a Pushgateway.
    Push(Pushgateway),
}

/// How something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Printed {
    /// Lines to read.
    Terminal,
    /// One JSON object.
    Json,
}

/// What an inconclusive verdict counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Inconclusive {
    /// Exit with 0.
    Pass,
    /// Exit with 10; a comparison, with 12.
    Fail,
}

/// An answer that is being given. Trouble with giving it turns a pass into a failure, and nothing else: a leak stays a leak.
pub struct Answer {
    code: ExitCode,
    complete: bool,
}

impl Answer {
    /// An answer that exits with `code`.
    pub fn new(code: ExitCode) -> Self {
        Answer { code, complete: true }
    }

    /// From now on, an end before the answer is given whole exits with what is known.
    pub fn begin(&self, interrupt: &Interrupt) {
        let cut = Answer { code: self.code, complete: false };
        interrupt.answering(cut.code().code());
    }

    /// Prints a part of it. A reader of ours that has gone, as in `seepage report | head`, has what it wanted.
    pub fn print(&mut self, text: &[u8]) {
        let mut out = io::stdout().lock();
        // What stays in the buffer until the end would fail unseen.
        let printed = out.write_all(text).and_then(|()| out.flush());
        drop(out);
        if let Err(error) = printed {
            self.unprinted(&error);
        }
    }

    /// Says that a part of it could not be printed.
    pub fn unprinted(&mut self, error: &io::Error) {
        if error.kind() != io::ErrorKind::BrokenPipe {
            self.lacks(&format!("the answer could not be printed: {error}"));
        }
    }

    /// Says what of it could not be given.
    pub fn lacks(&mut self, what: &str) {
        complain(what);
        self.complete = false;
    }

    /// Takes another code, as when more is known.
    pub fn becomes(&mut self, code: ExitCode) {
        self.code = code;
    }

    /// What to exit with.
    pub fn code(&self) -> ExitCode {
        let passes = matches!(self.code, ExitCode::Clean | ExitCode::Accepted);
        if passes && !self.complete { ExitCode::Failure } else { self.code }
    }
}

/// What `report` and `explain` exit with: a step that only shows a run must not fail the job for what it shows.
pub const SHOWN: &str = "Exits with 0 if it could be shown, whatever the verdict or the answer is: `seepage analyze RUN` exits with that of a run.";

/// Prints `text` as the whole of a result that is no verdict.
pub fn tell(text: &[u8]) -> ExitCode {
    let mut answer = Answer::new(ExitCode::Clean);
    answer.print(text);
    answer.code()
}

/// Says something on standard error. Where nobody can read it, as after a dropped connection, it is lost: nothing must fail
/// for that.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Says that something failed.
pub fn complain(what: &str) {
    let label = console::style("error:").red().bold().for_stderr();
    // It may quote a file that someone else wrote.
    let what = config::without_secrets(what);
    let lines: Vec<String> = what.lines().map(report::plain).collect();
    say(&format!("{label} {}", lines.join("\n")));
}

/// Judges a run that has ended and prints the verdict; writes the reports, and metrics where they are wanted, only then, so that a full disk or a lost connection
/// can't keep the verdict from being told.
pub fn conclude(
    run: &Finished,
    output: &Output,
    metrics: Option<&Metrics>,
    interrupt: &Interrupt,
) -> Result<Answer, Problem> {
    let Finished { record, directory, .. } = run;
    let verdict = verdict::judge(record);
    let mut answer = Answer::new(exit_code(record, &verdict, output.inconclusive));
    answer.begin(interrupt);
    answer.print(&rendered(record, &verdict, output.format)?);
    let written = report::write_all(directory, record, &verdict);
    put(&mut answer, written.map_err(|e| format!("{e}\n{}", again(directory))), output.format);
    let given = match metrics {
        None => Ok(()),
        Some(Metrics::File(file)) => report::write_metrics(file, record, &verdict).map_err(|error| error.to_string()),
        Some(Metrics::Push(gateway)) => gateway.put(&record.meta.name, &report::pushed_metrics(record, &verdict)),
    };
    if let Err(error) = given {
        answer.lacks(&error);
    }
    Ok(answer)
}

/// Says where the page is, or why it isn't there.
pub fn put<E: ToString>(answer: &mut Answer, written: Result<Vec<PathBuf>, E>, format: Printed) {
    match written {
        Ok(written) => {
            let page = written.iter().find(|path| path.extension().is_some_and(|e| e == "html"));
            if let Some(page) = page.filter(|_| format == Printed::Terminal) {
                answer.print(report::place(page).as_bytes());
            }
        }
        Err(error) => answer.lacks(&error.to_string()),
    }
}

/// How to get the reports of a run, where they could not be made.
pub fn again(directory: &Path) -> String {
    format!("`seepage report {}` makes the reports", directory.display())
}

/// A verdict as it is printed.
pub fn rendered(record: &RunRecord, verdict: &Verdict, format: Printed) -> Result<Vec<u8>, Problem> {
    Ok(match format {
        Printed::Terminal => folded(report::terminal(record, verdict, colours(), columns())).into_bytes(),
        Printed::Json => report::render(Format::Json, record, verdict)?,
    })
}

/// What a verdict exits with, given what an inconclusive one counts as. A run that was cut short is never passed: what
/// was to be proven may be in what is missing.
pub fn exit_code(record: &RunRecord, verdict: &Verdict, inconclusive: Option<Inconclusive>) -> ExitCode {
    let complete = record.meta.status == RunStatus::Complete;
    match (verdict.exit, inconclusive) {
        (ExitCode::Inconclusive, Some(Inconclusive::Pass)) if complete && verdict.outcome == Outcome::Inconclusive => {
            ExitCode::Clean
        }
        (ExitCode::Inconclusive, Some(Inconclusive::Fail)) => ExitCode::Leak,
        (code, _) => code,
    }
}

/// Names the files that were written, one a line.
pub fn told(written: &[PathBuf]) -> ExitCode {
    let lines: String =
        written.iter().map(|path| format!("{}\n", report::plain(&path.display().to_string()))).collect();
    tell(lines.as_bytes())
}

/// Where a report goes: to its `own` directory, or `to` the one that the user named for it, which is made; where that leads to, if
/// it is a link, for reports are written through none.
pub fn place(own: &Path, to: Option<&Path>) -> std::io::Result<PathBuf> {
    if let Some(to) = to {
        let wrong =
            |error: io::Error| io::Error::new(error.kind(), format!("could not make {}: {error}", to.display()));
        std::fs::create_dir_all(to).map_err(wrong)?;
    }
    let directory = to.unwrap_or(own);
    if directory.is_symlink() { directory.canonicalize() } else { Ok(directory.to_owned()) }
}

/// Whether standard output takes colours.
pub fn colours() -> bool {
    io::stdout().is_terminal() && console::colors_enabled()
}

/// A report as it is to be printed: for a terminal, folded to its width.
pub fn folded(text: String) -> String {
    if io::stdout().is_terminal() { report::fold(&text, columns()) } else { text }
}

/// How wide a line may be; what is no terminal has no end.
pub fn columns() -> usize {
    let terminal = console::Term::stdout().size_checked().filter(|_| io::stdout().is_terminal());
    terminal.map_or(usize::MAX, |(_, columns)| columns.into())
}
