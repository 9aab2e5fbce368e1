//! In which order services start: each after those that it needs.

use super::{Harness, Life, RequestsConfig, ServiceConfig, WorkloadConfig, metrics};
use crate::model::{Budgets, Resource};
use std::collections::BTreeMap;

impl Harness {
    /// Names and services in the order in which they start, those that need nothing of one another by their names. Of services in
    /// a circle, which no checked harness has, only those before it.
    pub fn services_in_order(&self) -> Vec<(&str, &ServiceConfig)> {
        let (ordered, _) = in_order(&self.services);
        ordered.into_iter().filter_map(|name| Some((name, self.services.get(name)?))).collect()
    }

    /// Whether anything counts the requests of a service: it does itself, or those of the run are known.
    pub fn counts_requests_of(&self, service: &ServiceConfig) -> bool {
        service.requests != RequestsConfig::default()
            || self.workload.as_ref().is_some_and(WorkloadConfig::counts_requests)
    }

    /// Growth that is allowed to a service.
    pub fn budgets_of(&self, service: &ServiceConfig) -> Budgets {
        let mut budgets = service.budget.allowed(self.counts_requests_of(service));
        // These are of the whole run, and judged there.
        budgets.allow(Resource::Tmpfs, None);
        budgets.allow(Resource::Kernel, None);
        metrics::allow(&mut budgets, &service.metrics);
        budgets
    }

    /// What has to last, by service and resource.
    pub fn lives_of_services(&self) -> impl Iterator<Item = (&str, Resource, Life)> {
        self.services.iter().flat_map(|(name, service)| {
            service.budget.lives().into_iter().map(move |(resource, life)| (name.as_str(), resource, life))
        })
    }
}

/// Names in an order in which each comes after those that it needs; and those for which there is none, as they need one another
/// or what does.
pub(super) fn in_order(services: &BTreeMap<String, ServiceConfig>) -> (Vec<&str>, Vec<&str>) {
    let mut ordered: Vec<&str> = Vec::new();
    let mut left: Vec<(&str, &ServiceConfig)> =
        services.iter().map(|(name, service)| (name.as_str(), service)).collect();
    // What isn't there is another mistake, and no circle.
    let has = |ordered: &[&str], needed: &String| ordered.contains(&needed.as_str()) || !services.contains_key(needed);
    while let Some(next) = left.iter().position(|(_, service)| service.needs.iter().all(|needed| has(&ordered, needed)))
    {
        ordered.push(left.remove(next).0);
    }
    (ordered, left.into_iter().map(|(name, _)| name).collect())
}

/// One circle among services that have no order, each followed by one that it needs.
pub(super) fn circle<'a>(services: &'a BTreeMap<String, ServiceConfig>, left: &[&'a str]) -> Vec<&'a str> {
    let needed = |name: &str| {
        let needs = services.get(name).map_or(&[][..], |service| &service.needs);
        needs.iter().find_map(|needed| left.iter().find(|name| *name == needed)).copied()
    };
    let mut path: Vec<&str> = left.first().copied().into_iter().collect();
    while let Some(next) = path.last().and_then(|name| needed(name)) {
        if let Some(first) = path.iter().position(|name| *name == next) {
            return path.split_off(first);
        }
        path.push(next);
    }
    path
}

#[cfg(test)]
mod tests {
    use crate::config::{Overrides, parse};

    const HEAD: &str = "name = 'x'\n[target]\ncommand = ['x']\n[workload]\ncommand = ['b']\n[[phase]]\nkind = 'soak'\n";

    fn with(services: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let tables = services.iter().map(|(name, more)| format!("[services.{name}]\ncommand = ['{name}']\n{more}\n"));
        let text = HEAD.to_owned() + &tables.collect::<String>();
        let harness = parse(&text, "x.toml", &Overrides::default()).map_err(|error| error.to_string())?;
        Ok(harness.services_in_order().into_iter().map(|(name, _)| name.to_owned()).collect())
    }

    #[test]
    fn each_starts_after_what_it_needs() {
        let order = with(&[
            ("app", "needs = ['database', 'queue']"),
            ("balancer", "needs = ['app']"),
            ("database", ""),
            ("queue", ""),
        ]);
        assert_eq!(order.unwrap(), ["database", "queue", "app", "balancer"]);
    }

    #[test]
    fn wrong_services_are_refused_with_their_place() {
        for (services, message) in [
            (
                &[("a", "needs = ['b']"), ("b", "needs = ['c']"), ("c", "needs = ['b']")][..],
                "x.toml:13:9: these services need one another: `b` needs `c`, `c` needs `b`",
            ),
            (&[("a", "needs = ['a']")], "x.toml:10:10: the service `a` needs itself"),
            (
                &[("database", ""), ("a", "needs = ['databse']")],
                "x.toml:13:10: there is no service `databse`: did you mean `database`?",
            ),
            (&[("a", "needs = ['target']")], "the target starts last"),
            (&[("\"a b\"", "")], "`a b` isn't a name for a service"),
            (&[("a", "budget.tmpfs = '1 KiB/request'")], "x.toml:10:16: tmpfs is of the whole run"),
            (&[("a", "budget.memory = '1 GiB in 2 days'")], "x.toml:10:17: a service has no life yet"),
            (&[("a", "budget.memory = '64 B/request'")], "nothing counts requests"),
            (&[("a", "ready.http = 'https://h/'")], "is not plain HTTP"),
            (&[("a", "comand = ['x']")], "unknown key `comand`"),
        ] {
            let error = with(services).unwrap_err();
            assert!(error.contains(message), "{services:?}: {error}");
        }
    }
}
