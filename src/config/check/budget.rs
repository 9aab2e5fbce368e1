//! Checks of a `[budget]`, that of the target or of a service.

use super::Checker;
use crate::config::problem::KeyPath;
use crate::config::{Allowed, BudgetConfig};
use crate::model::{Per, Resource};

/// Checks the budgets at `at`, where requests are `counted` or not.
pub(super) fn check(checker: &mut Checker, at: &KeyPath, budget: &BudgetConfig, counted: bool) {
    let per = budget.per(counted);
    for (resource, allowed) in budget.given() {
        check_one(checker, at.key(resource.name()), (resource, allowed), (per, counted));
    }
}

/// Checks one of them.
pub(super) fn check_one(
    checker: &mut Checker,
    at: KeyPath,
    (resource, allowed): (Resource, Allowed),
    (per, counted): (Per, bool),
) {
    let key = resource.name();
    let amount = match allowed {
        Allowed::Rate(budget) => budget.amount,
        Allowed::Life(life) => life.limit,
    };
    let example = match (resource.in_bytes(), per) {
        (true, Per::Request) => "64 B/request",
        (true, Per::Hour) => "1 MiB/hour",
        (false, Per::Request) => "0.01/request",
        (false, Per::Hour) => "60/hour",
    };
    if allowed.bytes() != resource.in_bytes() {
        let (is, should) = if allowed.bytes() { ("bytes", "a plain count") } else { ("a plain count", "bytes") };
        let message = format!("the budget for {key} is in {is}, but it is measured in {should}");
        checker.refuse(at, message, format!("write it like `{example}`"));
    } else if amount <= 0.0 {
        let help = format!("allow what you would not mind, such as `{example}`");
        checker.refuse(at, "no measurement can prove a growth of exactly zero", help);
    } else if allowed.per() != per {
        let (is, first) = if per == Per::Hour { ("requests", "time") } else { ("time", "requests") };
        let message = format!("this budget is for {is}, but one before it is for {first}");
        checker.refuse(at, message, format!("write all for {first}, such as `{example}`, or all for {is}"));
    } else if per == Per::Request && !counted && counting_is_sound(checker) {
        let help = "give it by the hour, such as `1 MiB/hour`, or have requests counted: `[requests.log]` says where \
                    a line for each is written";
        checker.refuse(at, "nothing counts requests, so that growth for each can't be told", help);
    } else if let Allowed::Life(life) = allowed {
        if !matches!(resource, Resource::Memory | Resource::Descriptors | Resource::Threads) {
            let help = format!("write it like `{example}`");
            checker.refuse(at, format!("{key} has no life: only memory, descriptors and threads have"), help);
        } else if life.time.0.is_zero() {
            checker.refuse(at, "this time is zero", "write how long it must last, such as `7 days`");
        }
    }
}

/// Whether it is known what counts requests: what isn't sound may.
fn counting_is_sound(checker: &Checker) -> bool {
    checker.sound(&KeyPath::of(&["workload"])) && checker.sound(&KeyPath::of(&["requests"]))
}
