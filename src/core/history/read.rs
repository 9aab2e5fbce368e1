//! What builds are read from: files of verdicts, and lines of past runs.

use super::{Build, Growth, History, MOST_BUILDS};
use crate::answer::Outcome;
use crate::baseline::Baseline;
use crate::model::Resource;
use serde::{Deserialize, Serialize};

/// One build with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    name: Option<String>,
    build: Build,
    rates: Vec<Rate>,
}

#[derive(Debug, Clone, PartialEq)]
struct Rate {
    resource: Resource,
    per: String,
    growth: Growth,
    budget: Option<f64>,
}

/// One build as a line of JSON, as `history --format jsonl` writes it and, in parts, `analyze --format jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Line {
    #[serde(alias = "file")]
    build: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    started: Option<String>,
    #[serde(default)]
    rule: Option<u32>,
    #[serde(default)]
    verdict: Option<Outcome>,
    #[serde(default)]
    resource: Option<Resource>,
    #[serde(default)]
    estimate: Option<f64>,
    #[serde(default)]
    lower: Option<f64>,
    #[serde(default)]
    upper: Option<f64>,
    #[serde(default)]
    confidence: Option<f64>,
    #[serde(default)]
    per: Option<String>,
    #[serde(default)]
    budget: Option<f64>,
    #[serde(default, skip_serializing)]
    error: Option<String>,
}

impl Entry {
    /// A build of this name, from the file of its verdict. Of a run that failed no growth counts.
    pub fn of(build: String, baseline: &Baseline) -> Self {
        let rates = baseline.findings.iter().filter(|_| baseline.failure().is_none()).filter_map(|known| {
            let growth = known.growth()?;
            // Growth over time is told per second, whatever it was judged by.
            let (per, steps) = match known.unit.split_once('/')?.1 {
                "hour" => ("second", 3600.0),
                "s" => ("second", 1.0),
                _ => ("request", 1.0),
            };
            let growth = Growth {
                estimate: growth.estimate / steps,
                lower: Some(growth.lower / steps),
                upper: Some(growth.upper / steps),
                confidence: Some(growth.confidence),
            };
            let budget = known.budget.map(|budget| budget / steps);
            Some(Rate { resource: known.resource, per: per.into(), growth, budget })
        });
        let rates = rates.collect();
        let run = &baseline.run;
        let (started, outcome, rule) = (Some(run.started.clone()), baseline.verdict, baseline.rule);
        let build = Build { name: build, started, outcome, growth: None, rule };
        Entry { name: Some(run.name.clone()), build, rates }
    }

    /// The builds in lines of JSON; blank lines are none.
    ///
    /// # Errors
    /// At the first line that isn't one; the number of the line from 1, and what is wrong.
    pub fn lines(text: &str) -> Result<Vec<Self>, (usize, String)> {
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines.map(|(number, line)| Entry::line(line).map_err(|what| (number + 1, what))).collect()
    }

    fn line(text: &str) -> Result<Self, String> {
        let expected = "expected a line of `seepage history --format jsonl` or `seepage analyze --format jsonl`";
        let line: Line = serde_json::from_str(text).map_err(|error| format!("{error}; {expected}"))?;
        if line.verdict.is_none() && line.error.is_none() {
            return Err(format!("it has neither a verdict nor an error; {expected}"));
        }
        if line.lower.zip(line.upper).is_some_and(|(lower, upper)| lower > upper) {
            return Err("its lower bound is above the upper one".into());
        }
        if line.confidence.is_some_and(|sure| sure <= 0.0 || sure >= 1.0) {
            return Err("its confidence is not between 0 and 1".into());
        }
        let rate = line.resource.zip(line.estimate).zip(line.per).map(|((resource, estimate), per)| Rate {
            resource,
            per,
            growth: Growth { estimate, lower: line.lower, upper: line.upper, confidence: line.confidence },
            budget: line.budget,
        });
        let outcome = line.verdict.unwrap_or(Outcome::Inconclusive);
        let build = Build { name: line.build, started: line.started, outcome, growth: None, rule: line.rule };
        Ok(Entry { name: line.name, build, rates: rate.into_iter().collect() })
    }
}

impl History {
    /// Puts builds together: in the order in which their runs began, where all say it, else in the order in which they are given.
    ///
    /// # Errors
    /// If they aren't of one scenario, or their growth is of other units; the text says which.
    pub fn of(mut entries: Vec<Entry>, resource: Resource) -> Result<Self, String> {
        if entries.len() > MOST_BUILDS {
            return Err(format!(
                "{} builds are more than the {MOST_BUILDS} that are looked at: leave older ones out",
                entries.len()
            ));
        }
        let time = |entry: &Entry| entry.build.started.clone().filter(|time| time.ends_with('Z'));
        if entries.iter().all(|entry| time(entry).is_some()) {
            entries.sort_by_key(time);
        }
        let mut history =
            History { name: String::new(), resource, per: String::new(), budget: None, builds: Vec::new() };
        for Entry { name, mut build, rates } in entries {
            let name = name.unwrap_or_default();
            if !name.is_empty() && !history.name.is_empty() && name != history.name {
                return Err(format!(
                    "{} is of {name:?}, and others are of {:?}: give those of one",
                    build.name, history.name
                ));
            }
            if !name.is_empty() {
                history.name = name;
            }
            if let Some(rate) = rates.into_iter().find(|rate| rate.resource == resource) {
                if !history.per.is_empty() && rate.per != history.per {
                    let (own, others) = (&rate.per, &history.per);
                    return Err(format!(
                        "{}: growth is per {own}, and that of others per {others}: give those of one",
                        build.name
                    ));
                }
                history.per = rate.per;
                history.budget = rate.budget.or(history.budget);
                build.growth = Some(rate.growth);
            }
            history.builds.push(build);
        }
        Ok(history)
    }

    /// The builds as lines of JSON, which [`Entry::lines`] reads.
    pub fn to_lines(&self) -> String {
        let line = |build: &Build| Line {
            build: build.name.clone(),
            name: Some(self.name.clone()).filter(|name| !name.is_empty()),
            started: build.started.clone(),
            rule: build.rule,
            verdict: Some(build.outcome),
            resource: Some(self.resource),
            estimate: build.growth.map(|growth| growth.estimate),
            lower: build.growth.and_then(|growth| growth.lower),
            upper: build.growth.and_then(|growth| growth.upper),
            confidence: build.growth.and_then(|growth| growth.confidence),
            per: build.growth.map(|_| self.per.clone()),
            budget: self.budget,
            error: None,
        };
        let text = |build| serde_json::to_string(&line(build)).expect("plain fields are JSON") + "\n";
        self.builds.iter().map(text).collect()
    }
}
