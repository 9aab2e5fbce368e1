//! The working behind the findings, for a terminal.

use super::fold::hung;
use super::text::{amount, budget, capital};
use super::understood;
use crate::answer::{Condition, Finding, Outcome, Verdict};
use crate::model::{Resource, RunRecord, format_count};
use crate::words::working::{ConditionWords, RuleWords};
use crate::words::{self, working as told};
use crate::working::{WorkedModel, Working, working};

/// Models that are listed; of more, the best.
const MODELS: usize = 12;

/// The working behind the findings of a run; of one resource, or of memory and all that isn't clean.
/// Sentences in tables are folded to `width` columns.
pub fn terminal(record: &RunRecord, verdict: &Verdict, only: Option<Resource>, width: usize) -> String {
    let wanted = |f: &&Finding| match only {
        Some(resource) => f.resource == resource,
        None => is_shown(f),
    };
    let parts: Vec<String> = verdict.findings.iter().filter(wanted).map(|f| one(record, f, width)).collect();
    let told = if parts.is_empty() { "nothing of that kind was judged\n".to_owned() } else { parts.join("\n") };
    understood::lines(record) + &told
}

/// Whether a finding's working is shown unasked.
pub fn is_shown(finding: &Finding) -> bool {
    finding.resource == Resource::Memory || finding.outcome != Outcome::Clean
}

fn one(record: &RunRecord, finding: &Finding, columns: usize) -> String {
    let title = format!("{}: {}", capital(record.meta.full(finding.resource)), finding.outcome);
    let mut out = format!("{title}\n{}\n", "=".repeat(title.chars().count()));
    out.push_str(&format!("{}.\n", capital(&words::reason(finding))));
    out.extend(words::because(finding).map(|because| format!("{}.\n", capital(&because))));
    let Some(working) = working(record, finding) else {
        out.push_str("\nNothing could be fitted: there are too few readings.\n");
        return out;
    };
    out.push_str("\nWhat was left out, and put together\n");
    let notes = working.notes.iter().map(words::reading);
    let cuts = working.cuts.iter().map(|cut| told::cut(&working, cut));
    out.extend(cuts.chain(notes).map(|cut| format!("  - {cut}\n")));
    out.push_str(&format!("\nPlausible models, in {}\n", unit(&working)));
    out.push_str(&models(&working, columns));
    out.push_str("\nWhat the best model leaves\n");
    out.extend(residuals(&working).iter().map(|line| hung("  ", line, columns)));
    let held = &finding.evidence.conditions;
    out.push_str("\nLeak, if all of these hold\n");
    out.push_str(&conditions(&working, &held.leak, columns));
    out.push_str(&format!("\nClean, if all of these hold (budget {})\n", budget(finding)));
    out.push_str(&conditions(&working, &held.clean, columns));
    out.extend(told::otherwise(&working, held).into_iter().map(|line| hung("  ", &line, columns)));
    if !working.naive.is_empty() {
        out.push_str("\nWhat simpler rules would say of the same levels\n");
        let rules: Vec<RuleWords> = working.naive.iter().map(|rule| told::naive(&working, rule)).collect();
        let width = |text: fn(&RuleWords) -> &str| rules.iter().map(|r| text(r).chars().count()).max().unwrap_or(0);
        let (name_width, found_width) = (width(|rule| rule.name), width(|rule| &rule.found));
        let fits = 10 + name_width + found_width <= columns;
        for (rule, RuleWords { name, found }) in working.naive.iter().zip(&rules) {
            let says = if rule.calls_a_leak() { "leak" } else { "no  " };
            let told = if fits { format!("{name:name_width$}  {found}") } else { format!("{name}: {found}") };
            let first = format!("  {says}  ");
            out.push_str(&if fits {
                format!("{first}{told}\n")
            } else {
                hung(&first, &told.replace(" = ", "\u{a0}=\u{a0}"), columns)
            });
        }
    }
    out
}

/// What the numbers of the models are in: `bytes/request`.
pub fn unit(working: &Working) -> String {
    let what = if working.resource.in_bytes() { "bytes" } else { "items" };
    format!("{what} per {}", working.axis.unit())
}

