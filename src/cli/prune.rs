//! `prune`: removes old runs.

use super::output::Answer;
use super::problem::{Done, Problem};
use crate::answer::ExitCode;
use crate::model::{Bytes, format_bytes};
use crate::report::plain;
use crate::store::{self, Stored};
use std::path::{Path, PathBuf};

/// Arguments of `prune`.
#[derive(Debug, clap::Args)]
#[command(after_help = ABOUT)]
pub struct Arguments {
    /// Directory with run directories.
    #[arg(default_value = "reports")]
    reports: PathBuf,
    /// How many of the newest are kept.
    #[arg(long, value_name = "N", required_unless_present = "max_size")]
    keep: Option<usize>,
    /// What all of them may take on disk together, such as `2 GiB`; the oldest go first.
    #[arg(long, value_name = "SIZE")]
    max_size: Option<Bytes>,
    /// Only say what would be removed.
    #[arg(long)]
    dry_run: bool,
}

const ABOUT: &str = "\
Only runs and experiments that are over are removed, with all that is in their directories, those too whose harness was \
killed. What goes on stays, and so does a directory that was renamed: give the run of a baseline a name of its own.

Examples:
    seepage prune --keep 20
    seepage prune --max-size '2 GiB' out --dry-run";

/// Removes the oldest runs, and says which.
pub fn prune(arguments: &Arguments) -> Done {
    let at = arguments.reports.display();
    let failed = |error| Problem::new(ExitCode::Failure, format!("{at}: {error}"));
    let found = store::stored(&arguments.reports).map_err(failed)?;
    let mut answer = Answer::new(ExitCode::Clean);
    let (mut removed, mut freed) = (0, 0);
    for run in superfluous(&found, arguments.keep, arguments.max_size.map(|size| size.0)) {
        let done = if arguments.dry_run { Ok(()) } else { store::remove(run) };
        match done {
            Ok(()) => {
                (removed, freed) = (removed + 1, freed + run.bytes);
                let word = if arguments.dry_run { "would remove" } else { "removed" };
                answer.print(format!("{word}  {}  {}\n", name(&run.path), format_bytes(run.bytes as f64)).as_bytes());
            }
            Err(error) => answer.lacks(&format!("{} could not be removed: {error}", name(&run.path))),
        }
    }
    for (run, why) in found.iter().filter_map(|run| Some((run, run.stays?))) {
        answer.print(format!("stays  {}: {why}\n", name(&run.path)).as_bytes());
    }
    let all: u64 = found.iter().map(|run| run.bytes).sum();
    let (left, freed) = (format_bytes(all.saturating_sub(freed) as f64), format_bytes(freed as f64));
    answer.print(format!("removed {removed} of {} runs ({freed}); {left} are left\n", found.len()).as_bytes());
    Ok(answer.code())
}

/// Those that go, the oldest last: beyond so many, and beyond so much.
fn superfluous(found: &[Stored], keep: Option<usize>, most: Option<u64>) -> Vec<&Stored> {
    // What must stay takes its room whatever its age.
    let mut room =
        most.map(|most| most.saturating_sub(found.iter().filter(|s| s.stays.is_some()).map(|s| s.bytes).sum()));
    let mut gone = Vec::new();
    for (place, run) in found.iter().filter(|run| run.stays.is_none()).enumerate() {
        let fits = room.is_none_or(|room| room >= run.bytes);
        if keep.is_some_and(|keep| place >= keep) || !fits {
            // Nothing older stays in the place of something newer.
            room = room.map(|room| if fits { room } else { 0 });
            gone.push(run);
        } else {
            room = room.map(|room| room - run.bytes);
        }
    }
    gone
}

fn name(path: &Path) -> String {
    plain(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sizes: &[(u64, bool)]) -> Vec<Stored> {
        let one = |(place, (bytes, stays)): (usize, &(u64, bool))| Stored {
            path: place.to_string().into(),
            started: String::new(),
            bytes: *bytes,
            stays: stays.then_some("it goes on"),
        };
        sizes.iter().enumerate().map(one).collect()
    }

    fn gone(sizes: &[(u64, bool)], keep: Option<usize>, most: Option<u64>) -> Vec<String> {
        superfluous(&found(sizes), keep, most).iter().map(|run| run.path.display().to_string()).collect()
    }

    #[test]
    fn the_newest_stay_up_to_a_number_and_a_size() {
        let runs = [(10, false), (10, true), (10, false), (30, false), (5, false)];
        assert_eq!(gone(&runs, Some(1), None), ["2", "3", "4"], "what goes on isn't counted");
        assert_eq!(gone(&runs, Some(9), None), [""; 0]);
        assert_eq!(gone(&runs, None, Some(100)), [""; 0]);
        assert_eq!(gone(&runs, None, Some(30)), ["3", "4"], "what goes on takes room");
        assert_eq!(gone(&runs, None, Some(40)), ["3", "4"], "nothing older in the place of something newer");
        assert_eq!(gone(&runs, Some(0), Some(1000)), ["0", "2", "3", "4"]);
    }
}
