//! `--budget`: growth that is allowed, in the same words for every command.

use crate::config::Allowed;
use crate::model::{Budget, Per, Resource, RunRecord, UnitError, format_seconds, level, percent, unit_hint};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// A budget with the resource it is for: `64 B/request`, `descriptors=60/hour`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResourceBudget {
    /// The resource; memory if none was named.
    pub resource: Resource,
    /// What is allowed.
    pub budget: Budget,
}

/// The resource that is named before an amount, memory if none is, and the amount.
fn named(text: &str) -> Result<(Resource, &str), String> {
    let Some((name, amount)) = text.split_once('=') else { return Ok((Resource::Memory, text)) };
    let named = Resource::budgeted().find(|r| r.name() == name.trim());
    let names = || Resource::budgeted().map(Resource::name).collect::<Vec<_>>().join(", ");
    named.map(|named| (named, amount)).ok_or_else(|| format!("`{name}` has no budget; choose from {}", names()))
}

/// Checks that bytes are allowed of what is measured in bytes, and numbers of what is counted.
fn fits(resource: Resource, bytes: bool) -> Result<(), String> {
    match (resource.in_bytes(), bytes) {
        (true, false) => {
            Err(format!("{resource} needs an amount with its unit, such as `64 B/request` or `1 MiB/hour`"))
        }
        (false, true) => Err(format!("{resource} are counted, such as `{resource}=60/hour`")),
        _ => Ok(()),
    }
}

impl FromStr for ResourceBudget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (resource, amount) = named(text)?;
        let budget: Budget = amount.parse().map_err(|error: UnitError| error.to_string())?;
        fits(resource, budget.bytes)?;
        Ok(ResourceBudget { resource, budget })
    }
}

/// Growth that is allowed of what is about to be run, as a harness file has it.
#[derive(Debug, Clone, PartialEq)]
pub struct AllowedGrowth {
    /// The resource; memory if none was named.
    pub resource: Resource,
    /// What is allowed, as it was written.
    pub text: String,
}

impl FromStr for AllowedGrowth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (resource, amount) = named(text)?;
        let allowed: Allowed = amount.parse()?;
        fits(resource, allowed.bytes())?;
        Ok(AllowedGrowth { resource, text: amount.trim().to_owned() })
    }
}

/// Growth that is allowed of what was recorded already: also by the day, in all of the time, and as a part of the first level.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RecordedBudget {
    resource: Resource,
    amount: Amount,
    over: Over,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Amount {
    /// Bytes or items.
    Of(f64),
    /// A part of the first level: 1 is all of it.
    Share(f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Request,
    Hour,
    Day,
    All,
}

const RECORDED_EXPECTED: &str = "expected growth per request, hour or day, or in all, such as `64 B/request`, `1 MiB/hour`, `24 MiB/day`, \
                                 `10 MiB`, or a part of the first level, such as `5%` or `1%/day`";

impl FromStr for RecordedBudget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (resource, budget) = named(text)?;
        let wrong = || format!("{RECORDED_EXPECTED}; found `{budget}`{}", unit_hint(budget));
        let (amount, over) = match budget.rsplit_once('/') {
            None => (budget, Over::All),
            Some((amount, "request")) => (amount, Over::Request),
            Some((amount, "hour" | "h")) => (amount, Over::Hour),
            Some((amount, "day" | "d")) => (amount, Over::Day),
            Some(_) => return Err(wrong()),
        };
        if let Some(percent) = amount.trim().strip_suffix('%') {
            let percent: Budget = format!("{}/hour", percent.trim()).parse().map_err(|_| wrong())?;
            let share = Some(percent.amount / 100.0).filter(|_| !percent.bytes).ok_or_else(wrong)?;
            return match resource {
                Resource::Memory | Resource::Descriptors | Resource::Threads => {
                    Ok(RecordedBudget { resource, amount: Amount::Share(share), over })
                }
                _ => Err(format!("{resource} needs an amount, such as `{}=1 MiB/hour`", resource.name())),
            };
        }
        let plain: Budget = format!("{amount}/hour").parse().map_err(|_| wrong())?;
        fits(resource, plain.bytes)?;
        Ok(RecordedBudget { resource, amount: Amount::Of(plain.amount), over })
    }
}

impl fmt::Display for RecordedBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = match self.over {
            Over::Request => "/request",
            Over::Hour => "/hour",
            Over::Day => "/day",
            Over::All => "",
        };
        let amount = match self.amount {
            Amount::Share(share) => format!("{}%", 100.0 * share),
            Amount::Of(bytes) if self.resource.in_bytes() => format!("{bytes} B"),
            Amount::Of(count) => count.to_string(),
        };
        write!(f, "{}={amount}{over}", self.resource.name())
    }
}

