//! Arguments to plain requests, verdicts to exit codes. Results go to standard output, progress and errors to standard
//! error.

mod ab;
mod accept;
mod analyze;
mod attach;
mod bare;
mod baseline;
mod bisect;
mod budget;
mod check;
mod compare;
mod comparison;
mod deadline;
mod doctor;
mod experiment;
mod explain;
mod fleet;
mod history;
mod init;
mod knee;
mod manual;
mod output;
mod plan;
mod problem;
mod prune;
mod recorded;
mod report;
mod run;
mod watch;
mod workers;

use crate::answer::ExitCode;
use crate::config;
use crate::demo::{self, DemoOptions};
use crate::engine::{NAMER_ARGUMENT, outlive_file_limits, run_namer};
use crate::supervise::{GUARD_ARGUMENT, run_guard};
use clap::{CommandFactory, Parser, Subcommand};
use problem::Problem;

/// Finds memory leaks in long-running worker processes: launch, drive, sample, judge.
#[derive(Debug, Parser)]
#[command(name = "seepage", version, max_term_width = 100, after_long_help = EXIT_CODES)]
struct Cli {
    /// Hide what matches this regular expression in all that is recorded and printed; may be given again.
    #[arg(long, global = true, value_name = "REGEX", allow_hyphen_values = true)]
    redact: Vec<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Launch a target, drive it, sample its workers, and judge whether they leak.
    Run(Box<run::Arguments>),
    /// Rehearse a harness file, and say how long a run has to be to prove which budget.
    Plan(plan::Arguments),
    /// Compare two variants of a target in pairs of runs: a module on and off, a release and the next.
    Ab(Box<ab::Arguments>),
    /// Find which of a target's modules makes it leak, in as few runs as halving needs.
    Bisect(bisect::Arguments),
    /// Find how many requests in flight a target takes, and from how many on it leaks.
    Knee(knee::Arguments),
    /// Compare two finished runs, which is weaker than pairs.
    Compare(Box<compare::Arguments>),
    /// Show what is known of an earlier run from its verdict alone, and keep it as a small file to compare with.
    Baseline(baseline::Arguments),
    /// Show growth from build to build, and name the build in which it changed.
    History(history::Arguments),
    /// Judge a running target from /proc alone, read-only.
    Attach(Box<attach::Arguments>),
    /// Judge finished runs again, and series of memory that other tools wrote.
    Analyze(Box<analyze::Arguments>),
    /// Judge every series of memory that Prometheus, or what speaks its API, has of many machines.
    Fleet(Box<fleet::Arguments>),
    /// Show the working behind a verdict: what was cut, the plausible models, what they leave, the conditions of the rule.
    Explain(Box<explain::Arguments>),
    /// Render the report of a finished run again.
    Report(Box<report::Arguments>),
    /// Remove old runs.
    Prune(prune::Arguments),
    /// Write a harness file to begin with: for Apache, PHP-FPM, gunicorn, Node, Java, Ruby, a worker or a command.
    Init(init::Arguments),
    /// Check a harness file without running it.
    Check(check::Arguments),
    /// Print the JSON schema of harness files.
    Schema,
    /// Say what this machine and user can measure, and what to do about what is missing.
    Doctor(doctor::Arguments),
    /// Print a script with which a shell completes commands and options.
    Completions(manual::CompletionsArguments),
    /// Print the manual page.
    Man,
    /// Serve a small pool of workers with a fault that can be chosen: something to try seepage on.
    DemoServer(DemoOptions),
}

const EXIT_CODES: &str = "\
Exit codes:
    0  clean: growth is proven to be under every budget
    1  something unexpected failed
    2  the command line is wrong
   10  leak
   11  inconclusive: neither could be proven, or the deadline came first
   12  worse than the baseline or the other variant
   20  the harness file is invalid, or doesn't fit the target
   21  the target failed: could not start, never got ready, died, or hit its memory limit
   22  the workload failed: its error rate or latency is over its gate, a step never gets what it expects, or fewer requests in
       flight are kept up with than `knee --at-least` asks for
  130  ended early by Ctrl-C; 143 by SIGTERM, 129 by SIGHUP, and by any signal 128 and its number";

/// Runs the program on its own arguments.
pub fn main() -> std::process::ExitCode {
    let helped = match std::env::args().nth(1).as_deref() {
        Some(GUARD_ARGUMENT) => Some(run_guard()),
        Some(NAMER_ARGUMENT) => Some(run_namer()),
        _ => None,
    };
    if let Some(helped) = helped {
        return helped.map_or(ExitCode::Failure, |()| ExitCode::Clean).code().into();
    }
    if let Err(error) = outlive_file_limits() {
        output::complain(&format!("the signal of a full file can't be caught: {error}"));
    }
    let Cli { redact, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Where nothing can be told any more, the exit code is.
            let _ = error.print();
            let words: Vec<String> = std::env::args().skip(1).collect();
            if error.use_stderr()
                && let Some(meant) = bare::without_dashes(&words)
            {
                output::complain(&meant);
            }
            return u8::try_from(error.exit_code()).unwrap_or(ExitCode::Usage.code()).into();
        }
    };
    // The demonstration server has none, and its memory is flat: nothing that was freed before lies there to be used again.
    if !matches!(command, Command::DemoServer(_)) {
        config::keep_own_secrets();
    }
    for rule in &redact {
        if let Err(error) = config::redact_also(rule) {
            output::complain(&format!("--redact: {error}"));
            return ExitCode::Usage.code().into();
        }
    }
    let done = match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Plan(arguments) => plan::plan(&arguments),
        Command::Ab(arguments) => ab::ab(&arguments),
        Command::Bisect(arguments) => bisect::bisect(&arguments),
        Command::Knee(arguments) => knee::knee(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Baseline(arguments) => baseline::baseline(&arguments),
        Command::History(arguments) => history::history(&arguments),
        Command::Attach(arguments) => attach::attach(&arguments),
        Command::Analyze(arguments) => analyze::analyze(&arguments),
        Command::Fleet(arguments) => fleet::fleet(&arguments),
        Command::Explain(arguments) => explain::explain(&arguments),
        Command::Report(arguments) => report::report(&arguments),
        Command::Prune(arguments) => prune::prune(&arguments),
        Command::Init(arguments) => init::init(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Schema => check::schema(),
        Command::Doctor(arguments) => doctor::doctor(&arguments),
        Command::Completions(arguments) => manual::completions(&arguments, Cli::command()),
        Command::Man => manual::man(Cli::command()),
        Command::DemoServer(options) => demo::serve(options).map(|()| ExitCode::Clean).map_err(Problem::from),
    };
    match done {
        Ok(code) => code,
        Err(problem) => {
            output::complain(&problem.text);
            problem.code
        }
    }
    .code()
    .into()
}
