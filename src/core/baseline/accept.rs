//! Whether the leaks of a run are those that a baseline accepts.

use super::Baseline;
use crate::answer::{Outcome, Verdict};
use crate::compare::{Answer, Margin, Margins, Measure, ServiceMargins, Side, Sides, compare_runs, summarize};
use crate::model::{Acceptability, Accepted, AcceptedLeak, NaiveDate, RunRecord};
use crate::verdict::RULE;

impl Baseline {
    /// Whether leaks of a run of this name can be held against this file.
    ///
    /// # Errors
    /// If they can't; the text says why, and what to do.
    pub fn check_accepts(&self, name: &str) -> Result<(), String> {
        self.check_acceptance()?;
        if self.run.name != name {
            let theirs = &self.run.name;
            return Err(format!(
                "it is of a run of {theirs:?}, and this one is of {name:?}: only one of the same name can be accepted"
            ));
        }
        Ok(())
    }

    /// Whether leaks of any run can be held against this file, which somebody may have written by hand.
    ///
    /// # Errors
    /// If they can't; the text says why, and what to do.
    pub fn check_acceptance(&self) -> Result<(), String> {
        let again =
            "`seepage baseline RUN --until DATE --reason TEXT --to FILE` writes one of a run that was judged now";
        let Some(accept) = &self.accept else {
            return Err(format!("it doesn't say until when its leaks are accepted: {again}"));
        };
        if accept.reason.trim().is_empty() {
            return Err("accept: its reason is empty: expected why the leak is accepted".into());
        }
        if self.rule != Some(RULE) {
            let theirs = self.rule.map_or_else(|| "an older version".into(), |rule| format!("version {rule}"));
            return Err(format!("it was judged by {theirs} of the rule, and this is version {RULE}: {again}"));
        }
        if !self.is_by_request() {
            return Err(
                "its growth is per hour, which can't be compared, because the load of those hours was its own".into()
            );
        }
        let mut leaks = self.findings.iter().filter(|known| known.verdict == Outcome::Leak).peekable();
        if leaks.peek().is_some() != (self.verdict == Outcome::Leak) {
            let verdict = self.verdict;
            return Err(format!(
                "its verdict is {verdict}, which its findings are not: expected a leak in both of them; {again}"
            ));
        }
        if let Some(leak) = leaks.find(|leak| !leak.growth.is_some_and(|growth| growth.is_sound())) {
            return Err(format!(
                "findings: {}: its growth can't be that of a leak: expected an estimate between its bounds, and none beyond 1 TiB \
                 a request; {again}",
                leak.resource
            ));
        }
        Ok(())
    }

    /// Holds the leaks of a run against it, on this day, by the same meaning of worse as that of comparisons of two runs.
    ///
    /// # Errors
    /// If the run can't be held against it; the text says why.
    pub fn accepts(&self, record: &RunRecord, verdict: &Verdict, today: NaiveDate) -> Result<Accepted, String> {
        self.check_accepts(&record.meta.name)?;
        let Some(accept) = &self.accept else { return Err("it accepts nothing".into()) };
        let side = |name: &str| Side { name: name.into(), phrase: String::new() };
        let sides = Sides { a: side("baseline"), b: side("candidate") };
        let margin = |budget| Margin { share: 0.0, least: budget };
        let margins: Margins =
            verdict.findings.iter().map(|f| (Measure::Growth(f.resource), margin(f.budget))).collect();
        let run = summarize("", record, verdict, String::new());
        let comparison = compare_runs(&sides, &self.summary(""), &run, &margins, &ServiceMargins::new());
        let leaks = verdict.findings.iter().filter(|finding| finding.outcome == Outcome::Leak);
        let leaks = leaks.map(|finding| {
            let resource = finding.resource;
            let leak = self.known(resource).filter(|known| known.verdict == Outcome::Leak);
            let Some(known) = leak.filter(|known| known.axis == Some(finding.axis)).and_then(|known| known.growth())
            else {
                return AcceptedLeak { resource, state: Acceptability::Unknown, known: None, more: None };
            };
            let difference = comparison.difference(Measure::Growth(resource));
            let more = difference.and_then(|d| d.difference).map(|d| (d.lower, d.upper));
            let state = match (difference.map(|d| d.answer), more) {
                (Some(Answer::Regression), _) => Acceptability::Worse,
                // As much again is another leak, and one that can't be told from none may be that.
                (Some(_), Some((_, most))) if most <= known.estimate.max(finding.budget) => Acceptability::NoWorse,
                _ => Acceptability::Open,
            };
            AcceptedLeak { resource, state, known: Some(known.estimate), more }
        });
        Ok(Accepted {
            rule: RULE,
            baseline: self.run.id.clone(),
            until: accept.until.to_string(),
            reason: accept.reason.clone(),
            over: today > accept.until,
            leaks: leaks.collect(),
        })
    }
}