/// A table; where there is no room for one, each model with its numbers below it.
fn models(working: &Working, columns: usize) -> String {
    let number = |v: f64| amount(working.resource, v);
    let head = ["", "persistent", "lower", "at the end", "upper", "criterion"].map(str::to_owned);
    let row = |m: &WorkedModel| {
        [
            words::model(&m.shape),
            number(m.persistent[0]),
            number(m.persistent[1]),
            number(m.end[0]),
            number(m.end[2]),
            format!("+{:.1}", m.distance),
        ]
    };
    let rows: Vec<[String; 6]> = [head].into_iter().chain(working.models.iter().take(MODELS).map(row)).collect();
    let widths: Vec<usize> = (0..6).map(|c| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0)).collect();
    let fits = widths.iter().map(|width| width + 2).sum::<usize>() <= columns;
    let mut out = String::new();
    for row in rows.iter().skip(usize::from(!fits)) {
        if !fits {
            let numbers = rows[0].iter().zip(row).skip(1).map(|(head, cell)| format!("{head} {cell}"));
            out.push_str(&hung("  ", &row[0], columns));
            out.push_str(&hung("      ", &numbers.collect::<Vec<_>>().join(", "), columns));
            continue;
        }
        let mut line = format!("  {:w$}", row[0], w = widths[0]);
        for (cell, width) in row[1..5].iter().zip(&widths[1..]) {
            line.push_str(&format!("  {cell:>width$}"));
        }
        line.push_str(&format!("  {}", row[5]));
        out.push_str(line.trim_end());
        out.push('\n');
    }
    if working.models.len() > MODELS {
        out.push_str(&format!("  and {} more\n", working.models.len() - MODELS));
    }
    out
}

fn residuals(working: &Working) -> Vec<String> {
    let Some(best) = working.models.first() else { return Vec::new() };
    let lag = |k: usize| working.residuals.autocorrelation.get(k - 1).map_or("–".to_owned(), |v| format!("{v:.2}"));
    let tails = working.residuals.quantiles.iter().filter(|q| q.1.abs() > 3.0).count();
    vec![
        format!(
            "innovations of {} (standard deviation), autocorrelation {:.2} from one level to the next",
            amount(working.resource, best.sigma),
            best.rho
        ),
        format!(
            "autocorrelation of the residuals 1, 2, 5, 10 levels later: {}, {}, {}, {} (±{:.2} would be noise)",
            lag(1),
            lag(2),
            lag(5),
            lag(10),
            working.residuals.bound
        ),
        format!(
            "{} of {} innovations beyond 3 standard deviations",
            format_count(tails as f64),
            working.residuals.quantiles.len()
        ),
    ]
}

fn conditions(working: &Working, conditions: &[Condition], columns: usize) -> String {
    let mut out = String::new();
    for condition in conditions {
        let ConditionWords { wanted, found } = told::condition(working.resource, working.axis, condition);
        let holds = if condition.holds() { "yes" } else { "NO " };
        out.push_str(&hung(&format!("  {holds}  "), &format!("{wanted}: {found}"), columns));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_leak_is_worked_out() {
        let (record, verdict) = fixture::leak();
        insta::assert_snapshot!(terminal(&record, &verdict, None, usize::MAX));
    }

    #[test]
    fn it_fits_the_terminal() {
        let (record, verdict) = fixture::leak();
        for width in [40, 80, 120] {
            let told = crate::report::fold(&terminal(&record, &verdict, None, width), width);
            assert_eq!(told.lines().find(|line| line.chars().count() > width), None);
        }
    }

    #[test]
    fn one_resource_can_be_asked_for() {
        let (record, verdict) = fixture::leak();
        let told = terminal(&record, &verdict, Some(Resource::Descriptors), usize::MAX);
        assert!(told.starts_with("Open file descriptors: clean\n"), "{told}");
        let none = terminal(&record, &verdict, Some(Resource::Kernel), usize::MAX);
        assert_eq!(none, "nothing of that kind was judged\n");
    }

    #[test]
    fn nothing_hostile_and_nothing_missing_breaks_it() {
        for (name, (record, verdict)) in fixture::all() {
            let told = terminal(&record, &verdict, None, usize::MAX);
            assert!(!told.contains(['\u{1b}', '\u{202e}']), "{name}");
        }
    }
}
