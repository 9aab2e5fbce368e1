//! `ab`: two variants of one target, in pairs of runs.

use super::comparison::{conclude, exit_code, goes_on};
use super::deadline::Deadline;
use super::experiment::{Teller, by_request, held};
use super::output::{Answer, Inconclusive, Printed};
use super::problem::{Done, Problem};
use super::run;
use crate::answer::ExitCode;
use crate::compare::{ComparisonNote, LEAST_PAIRS, MOST_PAIRS};
use crate::config::{self, Harness, Overrides};
use crate::engine::{Interruption, RunError, stamp};
use crate::experiment::{self, AbRequest, Contrast, Stop, Variants};
use crate::removal;
use crate::report::comparison::Report;
use crate::store::{self, Experiment, ExperimentSide};
use std::path::{Path, PathBuf};

/// Arguments of `ab`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// Harness file.
    file: PathBuf,
    /// Module that the baseline is without, of `[modules]` or of an Apache's configuration; may be given again.
    #[arg(long, value_name = "MODULE")]
    off: Vec<String>,
    /// Variant of the harness file's `[variants]`: given twice, the baseline and the candidate; given once, the candidate,
    /// against the file as it is.
    #[arg(long, value_name = "NAME")]
    variant: Vec<String>,
    /// Set a variable of the target's environment for one side: `a:` is the baseline, `b:` or nothing the candidate; may be
    /// given again.
    #[arg(long, value_name = "[a:|b:]NAME=VALUE", value_parser = definition)]
    define: Vec<Definition>,
    /// Set a variable of the target's environment for both sides; may be given again.
    #[arg(long, value_name = "NAME=VALUE", value_parser = run::assignment)]
    env: Vec<(String, String)>,
    /// Seed of everything random in the workload, instead of the harness file's; the same for all runs.
    #[arg(long)]
    seed: Option<u64>,
    /// Pairs of runs that count, after a rehearsal. Fewer are run if the answer is clear before; below 8, the exact test
    /// can't reach 1 %.
    #[arg(long, default_value = "8", value_parser = clap::value_parser!(u64).range(LEAST_PAIRS as u64..=MOST_PAIRS as u64))]
    pairs: u64,
    /// Seed of the coin that decides which side of a pair runs first; by default a random one, which is recorded.
    #[arg(long, value_name = "SEED", conflicts_with = "resume")]
    order: Option<u64>,
    /// Go on with an experiment that was interrupted: its directory. The other options have to be the same.
    #[arg(long, value_name = "DIR")]
    resume: Option<PathBuf>,
    /// Directory in which the experiment's own directory is made.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    reports: PathBuf,
    /// Don't show progress.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    deadline: Deadline,
    /// How the comparison is printed.
    #[arg(long, value_enum, default_value = "terminal")]
    format: Printed,
    /// What an inconclusive comparison exits with: 11, or 0 or 12 as if it were a pass or a regression.
    #[arg(long, value_enum, value_name = "AS")]
    inconclusive: Option<Inconclusive>,
}

const EXAMPLES: &str = "\
The baseline is what the candidate is held against: with --off, the target without the module is the baseline, the target \
as it is the candidate. Exit code 12 says that the candidate is worse.

Examples:
    seepage ab shop.toml --off upload_module
    seepage ab shop.toml --variant old --variant new
    seepage ab shop.toml --define WORKERS=8
    seepage ab shop.toml --off upload_module --resume reports/20261121T001231Z-shop-ab-7f3a00";

#[derive(Debug, Clone)]
struct Definition {
    side: usize,
    name: String,
    value: String,
}

fn definition(text: &str) -> Result<Definition, String> {
    let (side, rest) = match text.split_once(':') {
        Some(("a", rest)) => (0, rest),
        Some(("b", rest)) => (1, rest),
        _ => (1, text),
    };
    let (name, value) = run::assignment(rest)?;
    Ok(Definition { side, name, value })
}

