//! The verdict of a run with services: each is judged by itself, by the same rule as the target, and the run is what they come to
//! together. A leak in any of them is a leak; what is open in any keeps the run from passing.

use super::judge::judge as judge_alone;
use crate::answer::{Claim, ExitCode, Note, Open, Outcome, Verdict};
use crate::model::RunRecord;

/// Judges a run: its target and its services.
pub fn judge(record: &RunRecord) -> Verdict {
    together(judge_alone(record), record.services.iter().map(judge_alone).collect())
}

/// What the verdicts come to: the worst answer of all, and the claims of those that aren't clean.
fn together(mut own: Verdict, mut services: Vec<Verdict>) -> Verdict {
    let all = || services.iter().chain([&own]);
    let outcome = all().map(|verdict| verdict.outcome).max_by_key(|outcome| weight(*outcome)).unwrap_or(own.outcome);
    let exit = all().map(|verdict| verdict.exit).max_by_key(|exit| urgency(*exit)).unwrap_or(own.exit);
    // What ended the soak early is told with who leaks.
    let others = services.iter_mut().chain([&mut own]).filter(|part| part.outcome != outcome);
    others.for_each(|part| part.notes.retain(|note| !matches!(note, Note::Looks(_))));
    if outcome != own.outcome || exit != own.exit {
        // What the target doesn't say of the run.
        own.claims.retain(|claim| !matches!(claim, Claim::Clean(_) | Claim::Open(_)) || is_unfinished(claim));
    }
    let told = services.iter().enumerate().filter(|(_, service)| is_told(service, outcome));
    own.claims.extend(told.map(|(place, _)| Claim::Service(place)));
    if own.claims.is_empty() {
        own.claims.push(Claim::Open(Open::Unfinished));
    }
    Verdict { outcome, exit, services, ..own }
}

/// Whether a service has something to say of a run with this answer that the run doesn't say already.
fn is_told(service: &Verdict, outcome: Outcome) -> bool {
    match service.claims.first() {
        Some(Claim::Clean(_) | Claim::Interrupted(_)) | None => false,
        Some(claim) if is_unfinished(claim) => false,
        Some(Claim::Open(_)) => outcome != Outcome::Leak,
        Some(_) => true,
    }
}

fn is_unfinished(claim: &Claim) -> bool {
    matches!(claim, Claim::Open(Open::Unfinished))
}

fn weight(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Clean => 0,
        Outcome::Inconclusive => 1,
        Outcome::Leak => 2,
    }
}

/// Which of several codes a run exits with: in the order in which one run alone decides. A signal is before all.
fn urgency(exit: ExitCode) -> usize {
    let rising = [
        ExitCode::Clean,
        ExitCode::Accepted,
        ExitCode::Inconclusive,
        ExitCode::Workload,
        ExitCode::Usage,
        ExitCode::Failure,
        ExitCode::Worse,
        ExitCode::Leak,
        ExitCode::Target,
        ExitCode::Config,
    ];
    rising.iter().position(|known| *known == exit).unwrap_or(rising.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run::{clean, leaking, told};
    use crate::model::{Failure, RunStatus};

    fn stack(target: RunRecord, mut service: RunRecord) -> RunRecord {
        service.meta.name = "database".into();
        RunRecord { services: vec![service], ..target }
    }

    #[test]
    fn a_service_that_leaks_fails_a_run_whose_target_is_clean() {
        let run = stack(clean(), leaking());
        let verdict = judge(&run);
        assert_eq!((verdict.outcome, verdict.exit), (Outcome::Leak, ExitCode::Leak));
        assert_eq!(verdict.claims, [Claim::Service(0)]);
        assert_eq!(verdict.services[0], judge(&leaking()), "it is judged as if it were alone");
        assert!(verdict.findings.iter().all(|finding| finding.outcome == Outcome::Clean), "the target is clean");
        let told = told(&run);
        assert!(told.starts_with("t LEAKS in its service `database`: each request leaves 4 KiB"), "{told}");
    }

    #[test]
    fn clean_together_is_clean_and_what_leaks_both_is_said_of_both() {
        let verdict = judge(&stack(clean(), clean()));
        assert_eq!((verdict.exit, &verdict.claims[..]), (ExitCode::Clean, &[Claim::Clean(0)][..]));
        let run = stack(leaking(), leaking());
        assert_eq!(judge(&run).claims, [Claim::Leak(0), Claim::Service(0)]);
        assert!(told(&run).contains("; in its service `database`: each request leaves 4 KiB"), "{}", told(&run));
    }

    #[test]
    fn a_service_of_which_nothing_is_known_keeps_the_run_from_passing() {
        let mut unread = clean();
        unread.samples.clear();
        let verdict = judge(&stack(clean(), unread));
        assert_eq!((verdict.outcome, verdict.exit), (Outcome::Inconclusive, ExitCode::Inconclusive));
        assert_eq!(verdict.claims, [Claim::Service(0)]);
    }

    #[test]
    fn a_run_that_failed_says_why_once() {
        let failed = || {
            let mut run = clean();
            run.meta.status = RunStatus::Aborted;
            run.meta.failure = Some(Failure::Target);
            run.meta.aborted = Some("the service `database` ended by itself".into());
            run
        };
        let run = stack(failed(), failed());
        let verdict = judge(&run);
        assert_eq!((verdict.exit, verdict.claims.len()), (ExitCode::Target, 1));
        assert_eq!(told(&run).matches("ended by itself").count(), 1, "{}", told(&run));
    }
}
