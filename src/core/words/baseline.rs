//! A baseline in words.

use super::kinds::{confident, outcome_word};
use crate::baseline::{Baseline, Known};
use crate::model::amount;

/// What is known of an earlier run, a line each; the last says until when its leaks are accepted, if they are.
pub fn lines(baseline: &Baseline) -> Vec<String> {
    let run = &baseline.run;
    let rule = baseline.rule.map_or_else(|| "an older version".to_owned(), |rule| format!("version {rule}"));
    let mut out = vec![
        format!("{}.", baseline.sentence.trim_end_matches('.')),
        format!("Run {} of {}, judged by {rule} of the rule.", run.id, run.started),
    ];
    out.extend(baseline.findings.iter().map(|known| format!("  {}: {}", known.resource, growth(known))));
    out.push(match &baseline.accept {
        Some(accept) => {
            format!("Its leaks are accepted until {}: {}.", accept.until, accept.reason.trim_end_matches('.'))
        }
        None => "Its leaks are not accepted.".into(),
    });
    out
}

fn growth(known: &Known) -> String {
    let amount = |value: f64| amount(known.resource, value);
    let per = known.unit.split_once('/').map_or("", |(_, per)| per);
    let word = outcome_word(known.verdict).to_lowercase();
    let growth = known.growth().map_or_else(
        || "not measured".to_owned(),
        |growth| format!("{}/{per} ({})", amount(growth.estimate), confident(&growth, amount)),
    );
    let allowed = known.budget.map_or_else(String::new, |budget| format!(", allowed {}", amount(budget)));
    format!("{word}, {growth}{allowed}")
}