/// Runs pairs and says which side is worse.
pub fn ab(arguments: &Arguments) -> Done {
    let interrupt = arguments.deadline.listen()?;
    let overrides = Overrides { env: arguments.env.clone(), seed: arguments.seed, ..Overrides::default() };
    let harness = config::load(&arguments.file, &overrides)?;
    by_request(&harness)?;
    let file = arguments.file.canonicalize()?;
    let harness_dir = file.parent().unwrap_or(Path::new("/"));
    let contrast = contrast(arguments)?;
    let directory = Directory::of(arguments, &harness)?;
    let _held = held(&directory.path)?;
    let made = experiment::variants(&harness, harness_dir, &contrast, &directory.path, &interrupt);
    let variants = match made {
        Ok(variants) => variants,
        Err(error) => {
            directory.remove_if_new();
            return Err(Problem::while_listening(&interrupt, error));
        }
    };
    let head = directory.head(arguments, &harness, &variants)?;
    let margins = experiment::margins(&harness);
    let request = AbRequest {
        sides: &variants.sides,
        a: &variants.a,
        b: &variants.b,
        margins: &margins,
        services: &experiment::margins_of_services(&harness),
        harness_dir,
        directory: &directory.path,
        pairs: head.pairs,
        seed: head.seed,
        interrupt: interrupt.clone(),
    };
    let mut teller = Teller::new(arguments.quiet);
    teller.say(&format!("{} is the baseline, {} the candidate", variants.sides.a.name, variants.sides.b.name));
    let end = experiment::ab(&request, &mut teller).map_err(|error| Problem::while_listening(&interrupt, error))?;
    drop(teller);
    let mut notes: Vec<ComparisonNote> = variants.notes.iter().cloned().map(ComparisonNote::Recorded).collect();
    if let Stop::Interrupted(by) = end.stop {
        notes.push(goes_on(Some(by.to_string()), &directory.path));
    }
    let id = directory.path.file_name().unwrap_or_default().to_string_lossy();
    let report = Report {
        name: &harness.name,
        id: &id,
        started: &head.started,
        seed: Some(head.seed),
        comparison: &end.comparison,
        pairs: &end.pairs,
        notes: &notes,
    };
    let code = match end.stop {
        Stop::Interrupted(Interruption::Signal(signal)) => ExitCode::Interrupted(signal),
        Stop::Interrupted(Interruption::Deadline(_)) => exit_code(&end.comparison, arguments.inconclusive, false),
        Stop::Complete | Stop::Early => exit_code(&end.comparison, arguments.inconclusive, true),
    };
    Answer::new(code).begin(&interrupt);
    Ok(conclude(&report, Some(&directory.path), arguments.format, code)?.code())
}

fn contrast(arguments: &Arguments) -> Result<Contrast, Problem> {
    let mut contrast = Contrast { off: arguments.off.clone(), ..Contrast::default() };
    contrast.variants = match &arguments.variant[..] {
        [] => [None, None],
        [b] => [None, Some(b.clone())],
        [a, b] => [Some(a.clone()), Some(b.clone())],
        _ => return Err(Problem::new(ExitCode::Usage, "--variant may be given twice: the baseline and the candidate")),
    };
    for definition in &arguments.define {
        contrast.define[definition.side].push((definition.name.clone(), definition.value.clone()));
    }
    Ok(contrast)
}

/// The experiment's directory, new or resumed.
struct Directory {
    path: PathBuf,
    started: String,
    resumed: Option<Experiment>,
}

impl Directory {
    fn of(arguments: &Arguments, harness: &Harness) -> Result<Self, Problem> {
        if let Some(path) = &arguments.resume {
            let head = experiment::read_head(path)?;
            let path = path.canonicalize()?;
            return Ok(Directory { path, started: head.started.clone(), resumed: Some(head) });
        }
        let (started, id) = stamp(&format!("{}-ab", harness.name));
        let path = store::create_directory(&arguments.reports, &id).map_err(RunError::from)?;
        Ok(Directory { path, started, resumed: None })
    }

    /// The head of the experiment: that which was there, if it is one of the same sides, or a new one.
    fn head(&self, arguments: &Arguments, harness: &Harness, variants: &Variants) -> Result<Experiment, Problem> {
        let text = |harness: &Harness| serde_json::to_string(harness).unwrap_or_default();
        let fingerprint = store::fingerprint([text(&variants.a).as_str(), text(&variants.b).as_str()]);
        let pairs = usize::try_from(arguments.pairs).unwrap_or(MOST_PAIRS);
        if let Some(head) = &self.resumed {
            if head.fingerprint != fingerprint {
                let what =
                    "the harness file or the options have changed since: pairs of different targets can't be mixed";
                return Err(Problem::new(ExitCode::Config, what));
            }
            if head.pairs != pairs {
                let what = format!(
                    "{} pairs were planned: the looks were spent by that; resume with --pairs {}",
                    head.pairs, head.pairs
                );
                return Err(Problem::new(ExitCode::Usage, what));
            }
            return Ok(head.clone());
        }
        let head = Experiment {
            format: Experiment::FORMAT.into(),
            name: harness.name.clone(),
            started: self.started.clone(),
            seed: arguments.order.unwrap_or_else(rand::random),
            pairs,
            sides: [&variants.sides.a, &variants.sides.b]
                .map(|s| ExperimentSide { name: s.name.clone(), phrase: s.phrase.clone() }),
            notes: variants.notes.clone(),
            fingerprint,
        };
        head.write(&self.path).map_err(|e| Problem::new(ExitCode::Failure, e))?;
        Ok(head)
    }

    /// Nothing was run: an empty directory would only be in the way.
    fn remove_if_new(&self) {
        if self.resumed.is_none() {
            let _ = removal::remove(&self.path);
        }
    }
}
