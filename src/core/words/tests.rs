//! Every sentence on a finding, and every condition of the rule, as they read.

use super::{because, facts, found, reason, settle, too_short, working};
use crate::answer::*;
use crate::fixture::run::leaking;
use crate::model::{Axis, Resource};
use crate::plan::TooShort;
use crate::verdict::*;

/// The growth of memory in a run that leaks.
fn finding() -> Finding {
    judge(&leaking()).findings.swap_remove(0)
}

#[test]
fn reasons_read_well() {
    let (lower, upper, estimate) = (3993.0, 4403.0, 4198.0);
    let reasons = [
        Reason::NotJudged,
        Reason::NotRead,
        Reason::NoSeries(SetAside::Unsound),
        Reason::NoSeries(SetAside::Few(2)),
        Reason::NoSeries(SetAside::Idle),
        Reason::NoSeries(SetAside::PartOnly),
        Reason::NoSeries(SetAside::Outlived),
        Reason::NoSeries(SetAside::Represented { by: 300, of: 3007 }),
        Reason::FewReadings,
        Reason::LoadIsAll,
        Reason::FewCollections(3),
        Reason::NoRequests,
        Reason::SomeWorkers { leaking: 1, judged: 4 },
        Reason::ByParts,
        Reason::GoesOn { lower, jumps: false },
        Reason::GoesOn { lower, jumps: true },
        Reason::EndsByItself { end: upper, persistent: 12.0 },
        Reason::Within { upper: 12.0, history: None, second_half: true },
        Reason::Within { upper: 12.0, history: Some(History::HighWaterMark), second_half: false },
        Reason::Within { upper: 12.0, history: Some(History::Growth), second_half: false },
        Reason::Unshared {
            bytes: 4e6,
            clean: Box::new(Reason::Within { upper: 12.0, history: Some(History::WarmUp), second_half: false }),
        },
        Reason::Jumps { count: 7, added: 900.0 },
        Reason::Jumps { count: 7, added: -900.0 },
        Reason::SomeSuspicious { recycled: false },
        Reason::SomeSuspicious { recycled: true },
        Reason::GrowsWhileIdle { upper: 90.0 },
        Reason::Stopped { estimate },
        Reason::LoadIsLost { estimate },
        Reason::TakenBack { estimate },
        Reason::Fading { estimate },
        Reason::Shapeless { estimate },
        Reason::FewRises { estimate },
        Reason::Recent { estimate },
        Reason::NearBudget { estimate: 60.0 },
        Reason::MayHideGrowth { estimate: -3600.0, hidden: 490.0 },
        Reason::StillWarming { upper },
        Reason::TooNoisy { lower: -upper, upper },
        Reason::Young { pid: 12, age: 0.4 },
        Reason::Young { pid: 12, age: 31.0 },
    ];
    let mut told: Vec<String> = reasons.into_iter().map(|why| reason(&Finding { reason: why, ..finding() })).collect();
    told.extend([TooShort::Unfitted, TooShort::Levels { levels: 12, needed: 30 }].map(too_short));
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_would_settle_it_reads_well() {
    let longer = |axis, pace| (axis, Settle::Longer { steps: 12_345.6, times: 3.21, pace });
    let settles = [
        (Axis::WorkerRequests, Settle::Readings),
        (Axis::WorkerRequests, Settle::OtherLoad),
        longer(Axis::WorkerRequests, Some(25.0)),
        longer(Axis::PoolRequests, None),
        longer(Axis::Seconds, None),
        (Axis::Hours, Settle::Longer { steps: 2.5, times: 3.21, pace: None }),
        (Axis::WorkerRequests, Settle::MoreLives { times: 3.21 }),
        (Axis::WorkerRequests, Settle::Outlast(300.0)),
        (Axis::Seconds, Settle::CountRequests),
        (Axis::WorkerRequests, Settle::BudgetPerHour),
        (Axis::WorkerRequests, Settle::OtherBudget),
    ];
    let told = settles.map(|(axis, what)| settle(&Finding { axis, settle: Some(what), ..finding() }).unwrap());
    insta::assert_snapshot!(told.join("\n"));
    assert_eq!(settle(&finding()), None);
}

#[test]
fn what_shows_a_class_reads_well() {
    let when = When { at: 48_123.0, soonest: 41_000.0, latest: 57_000.0 };
    let sure = When { soonest: when.at, latest: when.at, ..when };
    let all = [
        Because::Rose { span: 29_500.0, usual: 8.8e6, most: None },
        Because::Rose { span: 29_500.0, usual: 8.8e6, most: Some(9.9e6) },
        Because::Fills(Some(Full { when, left: 1e6 })),
        Because::Fills(None),
        Because::Settled { grown: 2e7, level: 7e7, after: Some(sure) },
        Because::Settled { grown: 2e7, level: 7e7, after: None },
        Because::InJumps { grown: 2e7, jumps: 1.8e7 },
        Because::Floors { collections: 31, level: 5e7 },
        Because::Grows { estimate: 12.0 },
        Because::Stays { span: 29_500.0, within: 40_000.0, around: 5e7 },
        Because::Retained { live: 3.0, memory: 3993.0 },
        Because::Swapped { resident: 0.0, allocated: 4e6, swapped: 4e6 },
        Because::Swapped { resident: 4e5, allocated: 4e6, swapped: 3.6e6 },
        Because::NotItsOwn { own: 1e5, files: 4e6, shared: 2e6 },
    ];
    let told = all.map(|one| {
        let mut finding = finding();
        finding.evidence.because = Some(one);
        because(&finding).unwrap()
    });
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn facts_read_well() {
    let interval = Interval { estimate: 4198.0, lower: 3993.0, upper: 4403.0, confidence: 0.98 };
    let model = |transients: &[Transient], stepped| Fact::Model {
        shape: ModelShape { transients: transients.to_vec(), stepped },
        persistent: 4198.0,
        end: 4203.0,
        error: 80.0,
        distance: 1.27,
    };
    let jumps = |pattern| Fact::Jumps { count: 7, added: 900.0, pattern };
    let mut finding = finding();
    finding.evidence.facts = vec![
        Fact::Judged { count: 4, recycled: false },
        Fact::Judged { count: 300, recycled: true },
        Fact::SetAside { count: 1, of: 5 },
        Fact::Against(Axis::SharedRequests),
        Fact::Released(2),
        Fact::Swings(3),
        Fact::Growth(interval),
        Fact::Persistent(interval),
        Fact::AtTheEnd(interval),
        Fact::Mixed,
        Fact::SecondHalf,
        Fact::Least(3993.0),
        Fact::Models(7),
        model(&[], false),
        model(&[Transient::Exponential(0.25), Transient::Onset(0.4)], true),
        model(&[Transient::Logarithm(0.02), Transient::Hinge(0.6)], false),
        model(&[Transient::Delayed(0.3, 0.06)], false),
        Fact::Autocorrelation(0.31),
        Fact::Innovation(12_000.0),
        jumps(JumpPattern::None),
        jumps(JumpPattern::Single),
        jumps(JumpPattern::Settling),
        jumps(JumpPattern::GoingOn),
        jumps(JumpPattern::Unclear),
        Fact::Unshared(4e6),
    ];
    let told: Vec<String> = facts(&finding).into_iter().map(|(label, value)| format!("{label}: {value}")).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn conditions_read_well() {
    let told = EDGES.iter().flat_map(|(holds, fails)| [holds, fails]).map(|condition| {
        let working::ConditionWords { wanted, found } =
            working::condition(Resource::Memory, Axis::WorkerRequests, condition);
        format!("{} {wanted}: {found}", if condition.holds() { "yes" } else { "no " })
    });
    let told: Vec<String> = told.collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_a_look_found_is_recorded_in_a_few_words() {
    let growth = Some(Interval { estimate: 4198.0, lower: 3993.0, upper: 4403.0, confidence: 0.98 });
    let look = Found { resource: Resource::Memory, axis: Axis::WorkerRequests, outcome: Outcome::Leak, growth };
    assert_eq!(found(Some(&look)), "memory: leak, 4.1 KiB/request (98 %: 3.9 KiB to 4.3 KiB)");
    assert_eq!(found(Some(&Found { growth: None, ..look })), "memory: leak, nothing fitted");
    assert_eq!(found(None), "nothing was judged");
}
