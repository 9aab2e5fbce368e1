//! Tells what each threshold and each condition of the rule is good for: which answers change without it, or at half and at
//! twice its value, over the labelled families and the traces of real services.
//!
//! `cargo run --release --features ablation --example ablation -- --reps 10 --seed 1` makes the tables of `docs/thresholds.md`.

#[path = "../tests/accuracy/families.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod families;
#[path = "../tests/accuracy/traces.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod traces;

use clap::Parser;
use families::{BUDGET, FAMILIES, PAGE, Source, Truth};
use seepage::answer::Outcome;
use seepage::model::{Axis, Resource, RunRecord, Series};
use seepage::rule::find;
use seepage::thresholds::{self, Change};
use seepage::verdict::judge;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use traces::{Expert, HELD_OUT, TRACES};

#[derive(Parser)]
struct Arguments {
    /// Cases of each family.
    #[arg(long, default_value_t = 10)]
    reps: u64,
    /// Seed of all cases.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only thresholds and conditions whose name contains this.
    #[arg(long, default_value = "")]
    name: String,
    /// Scale thresholds by these, in place of a half and two.
    #[arg(long, value_delimiter = ',', default_values_t = [0.5, 2.0])]
    factors: Vec<f64>,
    /// List every family and trace whose answers change.
    #[arg(long)]
    list: bool,
}

/// Something to be judged, and which answers are right and wrong.
struct Case {
    name: String,
    subject: Subject,
    right: Option<Outcome>,
    never: Vec<Outcome>,
}

enum Subject {
    Series(Vec<Series>),
    Record(Box<RunRecord>),
}

/// How good an answer is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Grade {
    Wrong,
    Open,
    Right,
}

impl Case {
    fn grade(&self) -> Grade {
        let outcome = match &self.subject {
            Subject::Series(series) => find(Resource::Memory, Axis::WorkerRequests, series, BUDGET, PAGE).outcome,
            Subject::Record(record) => judge(record).outcome,
        };
        match self.right {
            _ if self.never.contains(&outcome) => Grade::Wrong,
            Some(right) if outcome != right => Grade::Open,
            _ => Grade::Right,
        }
    }
}

fn cases(arguments: &Arguments) -> Vec<Case> {
    let of_families = FAMILIES.iter().flat_map(|family| {
        let (right, never) = match family.truth {
            Truth::Leak => (Some(Outcome::Leak), vec![Outcome::Clean]),
            Truth::Clean | Truth::Tolerated => (Some(Outcome::Clean), vec![Outcome::Leak]),
            Truth::Edge | Truth::Buried => (None, vec![Outcome::Clean]),
            Truth::Hard => (None, vec![Outcome::Leak]),
            Truth::Growing => (None, vec![Outcome::Leak, Outcome::Clean]),
        };
        (0..arguments.reps).map(move |case| {
            let series = (family.make)(&mut Source::new(arguments.seed, family.name, case));
            Case { name: family.name.into(), subject: Subject::Series(series), right, never: never.clone() }
        })
    });
    let tuned_on = TRACES.iter().filter(|(name, _)| !HELD_OUT.contains(name));
    let of_traces = tuned_on.map(|(name, expert)| {
        let (right, never) = match expert {
            Expert::Leak | Expert::Leaking => (Outcome::Leak, Outcome::Clean),
            Expert::Clean | Expert::Healthy => (Outcome::Clean, Outcome::Leak),
        };
        let record = traces::record(name, "anon_kib", traces::budgets(Some(16.0), None));
        Case {
            name: format!("trace {name}"),
            subject: Subject::Record(Box::new(record)),
            right: Some(right),
            never: vec![never],
        }
    });
    of_families.chain(of_traces).collect()
}

/// What a change does to the grades: by family or trace, how many got better and worse, and how many of those came from wrong
/// or became so.
#[derive(Default, Clone, Copy)]
struct Effect {
    better: u32,
    worse: u32,
    mended: u32,
    broken: u32,
}

