//! `--budget`: growth that is allowed, in the same words for every command.

use crate::model::{Budget, Per, Resource, UnitError};
use std::str::FromStr;

/// A budget with the resource it is for: `64 B/request`, `descriptors=60/hour`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResourceBudget {
    /// The resource; memory if none was named.
    pub resource: Resource,
    /// What is allowed.
    pub budget: Budget,
}

impl FromStr for ResourceBudget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (resource, amount) = match text.split_once('=') {
            None => (Resource::Memory, text),
            Some((name, amount)) => {
                let named = Resource::budgeted().find(|r| r.name() == name.trim());
                let names = || Resource::budgeted().map(Resource::name).collect::<Vec<_>>().join(", ");
                let unknown = || format!("`{name}` has no budget; choose from {}", names());
                (named.ok_or_else(unknown)?, amount)
            }
        };
        let budget: Budget = amount.parse().map_err(|error: UnitError| error.to_string())?;
        match (resource.in_bytes(), budget.bytes) {
            (true, false) => {
                Err(format!("{resource} needs an amount with its unit, such as `64 B/request` or `1 MiB/hour`"))
            }
            (false, true) => Err(format!("{resource} are counted, such as `{resource}=60/hour`")),
            _ => Ok(ResourceBudget { resource, budget }),
        }
    }
}

/// What all budgets are for; `None` without any.
///
/// # Errors
/// If some are for a request and others for an hour.
pub fn basis(budgets: &[ResourceBudget]) -> Result<Option<Per>, &'static str> {
    let first = budgets.first().map(|b| b.budget.per);
    if budgets.iter().any(|b| Some(b.budget.per) != first) {
        return Err("budgets are either all per request or all per hour");
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn budgets_agree_on_what_they_are_for_() {
        let of = |texts: &[&str]| texts.iter().map(|t| t.parse().unwrap()).collect::<Vec<ResourceBudget>>();
        assert_eq!(basis(&[]), Ok(None));
        assert!(basis(&of(&["64 B/request", "threads=1/hour"])).is_err());
        let both = of(&["1 MiB/hour", "2 MiB/hour"]);
        assert_eq!(basis(&both), Ok(Some(Per::Hour)));
    }
}
