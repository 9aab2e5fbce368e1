//! Which series of the user's own a harness file has: each source once, with all that is read of its answers.

use super::presets::{self, Is};
use super::{Allowed, MetricConfig, MetricKindConfig};
use crate::model::{Budgets, Metric, MetricKind, Resource};
use std::collections::BTreeMap;
use std::time::Duration;

/// Who is asked for values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Asked {
    /// This command, by what it prints.
    Command(Vec<String>),
    /// This page.
    Page(String),
}

/// Which number of an answer is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Select<T> {
    /// The only one.
    Whole,
    /// The one behind a name at the begin of a line.
    Row(T),
    /// The one at a place of a JSON document.
    Json(T),
    /// The sum of a metric's series.
    OpenMetrics(T),
    /// What the first group of a regular expression matches first.
    Pattern(T),
}

/// A value that is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// What it is called.
    pub metric: Metric,
    /// What it says.
    pub kind: MetricKind,
    /// Which number it is.
    pub select: Select<String>,
    /// What one of it is, in bytes or items.
    pub one: f64,
    /// What each look adds to it.
    pub own: f64,
    /// Growth that is allowed; `None` if the usual is. Missing if it isn't judged.
    pub budget: Option<Option<Allowed>>,
}

/// A source of values, which is asked for all of them at once.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// Who is asked.
    pub asked: Asked,
    /// From one look to the next.
    pub every: Duration,
    /// How long a look may take.
    pub timeout: Duration,
    /// What is read of an answer.
    pub wanted: Vec<Wanted>,
}

impl MetricConfig {
    /// Who is asked; `None` if that isn't said.
    pub(super) fn asked(&self) -> Option<Asked> {
        let command = self.command.clone().map(Asked::Command);
        command.or_else(|| self.url.clone().map(Asked::Page))
    }

    fn select(&self) -> Select<String> {
        let all = [
            self.row.clone().map(Select::Row),
            self.json.clone().map(Select::Json),
            self.openmetrics.clone().map(Select::OpenMetrics),
            self.pattern.clone().map(Select::Pattern),
        ];
        all.into_iter().flatten().next().unwrap_or(Select::Whole)
    }

    /// What is read under this name.
    pub(super) fn wanted(&self, name: &str) -> Vec<Wanted> {
        if let Some(preset) = self.preset {
            return presets::known(preset).iter().filter_map(of_preset).collect();
        }
        let kind = match self.kind {
            MetricKindConfig::Gauge => MetricKind::Gauge,
            MetricKindConfig::Counter => MetricKind::Counter,
        };
        let wanted = |metric| Wanted {
            metric,
            kind,
            select: self.select(),
            one: self.unit.map_or(1.0, |unit| unit.0 as f64),
            own: self.own,
            budget: (kind == MetricKind::Gauge && self.judged).then_some(self.budget),
        };
        Metric::new(name, self.unit.is_some()).map(wanted).into_iter().collect()
    }
}

fn of_preset(known: &presets::Known) -> Option<Wanted> {
    let select = match known.select {
        Select::Whole => Select::Whole,
        Select::Row(text) => Select::Row(text.into()),
        Select::Json(text) => Select::Json(text.into()),
        Select::OpenMetrics(text) => Select::OpenMetrics(text.into()),
        Select::Pattern(text) => Select::Pattern(text.into()),
    };
    let (kind, own) = match known.is {
        Is::Counter(own) => (MetricKind::Counter, own),
        Is::Judged | Is::Memory | Is::Told => (MetricKind::Gauge, 0.0),
    };
    let metric = Metric::new(known.name, matches!(known.is, Is::Memory))?;
    let budget = matches!(known.is, Is::Judged | Is::Memory).then_some(None);
    Some(Wanted { metric, kind, select, one: 1.0, own, budget })
}

/// The sources of these metrics, each of them once.
pub fn sources(metrics: &BTreeMap<String, MetricConfig>) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for (name, config) in metrics {
        let Some(asked) = config.asked() else { continue };
        let (every, timeout, wanted) = (config.every.0, config.timeout.0, config.wanted(name));
        let same = |source: &&mut Source| (&source.asked, source.every, source.timeout) == (&asked, every, timeout);
        match sources.iter_mut().find(same) {
            Some(source) => source.wanted.extend(wanted),
            None => sources.push(Source { asked, every, timeout, wanted }),
        }
    }
    sources
}

/// Allows each gauge what it may grow by.
pub(super) fn allow(budgets: &mut Budgets, metrics: &BTreeMap<String, MetricConfig>) {
    let usual = Budgets::usual(budgets.per);
    for wanted in metrics.iter().flat_map(|(name, config)| config.wanted(name)) {
        let resource = Resource::Metric(wanted.metric);
        let like = if resource.in_bytes() { usual.memory } else { usual.threads };
        let allowed = wanted.budget.and_then(|given| match given {
            Some(Allowed::Rate(budget)) => Some(budget.amount),
            // No checked harness has a life here.
            Some(Allowed::Life(_)) => None,
            None => like,
        });
        budgets.allow(resource, allowed);
    }
}