fn effects(cases: &[Case], before: &[Grade], change: Change) -> BTreeMap<String, Effect> {
    let mut effects: BTreeMap<String, Effect> = BTreeMap::new();
    for (case, before) in cases.iter().zip(before) {
        let after = thresholds::with(change, || case.grade());
        if after != *before {
            let effect = effects.entry(case.name.clone()).or_default();
            effect.better += u32::from(after > *before);
            effect.worse += u32::from(after < *before);
            effect.mended += u32::from(*before == Grade::Wrong);
            effect.broken += u32::from(after == Grade::Wrong);
        }
    }
    effects
}

fn told(effects: &BTreeMap<String, Effect>, list: bool) -> String {
    if effects.is_empty() {
        return "nothing".into();
    }
    let sum = |pick: fn(&Effect) -> u32| effects.values().map(pick).sum::<u32>();
    let mut told = format!("+{} -{}", sum(|e| e.better), sum(|e| e.worse));
    for (count, what) in [(sum(|e| e.mended), "no longer wrong"), (sum(|e| e.broken), "wrong")] {
        if count > 0 {
            told += &format!(", {count} {what}");
        }
    }
    if list {
        let each = effects.iter().map(|(name, e)| format!("{name} +{} -{}", e.better, e.worse));
        told += &format!(" ({})", each.collect::<Vec<_>>().join("; "));
    }
    told
}

/// What each of these changes does, in their order.
fn told_of_all(cases: &[Case], before: &[Grade], changes: &[Change], list: bool) -> Vec<String> {
    let (next, all) = (AtomicUsize::new(0), Mutex::new(vec![String::new(); changes.len()]));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(change) = changes.get(place) else { return };
                    let told = told(&effects(cases, before, *change), list);
                    eprintln!("{change:?}: {told}");
                    all.lock().expect("no thread panics")[place] = told;
                }
            });
        }
    });
    all.into_inner().expect("no thread panics")
}

fn main() {
    let arguments = Arguments::parse();
    let cases = cases(&arguments);
    let mut before = Vec::new();
    let asked = thresholds::asked_for(|| before = cases.iter().map(Case::grade).collect());
    let wanted = |name: &str| name.contains(&arguments.name);
    let thresholds: Vec<(&str, f64)> = thresholds::ALL.iter().copied().filter(|(name, _)| wanted(name)).collect();
    let conditions: Vec<&str> = thresholds::CONDITIONS.iter().copied().filter(|name| wanted(name)).collect();
    let (on_way, beside): (Vec<_>, Vec<_>) = thresholds.into_iter().partition(|(name, _)| asked.contains(name));
    let scaled = on_way
        .iter()
        .flat_map(|(name, _)| arguments.factors.iter().map(move |factor| Change::Scaled { name, factor: *factor }));
    let changes: Vec<Change> = scaled.chain(conditions.iter().map(|name| Change::Without(name))).collect();
    let told = told_of_all(&cases, &before, &changes, arguments.list);
    let (of_thresholds, of_conditions) = told.split_at(on_way.len() * arguments.factors.len());
    println!("{} cases: {} wrong, {} open", cases.len(), count(&before, Grade::Wrong), count(&before, Grade::Open));
    let heads: Vec<String> = arguments.factors.iter().map(|factor| format!("x {factor}")).collect();
    println!("\n| threshold | value | {} |\n|---|---|{}", heads.join(" | "), "---|".repeat(heads.len()));
    for ((name, value), told) in on_way.iter().zip(of_thresholds.chunks(heads.len().max(1))) {
        println!("| `{name}` | {value} | {} |", told.join(" | "));
    }
    println!("\n| not on the way of these cases | value |\n|---|---|");
    for (name, value) in beside {
        println!("| `{name}` | {value} |");
    }
    println!("\n| without | answers |\n|---|---|");
    for (name, told) in conditions.iter().zip(of_conditions) {
        println!("| `{name}` | {told} |");
    }
}

fn count(grades: &[Grade], wanted: Grade) -> usize {
    grades.iter().filter(|grade| **grade == wanted).count()
}
