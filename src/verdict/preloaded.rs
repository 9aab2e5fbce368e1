//! What is said where a target failed that had our preload library in it: the library may be to blame.

use super::judge::Failures;
use crate::model::{Failure, RunRecord};

/// Said beside a failure, in the verdict's one sentence.
pub fn aside(record: &RunRecord) -> &'static str {
    if has_library(record) { ", under the preload library of --heap" } else { "" }
}

/// How to tell whether the library is to blame, if anything failed that it may be to blame for.
pub fn doubt(record: &RunRecord, failures: &Failures) -> Option<String> {
    let refused = record.meta.failure == Some(Failure::Target) && failures.limit.is_none();
    let failed = refused || failures.died.is_some() || !failures.deaths.is_empty();
    (failed && has_library(record)).then(|| {
        "the target ran with the preload library of --heap in it, and failed: run it again without --heap; if it fails then \
         too, the library is not to blame, and if it doesn't, please report what the target is"
            .to_owned()
    })
}

fn has_library(record: &RunRecord) -> bool {
    record.meta.config["heap"]["mode"] == "preload"
}

#[cfg(test)]
mod tests {
    use super::super::judge;
    use super::super::test_record::{clean, event, worker};
    use crate::model::{EventKind, ExitCause, Failure, RunRecord, RunStatus};

    /// A run under the library, or not, in which this happened, if anything did.
    fn run(library: bool, happened: Option<EventKind>) -> RunRecord {
        let mut run = clean();
        run.meta.config = serde_json::json!({"heap": {"mode": if library { "preload" } else { "off" }}});
        run.events.extend(happened.map(|kind| event(50.0, kind)));
        run
    }

    fn is_doubted(run: &RunRecord) -> (bool, bool) {
        let verdict = judge(run);
        let noted = verdict.notes.iter().any(|note| note.contains("run it again without --heap"));
        (verdict.sentence.contains("under the preload library of --heap"), noted)
    }

    #[test]
    fn a_failure_under_the_library_is_never_told_without_it() {
        let crash = EventKind::Exited { worker: worker(1), cause: Some(ExitCause::Signal(6)), stopping: false };
        let died = EventKind::TargetDied { cause: Some(ExitCause::Code(1)) };
        for kind in [crash, died] {
            assert_eq!(is_doubted(&run(true, Some(kind.clone()))), (true, true), "{kind:?}");
            assert_eq!(is_doubted(&run(false, Some(kind))), (false, false));
        }
        let mut refused = run(true, None);
        (refused.meta.status, refused.meta.failure) = (RunStatus::Aborted, Some(Failure::Target));
        assert!(is_doubted(&refused).1);
    }

    #[test]
    fn what_is_no_failure_of_the_target_is_not_laid_on_the_library() {
        assert_eq!(is_doubted(&run(true, None)), (false, false));
        let limit = EventKind::MemoryLimit { limit: 1 << 30, kills: 1 };
        assert_eq!(is_doubted(&run(true, Some(limit))), (false, false));
        let stopped = EventKind::Exited { worker: worker(1), cause: Some(ExitCause::Signal(9)), stopping: true };
        assert_eq!(is_doubted(&run(true, Some(stopped))), (false, false));
    }
}
