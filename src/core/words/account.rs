//! What the account of the whole target has, in words: who of the rest grew, and which processes there are more of.

use super::doubts::{chosen, named};
use crate::answer::{Finding, LeakClass, Outcome, RestProcess, Verdict, WholeTarget};
use crate::model::{Resource, RunRecord, format_bytes, format_count};

/// Who is behind what a finding says of the whole target, in sentences without their full stop; none where it is clean, or of
/// something else.
pub fn who(record: &RunRecord, verdict: &Verdict, finding: &Finding) -> Vec<String> {
    let Some(whole) = verdict.whole_target.as_ref().filter(|_| finding.outcome != Outcome::Clean) else {
        return Vec::new();
    };
    match finding.resource {
        Resource::Rest => rest(whole),
        Resource::Processes => processes(whole).into_iter().chain(weight(record, finding)).collect(),
        Resource::Memory if finding.class == LeakClass::BornBigger => {
            vec!["look at their parent, whose memory they are born with, and at what they load".into()]
        }
        Resource::Shared => vec!["look at its memfds, tmpfs files and shared segments".into()],
        _ => Vec::new(),
    }
}

fn rest(whole: &WholeTarget) -> Vec<String> {
    let Some(most) = whole.rest.first().filter(|most| most.size.1 > most.size.0) else { return Vec::new() };
    let (came, hold) = whole.came;
    if came > 1 && hold > 2.0 * (most.size.1 - most.size.0) {
        let (came, hold) = (format_count(came as f64), format_bytes(hold));
        return vec![format!("{came} processes came that stay, and hold {hold} together")];
    }
    let grew = format!("{} grew most, {}", named(&most.who), size(most));
    vec![grew, format!("to judge it, run again with {}", chosen(&most.choice))]
}

/// What a process held first and last: `from 30 MiB to 129 MiB`.
fn size(process: &RestProcess) -> String {
    format!("from {} to {}", format_bytes(process.size.0), format_bytes(process.size.1))
}

/// Why fewer are allowed than the budget says.
fn weight(record: &RunRecord, finding: &Finding) -> Option<String> {
    let less = finding.budget < record.budget(Resource::Processes)?;
    less.then(|| "as heavy as they are, the budget of memory allows no more of them".into())
}

fn processes(whole: &WholeTarget) -> Vec<String> {
    let count = |n: u64| format_count(n as f64);
    let mut out = Vec::new();
    let (first, last) = whole.processes;
    if last <= first {
        return out;
    }
    let (before, dead) = whole.zombies;
    let live = whole.newest.as_ref().filter(|_| 2 * dead.saturating_sub(before) < last - first);
    let newest = live.map_or(String::new(), |newest| format!(", the newest {}", named(newest)));
    out.push(format!("the target went from {} to {} processes{newest}", count(first), count(last)));
    if dead > before
        && let Some(parent) = &whole.forgets
    {
        out.push(format!("{} of them are zombies: {} does not wait for its dead children", count(dead), named(parent)));
    }
    out
}