impl RecordedBudget {
    /// What it is growth of.
    pub fn resource(&self) -> Resource {
        self.resource
    }

    /// What it is for.
    fn per(&self) -> Per {
        if self.over == Over::Request { Per::Request } else { Per::Hour }
    }

    /// The budget for what was recorded, and how it follows if that isn't what was written. What is allowed in all is allowed in `seconds`;
    /// by default, in those that the record lasts.
    ///
    /// # Errors
    /// If the record has no level to take a part of, or no time.
    pub fn of(&self, record: &RunRecord, seconds: Option<f64>) -> Result<(ResourceBudget, Option<String>), String> {
        let resource = self.resource;
        let shown = |amount: f64| level(resource, amount);
        let mut said = Vec::new();
        let amount = match self.amount {
            Amount::Of(amount) => amount,
            Amount::Share(share) => {
                let level = first_level(record, resource)?;
                said.push(format!("{} of the first level of {}", percent(share), shown(level)));
                share * level
            }
        };
        let hours = match self.over {
            Over::Request | Over::Hour => 1.0,
            Over::Day => 24.0,
            Over::All => {
                seconds.or_else(|| elapsed(record)).ok_or("it lasts no time over which growth could be allowed")?
                    / 3600.0
            }
        };
        match self.over {
            Over::All => said.push(format!("{} in all of {}", shown(amount), format_seconds(3600.0 * hours))),
            Over::Day => said.push(format!("{} a day", shown(amount))),
            Over::Request | Over::Hour => {}
        }
        let amount = amount / hours;
        let budget = Budget { amount, bytes: resource.in_bytes(), per: self.per() };
        let unit = if self.over == Over::Request { "request" } else { "hour" };
        let note = || format!("the budget of {resource}, {}, is {}/{unit}", said.join(", which is "), shown(amount));
        Ok((ResourceBudget { resource, budget }, (!said.is_empty()).then(note)))
    }
}

/// Seconds from the first reading to the last.
fn elapsed(record: &RunRecord) -> Option<f64> {
    let times = || record.samples.iter().map(|sample| sample.t);
    let span = times().fold(f64::NEG_INFINITY, f64::max) - times().fold(f64::INFINITY, f64::min);
    (span.is_finite() && span > 0.0).then_some(span)
}

/// Workers begin alike if the largest began with so many times what the smallest did at most: else a part of one is another amount than a part of
/// another, and what is little of a large worker would hide all of a small one.
const ALIKE: f64 = 2.0;

/// The median of what each worker began with.
fn first_level(record: &RunRecord, resource: Resource) -> Result<f64, String> {
    let mut first = BTreeMap::new();
    for sample in &record.samples {
        if let Some(level) = sample.level(resource) {
            first.entry(sample.worker).or_insert(level);
        }
    }
    let mut levels: Vec<u64> = first.into_values().collect();
    levels.sort_unstable();
    let (Some(least), Some(most)) = (levels.first(), levels.last()) else {
        return Err(format!("it has no {resource} to allow a part of"));
    };
    if *most as f64 > ALIKE * *least as f64 {
        let shown = |amount: u64| level(resource, amount as f64);
        return Err(format!(
            "the first level of {resource} is anything from {} to {}, and a part of which is meant isn't known: give an amount, such as \
             `1 MiB/hour`, or judge them one by one",
            shown(*least),
            shown(*most)
        ));
    }
    Ok(levels[(levels.len() - 1) / 2] as f64)
}

/// What all budgets of a record are for; `None` without any.
///
/// # Errors
/// If some are for a request and others for time, or two are for one resource.
pub fn recorded_basis(budgets: &[RecordedBudget]) -> Result<Option<Per>, &'static str> {
    one_basis(budgets.iter().map(|b| (b.resource, b.per())))
}

/// What all budgets are for; `None` without any.
///
/// # Errors
/// If some are for a request and others for an hour, or two are for one resource.
pub fn basis(budgets: &[ResourceBudget]) -> Result<Option<Per>, &'static str> {
    one_basis(budgets.iter().map(|b| (b.resource, b.budget.per)))
}

/// That which of two budgets counts would be a guess.
pub const TWICE: &str =
    "--budget is given twice for one resource: expected one budget for each, and which of the two counts is a guess";

