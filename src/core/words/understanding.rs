//! "Understanding this report": what the numbers of this run mean, in plain English.
//!
//! Every sentence is made from the run at hand; what isn't known isn't said.

use super::{axis_name, because, budget, capital, forecast, gate, narrow, plain, reason, sites, steps, thousands};
use crate::answer::{ExitCode, Finding, GateState, Interval, LeakClass, Outcome, Verdict};
use crate::model::{Axis, MemoryKind, Resource, RunRecord, amount, format_bytes, format_count, format_seconds, level};

/// A question with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph {
    /// What it answers.
    pub title: String,
    /// Sentences, each with its full stop.
    pub text: String,
}

fn paragraph(title: &str, sentences: Vec<String>) -> Option<Paragraph> {
    (!sentences.is_empty()).then(|| Paragraph { title: title.to_owned(), text: sentences.join(" ") })
}

/// Explains a run, in the order in which a reader asks.
pub fn explain(record: &RunRecord, verdict: &Verdict) -> Vec<Paragraph> {
    let main = verdict
        .findings
        .iter()
        .find(|f| f.outcome == verdict.outcome && f.outcome != Outcome::Clean)
        .or(verdict.findings.first());
    let mut paragraphs = vec![paragraph("What was measured", measured(record, main))];
    if let Some(finding) = main {
        let mut said = meaning(finding);
        said.extend(withheld(verdict, finding));
        paragraphs.push(paragraph("What the verdict says", said));
        paragraphs.push(paragraph("What it means in production", production(record, finding)));
        paragraphs.push(paragraph("How to read the chart", chart(record, finding)));
    }
    paragraphs.push(paragraph(
        verdict.call_sites.as_ref().map_or_else(Default::default, |all| sites::title(all.source)),
        sites::explained(verdict),
    ));
    paragraphs.push(paragraph("Whether the load was real", load(record)));
    paragraphs.push(paragraph("What observing cost", observing(record)));
    paragraphs.into_iter().flatten().collect()
}

fn measured(record: &RunRecord, main: Option<&Finding>) -> Vec<String> {
    let workers = record.workers().len();
    if workers == 0 {
        return vec!["No worker was read, so there is nothing to judge.".to_owned()];
    }
    let readings = record.samples.len();
    let mut said = vec![format!(
        "{} {} read {} times in all{}.",
        count(workers as f64),
        if workers == 1 { "worker was" } else { "workers were" },
        count(readings as f64),
        finite(record.meta.elapsed).map_or_else(String::new, |e| format!(" over {}", format_seconds(e))),
    )];
    if main.is_none_or(|f| f.resource == Resource::Memory) {
        said.push(match &record.meta.understood {
            Some(table) if table.kind != MemoryKind::Anonymous => {
                format!("Memory here is the file's: {}.", record.meta.full(Resource::Memory))
            }
            _ => "Memory here is anonymous plus swapped memory: what the worker itself has allocated. It doesn't rise when \
                  a child un-shares pages of its parent, and doesn't fall when pages are swapped out, as RSS does."
                .to_owned(),
        });
    }
    if let Some(finding) = main {
        said.push(format!("Growth is measured against {}.", axis_name(finding.axis)));
    }
    let worth = plain(&record.meta.counting.worth);
    if !worth.is_empty() {
        said.push(format!("How requests were counted: {}.", worth.trim_end_matches('.')));
    }
    said
}

fn meaning(finding: &Finding) -> Vec<String> {
    let (resource, axis) = (finding.resource, finding.axis);
    let Some(growth) = finding.growth.filter(is_finite) else {
        return vec![format!("No growth could be fitted: {}.", sentence(&reason(finding)))];
    };
    let step = axis.unit();
    let budget = budget(finding);
    let shown = |value| amount(resource, value);
    let range = match narrow(&growth, shown) {
        Some(half) => format!("within {half} of {}", shown(growth.estimate)),
        None => format!("between {} and {}", shown(growth.lower), shown(growth.upper)),
    };
    let percent = format_count(growth.confidence * 100.0);
    let mut said = match finding.outcome {
        Outcome::Leak => vec![
            format!("Each {step} leaves about {} behind that does not come back.", level(resource, growth.estimate)),
            format!(
                "The true figure lies {range} with {percent} % confidence; the budget is {budget}. Even the low \
                 end is over the budget, so this is neither noise nor growth that is allowed."
            ),
        ],
        Outcome::Clean => vec![
            format!(
                "Growth is at most {} per {step}, which is under the budget of {budget}. A pass is proof of that, not \
                 just that nothing was noticed.",
                level(resource, growth.upper)
            ),
            format!("The estimate is {}, with {percent} % confidence {range}.", level(resource, growth.estimate)),
        ],
        Outcome::Inconclusive => vec![format!(
            "Growth lies {range} per {step} with {percent} % confidence. That is not narrow enough, or not \
             trustworthy enough, to say whether it is over the budget of {budget}."
        )],
    };
    let words = class_sentence(finding);
    if let Some(words) = words.filter(|_| {
        finding.outcome != Outcome::Leak
            || matches!(finding.class, LeakClass::LeakInOneWorker | LeakClass::LeakInOneStep | LeakClass::SwapHidIt)
    }) {
        said.push(words);
    }
    said.extend(because(finding).map(|because| format!("{}.", capital(&sentence(&because)))));
    said
}

