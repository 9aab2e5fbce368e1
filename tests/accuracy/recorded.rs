//! Traces of real services: the verdict that an expert gives, whichever memory was recorded. How they were made is told
//! beside them.

use seepage::model::Budgets;
use seepage::table::{self, Mapping};
use seepage::verdict::{Outcome, Verdict, judge};
use std::fs::File;
use std::path::Path;

/// What an expert says of a trace.
#[derive(Clone, Copy, PartialEq)]
enum Expert {
    Leak,
    Clean,
    /// A leak that this trace is too short to prove.
    Leaking,
    /// No leak, but this trace is too short to prove it.
    Healthy,
}

const TRACES: [(&str, Expert); 13] = [
    ("aiohttp-3.10.10", Expert::Leak),
    ("aiohttp-3.10.11", Expert::Clean),
    ("ujson-5.10.0", Expert::Leak),
    ("ujson-6.1.0", Expert::Clean),
    ("express-memorystore-leaky", Expert::Leaking),
    ("express-memorystore-fixed", Expert::Healthy),
    ("nginx-1.22", Expert::Clean),
    ("php-fpm-8.2-kept", Expert::Clean),
    ("php-fpm-8.2-recycled", Expert::Clean),
    ("forks-together-clean", Expert::Healthy),
    ("forks-together-leak", Expert::Leaking),
    ("forks-idle-clean", Expert::Healthy),
    ("forks-idle-leak", Expert::Leak),
];

const BUDGET: f64 = 16.0;

fn judged(name: &str, memory: &str) -> Verdict {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/accuracy/traces/{name}.csv"));
    let file = File::open(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mapping = Mapping { memory: Some(memory.into()), ..Mapping::default() };
    let mut record = table::read(file, name, &mapping).expect("a table").record;
    record.meta.budgets = Budgets { memory: Some(BUDGET), ..Budgets::default() };
    judge(&record)
}

#[test]
fn recorded_services_are_judged_as_an_expert_would() {
    let mut wrong = Vec::new();
    for (name, expert) in TRACES {
        for memory in ["anon_kib", "rss_kib", "pss_kib"] {
            let verdict = judged(name, memory);
            // Proportional memory also moves when a neighbour forks or ends: it need not prove anything.
            let must_prove = memory == "anon_kib" && matches!(expert, Expert::Leak | Expert::Clean);
            let (right, never) = match expert {
                Expert::Leak | Expert::Leaking => (Outcome::Leak, Outcome::Clean),
                Expert::Clean | Expert::Healthy => (Outcome::Clean, Outcome::Leak),
            };
            if verdict.outcome == never || must_prove && verdict.outcome != right {
                wrong.push(format!("{name}, {memory}: {}", verdict.sentence));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
