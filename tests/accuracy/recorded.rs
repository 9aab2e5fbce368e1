//! Traces of real services: the verdict that an expert gives, whichever memory was recorded. How they were made is told
//! beside them.

#[path = "traces.rs"]
mod traces;

use seepage::answer::{Outcome, Verdict};
use seepage::model::Budgets;
use seepage::verdict::judge;
use traces::{DESCRIPTORS, Expert, HELD_OUT, TRACES, budgets, kinds, record};

fn judged(name: &str, memory: &str, budgets: Budgets) -> Verdict {
    judge(&record(name, memory, budgets))
}

/// Whether a verdict is what the expert says, or at least not the opposite where it need not be proven.
fn agrees(verdict: &Verdict, expert: Expert, must_prove: bool) -> bool {
    let (right, never) = match expert {
        Expert::Leak | Expert::Leaking => (Outcome::Leak, Outcome::Clean),
        Expert::Clean | Expert::Healthy => (Outcome::Clean, Outcome::Leak),
    };
    verdict.outcome != never && (!must_prove || verdict.outcome == right)
}

#[test]
fn recorded_services_are_judged_as_an_expert_would() {
    let mut wrong = Vec::new();
    for (name, expert) in TRACES {
        for memory in kinds(name) {
            let verdict = judged(name, memory, budgets(Some(16.0), None));
            // Proportional memory also moves when a neighbour forks or ends: it need not prove anything.
            let must_prove = memory == "anon_kib" && matches!(expert, Expert::Leak | Expert::Clean);
            if !agrees(&verdict, expert, must_prove) {
                wrong.push(format!("{name}, {memory}: {}", crate::reasons(&verdict)));
            }
        }
    }
    for (name, expert) in DESCRIPTORS {
        let verdict = judged(name, "anon_kib", budgets(None, Some(0.01)));
        if !agrees(&verdict, expert, true) {
            wrong.push(format!("{name}, descriptors: {}", crate::reasons(&verdict)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_beside_the_traces_says_which_are_held_out_of_tuning() {
    let page = include_str!("traces/README.md");
    let from = page.find("## Held out of tuning").expect("a section on them");
    let section = &page[from..][3..];
    let section = &section[..section.find("\n## ").unwrap_or(section.len())];
    let told: Vec<&str> = section.split('`').skip(1).step_by(2).filter(|name| !name.contains('/')).collect();
    assert_eq!(told, HELD_OUT);
    assert!(HELD_OUT.iter().all(|held| TRACES.iter().any(|(name, _)| name == held)));
}
