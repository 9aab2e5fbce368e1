//! Checks of `[services]`.

use super::{Checker, budget, metric, target};
use crate::config::Harness;
use crate::config::problem::{KeyPath, nearest};
use crate::config::services::{circle, in_order};

pub(super) fn check(checker: &mut Checker, harness: &Harness) {
    let at = KeyPath::of(&["services"]);
    for (name, service) in &harness.services {
        let at = at.key(name);
        // They are directories of the run's own.
        let fits =
            (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if !fits {
            let help = "use 1 to 64 letters, digits, `-` and `_`";
            checker.refuse(at.clone(), format!("`{name}` isn't a name for a service"), help);
        }
        target::check(checker, &at, &service.as_target(harness.target.memory_limit));
        target::check_requests(checker, &at.key("requests"), &service.requests);
        budget::check(checker, &at.key("budget"), &service.budget, harness.counts_requests_of(service));
        let counted = harness.counts_requests_of(service);
        let judged = (service.budget.per(counted), counted);
        metric::check(checker, &at.key("metric"), &service.metrics, judged);
        for (key, given) in [("tmpfs", service.budget.tmpfs), ("kernel", service.budget.kernel)] {
            if given.is_some() {
                let message = format!("{key} is of the whole run, and can't be told by service");
                checker.refuse(at.key("budget").key(key), message, "write it below `[budget]`");
            }
        }
        check_needs(checker, &at, harness, name);
    }
    for (name, resource, _) in harness.lives_of_services() {
        let help = "allow growth for each request or hour, such as `64 B/request` or `1 MiB/hour`";
        checker.refuse(at.key(name).key("budget").key(resource.name()), "a service has no life yet", help);
    }
    let (_, left) = in_order(&harness.services);
    if let [first, rest @ ..] = &circle(&harness.services, &left)[..]
        && !rest.is_empty()
    {
        let next = rest.iter().chain([first]);
        let needs: Vec<String> = [first]
            .into_iter()
            .chain(rest)
            .zip(next)
            .map(|(name, needed)| format!("`{name}` needs `{needed}`"))
            .collect();
        let message = format!("these services need one another: {}", needs.join(", "));
        checker.refuse(at.key(first).key("needs"), message, "none could start first: leave one of these needs out");
    }
}

fn check_needs(checker: &mut Checker, at: &KeyPath, harness: &Harness, name: &str) {
    let Some(service) = harness.services.get(name) else { return };
    for (index, needed) in service.needs.iter().enumerate() {
        let at = at.key("needs").index(index);
        if needed == name {
            checker.refuse(at, format!("the service `{name}` needs itself"), "leave it out");
        } else if needed == "target" && !harness.services.contains_key(needed) {
            checker.refuse(at, "the target starts last, when all services are ready", "leave it out");
        } else if !harness.services.contains_key(needed) {
            let meant = nearest(needed, harness.services.keys().map(String::as_str).filter(|other| *other != name));
            let hint = meant.map_or_else(String::new, |meant| format!(": did you mean `{meant}`?"));
            checker.refuse(at, format!("there is no service `{needed}`{hint}"), "name a service of `[services]`");
        }
    }
}