/// Why a run whose growth is clean is not.
fn withheld(verdict: &Verdict, finding: &Finding) -> Option<String> {
    if finding.outcome != Outcome::Clean || verdict.exit == ExitCode::Clean {
        return None;
    }
    let broken: Vec<String> = verdict
        .gates
        .iter()
        .filter(|g| g.state != GateState::Pass)
        .map(gate)
        .map(|g| {
            format!(
                "{} (measured {}, allowed {})",
                plain(&g.name),
                plain(&g.measured.to_string()),
                plain(&g.allowed.to_string())
            )
        })
        .collect();
    // What a service came to is said of the service.
    let by_service = verdict.services.iter().any(|service| service.exit != ExitCode::Clean);
    Some(if broken.is_empty() && by_service {
        "The run as a whole doesn't count as clean because of its services.".to_owned()
    } else if broken.is_empty() {
        "The run as a whole doesn't count as clean, because it didn't go through to its end.".to_owned()
    } else {
        format!("The run as a whole doesn't count as clean because of {}.", broken.join("; "))
    })
}

fn class_sentence(finding: &Finding) -> Option<String> {
    let step = finding.steps.as_ref().and_then(|steps| steps.rows.get(steps.alone?));
    let sentence = match finding.class {
        LeakClass::LeakInOneWorker => "It is not the whole pool: only some of its workers grow.",
        LeakClass::WarmUp => "Memory grew at first and then settled, as caches and pools do when they fill.",
        LeakClass::HighWaterMark => {
            "Memory rose to a high-water mark and stays there: the largest requests set it, not their number."
        }
        LeakClass::CacheFilling => "It still grows, ever more slowly, as a cache does that isn't full yet.",
        LeakClass::Sawtooth => "It rises and falls, as with a garbage collector; the floor after each fall is flat.",
        LeakClass::CopyOnWrite => {
            "Private memory grew because workers wrote to pages that they shared with their parent; nothing new was \
             allocated."
        }
        LeakClass::WithinBudget => "It does grow, but less than the budget allows.",
        LeakClass::LeakInOneStep => match step {
            Some(row) => {
                let name = plain(&steps::name(row));
                return Some(format!("Only {name} leaks; without it, growth would be within the budget."));
            }
            None => "It is not the whole workload: without one of its steps, growth would be within the budget.",
        },
        LeakClass::SwapHidIt => "Resident memory doesn't show it, because what leaked was swapped out.",
        LeakClass::Retention => {
            "What the workers have allocated doesn't grow, but the memory that they hold does: it is fragmented, or kept by \
             the allocator."
        }
        LeakClass::SharedPages => {
            "What grew is shared memory or page cache, which the kernel counts for each that uses it; it isn't a leak of the \
             worker."
        }
        LeakClass::BornBigger => {
            "No worker grows by much, but each new one is born bigger: its parent leaks, or what workers load grows."
        }
        LeakClass::Leak | LeakClass::Flat | LeakClass::Unknown => return None,
    };
    Some(sentence.to_owned())
}