fn one_basis(all: impl Iterator<Item = (Resource, Per)>) -> Result<Option<Per>, &'static str> {
    let mut resources = BTreeSet::new();
    let mut first = None;
    for (resource, per) in all {
        if !resources.insert(resource.name()) {
            return Err(TWICE);
        }
        if *first.get_or_insert(per) != per {
            return Err("budgets are either all per request or all per hour");
        }
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Sample, WorkerId};

    #[test]
    fn one_resource_has_one_budget() {
        let recorded = |texts: &[&str]| {
            let budgets: Vec<RecordedBudget> = texts.iter().map(|text| text.parse().unwrap()).collect();
            recorded_basis(&budgets)
        };
        assert!(recorded(&["1 MiB/hour", "10 MiB/hour"]).unwrap_err().contains("given twice"));
        assert!(recorded(&["1 MiB/hour", "memory=1 MiB/hour"]).is_err());
        assert_eq!(recorded(&["1 MiB/hour", "threads=6/hour"]), Ok(Some(Per::Hour)));
        let budgets: Vec<ResourceBudget> = ["1 MiB/hour", "2 MiB/hour"].map(|text| text.parse().unwrap()).into();
        assert!(basis(&budgets).is_err());
    }

    #[test]
    fn budgets_name_their_resource() {
        let budget: ResourceBudget = "64 B/request".parse().unwrap();
        assert_eq!((budget.resource, budget.budget.per), (Resource::Memory, Per::Request));
        let budget: ResourceBudget = "descriptors=60/hour".parse().unwrap();
        assert_eq!((budget.resource, budget.budget.amount), (Resource::Descriptors, 60.0));
        for text in ["60/hour", "descriptors=1 MiB/hour", "heap=1 MiB/hour", "memory=", ""] {
            assert!(text.parse::<ResourceBudget>().is_err(), "{text}");
        }
    }

    #[test]
    fn budgets_of_a_record_follow_from_its_time_and_its_first_level() {
        let mut record = crate::report::fixture::leak().0;
        let worker = record.samples[0].worker;
        record.samples = [(0.0, 100u64 << 20), (43_200.0, 110 << 20)]
            .map(|(t, anon)| {
                let mut sample = Sample::new(t, worker);
                (sample.anon, sample.swap, sample.fds) = (Some(anon), Some(0), Some(40));
                sample
            })
            .to_vec();
        let hourly = |text: &str| {
            let (budget, note) = text.parse::<RecordedBudget>().unwrap().of(&record, None).unwrap();
            (budget.budget.per, budget.budget.amount, note.is_some())
        };
        let mib = 1_048_576.0;
        assert_eq!(hourly("64 B/request"), (Per::Request, 64.0, false));
        assert_eq!(hourly("1 MiB/hour"), (Per::Hour, mib, false));
        assert_eq!(hourly("24 MiB/day"), (Per::Hour, mib, true));
        assert_eq!(hourly("12 MiB"), (Per::Hour, mib, true));
        assert_eq!(hourly("12%"), (Per::Hour, mib, true));
        assert_eq!(hourly("24 %/day"), (Per::Hour, mib, true));
        assert_eq!(hourly("descriptors=30%"), (Per::Hour, 1.0, true));
        assert_eq!(hourly("threads=48/day"), (Per::Hour, 2.0, true));
        for text in ["60", "60/hour", "1 MiB/week", "5%/x", "tmpfs=5%", "descriptors=1 MiB", "", "-5%", "heap=1 B/hour"]
        {
            assert!(text.parse::<RecordedBudget>().is_err(), "{text}");
        }
        let of = |text: &str, record: &RunRecord, seconds| text.parse::<RecordedBudget>().unwrap().of(record, seconds);
        assert_eq!(of("12 MiB", &record, Some(86_400.0)).unwrap().0.budget.amount, 0.5 * mib, "young, in a day");
        // Another worker beside it, of which the same part is much more or much less.
        for (first, alike) in [(30u64 << 20, false), (80 << 20, true), (150 << 20, true), (10 << 30, false)] {
            let mut both = record.clone();
            both.samples.push(Sample { anon: Some(first), swap: Some(0), ..Sample::new(1.0, WorkerId::new(77, 1)) });
            let told = of("5%", &both, None);
            assert_eq!(told.is_ok(), alike, "{told:?}");
            assert!(alike || told.unwrap_err().contains("give an amount"), "{first}");
        }
        record.samples.truncate(1);
        assert!(of("1 MiB", &record, None).is_err());
    }

    #[test]
    fn budgets_agree_on_what_they_are_for_() {
        let of = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<ResourceBudget>>();
        assert_eq!(basis(&[]), Ok(None));
        assert!(basis(&of(&["64 B/request", "threads=1/hour"])).is_err());
        let both = of(&["1 MiB/hour", "threads=2/hour"]);
        assert_eq!(basis(&both), Ok(Some(Per::Hour)));
    }
}