/// What a leak costs at the pace of this run, and what recycling would do about it.
fn production(record: &RunRecord, finding: &Finding) -> Vec<String> {
    let Some(growth) = finding.growth.filter(is_finite) else { return Vec::new() };
    if finding.outcome != Outcome::Leak || growth.estimate <= 0.0 {
        return Vec::new();
    }
    let resource = finding.resource;
    let mut said = Vec::new();
    if let Axis::Seconds | Axis::Hours = finding.axis {
        let hourly = if finding.axis == Axis::Hours { growth.estimate } else { growth.estimate * 3600.0 };
        said.push(format!("That is {} a day.", level(resource, hourly * 24.0)));
        if resource == Resource::Memory {
            said.extend(usual_level(finding).map(|base| {
                let hours = format_seconds(base / hourly * 3600.0);
                format!("A worker at {} doubles in {hours}, if it goes on like this.", format_bytes(base))
            }));
        }
        return said;
    }
    let whose = if resource.of_whole_target() { "the target" } else { "a worker" };
    said.push(format!(
        "A million requests to {whose} cost {} ({} to {}).",
        level(resource, growth.estimate * 1e6),
        amount(resource, growth.lower * 1e6),
        amount(resource, growth.upper * 1e6)
    ));
    if let Some(pace) = finding.forecast.as_ref().and_then(|f| f.pace) {
        said.push(format!(
            "At the pace of this run, {} requests/s to {whose}, that is {} an hour.",
            format_count(pace),
            level(resource, growth.estimate * pace * 3600.0)
        ));
    }
    said.extend(forecast::of_finding(record, finding).into_iter().map(|told| format!("{}.", capital(&told))));
    said
}

/// The usual level of a worker at the begin of its judged part.
fn usual_level(finding: &Finding) -> Option<f64> {
    let mut levels: Vec<f64> = finding.workers.iter().map(|w| w.first).filter(|v| v.is_finite()).collect();
    levels.sort_by(f64::total_cmp);
    levels.get(levels.len() / 2).copied()
}

fn chart(record: &RunRecord, finding: &Finding) -> Vec<String> {
    let mut said = vec![format!(
        "Each coloured line is {} of one worker; a worker that was recycled has a line of its own and is not joined to \
         the next.",
        if finding.resource.of_whole_target() {
            "the total".to_owned()
        } else {
            record.meta.full(finding.resource).to_owned()
        }
    )];
    if finding.workers.iter().any(|w| w.fit.is_some()) {
        said.push("Finely dashed lines are the fit, in a band of its uncertainty.".to_owned());
    }
    if finding.budget.is_finite() && finding.axis != Axis::Seconds {
        said.push(format!(
            "The dashed violet line is what the budget of {} would allow: a leak climbs away from it.",
            budget(finding)
        ));
    }
    said.push("What is shaded is warm-up and isn't judged.".to_owned());
    said
}

fn load(record: &RunRecord) -> Vec<String> {
    let Some(workload) = &record.meta.workload else { return Vec::new() };
    let ended = [workload.ok, workload.failed, workload.aborted];
    let under_way = ended.into_iter().fold(workload.sent, u64::saturating_sub);
    let under_way = match under_way {
        0 => String::new(),
        n => format!("; {} had no answer yet when it ended", count(n as f64)),
    };
    let mut said = vec![format!(
        "{} requests were sent in {} of soak, of which {} were answered as expected and {} failed{}{under_way}.",
        count(workload.sent as f64),
        format_seconds(workload.seconds),
        count(workload.ok as f64),
        count(workload.failed as f64),
        workload.error_rate().map_or_else(String::new, |r| format!(" ({} %)", format_count(r * 100.0)))
    )];
    if workload.aborted > 0 {
        said.push(format!("{} were broken off on purpose.", count(workload.aborted as f64)));
    }
    said.push(
        "A service that only answers with errors looks free of leaks, so failures have a gate of their own.".to_owned(),
    );
    said
}

fn observing(record: &RunRecord) -> Vec<String> {
    let Some(cost) = &record.meta.observing else { return Vec::new() };
    let mut said = vec![format!(
        "Readings were taken every {}; one takes {} and all together took {} % of one core.",
        format_seconds(cost.interval),
        format_seconds(cost.fast_reading),
        format_count(cost.cpu_share * 100.0)
    )];
    if let Some(share) = cost.live_share {
        said.push(format!(
            "To look at the run while it went on, and to show it, took {} % of one core.",
            format_count(share * 100.0)
        ));
    }
    if cost.missed_ticks > 0 {
        said.push(format!("{} readings came too late and were left out.", count(cost.missed_ticks as f64)));
    }
    said.extend(cost.missing.iter().map(|m| format!("Could not be read: {}.", sentence(m))));
    said
}

fn sentence(text: &str) -> String {
    plain(text).trim_end_matches('.').to_owned()
}

fn is_finite(interval: &Interval) -> bool {
    interval.estimate.is_finite() && interval.lower.is_finite() && interval.upper.is_finite()
}

fn finite(value: Option<f64>) -> Option<f64> {
    value.filter(|v| v.is_finite())
}

fn count(value: f64) -> String {
    thousands(&format!("{value:.0}"))
}
