//! A harness with its variables replaced.
//!
//! Works on the file's JSON form, where every text of whatever section is found the same way; keys are left alone.

use super::problem::{ConfigError, Diagnostic, KeyPath, Problem};
use super::variables::{self, Variable, Variables};
use super::{Harness, check};
use serde_json::Value;
use std::collections::BTreeSet;

/// The harness with every `${...}` in its texts replaced, checked again with the values in place.
/// Fails on unknown variables, on environment variables that aren't set, and on values that make no sense.
pub fn resolve(harness: &Harness, variables: &Variables) -> Result<Harness, ConfigError> {
    let resolved = replaced(harness, |variable| variable.value(variables)).and_then(|h| match check::check(&h) {
        problems if problems.is_empty() => Ok(h),
        problems => Err(problems),
    });
    resolved.map_err(|problems| ConfigError::Invalid(problems.into_iter().map(Diagnostic::without_text).collect()))
}

/// The harness with its variables replaced by what `value` says, or everything that was wrong with them.
pub(super) fn replaced(
    harness: &Harness,
    mut value: impl FnMut(&Variable) -> Result<String, String>,
) -> Result<Harness, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut json = to_json(harness);
    for_each_text(&mut json, &KeyPath::default(), &mut |at, text| match variables::replace(text, &mut value) {
        Ok(new) => *text = new,
        Err(message) => problems.push(Problem { at: at.clone(), message, help: variables::known() }),
    });
    if !problems.is_empty() {
        return Err(problems);
    }
    serde_json::from_value(json).map_err(|error| {
        let help = "this value can't be used; write it differently".to_owned();
        vec![Problem { at: KeyPath::default(), message: error.to_string(), help }]
    })
}

/// Every variable that the harness uses; unknown ones are left out.
pub(super) fn variables_in(harness: &Harness) -> BTreeSet<Variable> {
    let mut used = BTreeSet::new();
    for_each_text(&mut to_json(harness), &KeyPath::default(), &mut |_, text| {
        // What is wrong with a text was told when the file was checked.
        let _ = variables::replace(text, |variable| {
            used.insert(variable.clone());
            Ok(String::new())
        });
    });
    used
}

pub(super) fn to_json(harness: &Harness) -> Value {
    serde_json::to_value(harness).expect("a harness has only text keys, which JSON can hold")
}

/// Calls `f` with every text value and its place.
pub(super) fn for_each_text(value: &mut Value, at: &KeyPath, f: &mut impl FnMut(&KeyPath, &mut String)) {
    match value {
        Value::String(text) => f(at, text),
        Value::Array(items) => {
            items.iter_mut().enumerate().for_each(|(index, item)| for_each_text(item, &at.index(index), f));
        }
        Value::Object(fields) => fields.iter_mut().for_each(|(key, field)| for_each_text(field, &at.key(key), f)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, parse};
    use std::path::Path;

    const TEXT: &str = r#"
name = "shop"
[target]
command = ["${seepage}", "--port", "${port}", "--admin", "${port:admin}", "--keep", "$${port}"]
[target.env]
MODE = "${env:MODE}"
[workload]
base-url = ["http://127.0.0.1:${port}"]
concurrency = 2
[[workload.step]]
name = "upload"
path = "/${env:ROUTE}"
body = { random = { log-uniform = ["1 KiB", "1 MiB"] } }
headers = { X-Dir = "${work_dir}" }
[[phase]]
kind = "soak"
duration = "1m 30s"
"#;

    fn harness() -> Harness {
        parse(TEXT, "shop.toml", &Overrides::default()).unwrap()
    }

    fn values() -> Variables {
        Variables {
            ports: [(String::new(), 8001), ("admin".to_owned(), 8002)].into(),
            work_dir: "/tmp/run".into(),
            harness_dir: "/srv".into(),
            seepage: "/usr/bin/seepage".into(),
            env: [("MODE".to_owned(), "pool".to_owned()), ("ROUTE".to_owned(), "upload".to_owned())].into(),
        }
    }

    #[test]
    fn texts_of_every_section_are_filled_in() {
        let resolved = resolve(&harness(), &values()).unwrap();
        assert_eq!(
            resolved.target.command,
            ["/usr/bin/seepage", "--port", "8001", "--admin", "8002", "--keep", "${port}"]
        );
        assert_eq!(resolved.target.env["MODE"], "pool");
        assert_eq!(resolved.workload.base_url, ["http://127.0.0.1:8001"]);
        assert_eq!(resolved.workload.steps[0].path, "/upload");
        assert_eq!(resolved.workload.steps[0].headers["X-Dir"], "/tmp/run");
        assert_eq!(resolved.workload.steps[0].body, harness().workload.steps[0].body);
        assert_eq!(resolved.phases, harness().phases);
    }

    #[test]
    fn a_missing_environment_variable_is_told_with_its_place() {
        let mut values = values();
        values.env.remove("MODE");
        let error = resolve(&harness(), &values).unwrap_err().to_string();
        assert!(error.starts_with("harness, target.env.MODE: the environment variable `MODE` isn't set"), "{error}");
    }

    #[test]
    fn values_from_the_environment_are_checked() {
        let mut values = values();
        values.env.insert("ROUTE".to_owned(), "a b".to_owned());
        let error = resolve(&harness(), &values).unwrap_err().to_string();
        assert!(error.starts_with("harness, workload.step[0].path: a path has no spaces"), "{error}");
    }

    #[test]
    fn every_named_port_of_a_run_is_another() {
        let work_dir = tempfile::tempdir().unwrap();
        let variables = Variables::for_run(&harness(), work_dir.path(), Path::new("")).unwrap();
        let names: Vec<&str> = variables.ports.keys().map(String::as_str).collect();
        assert_eq!(names, ["", "admin"]);
        assert_ne!(variables.ports[""], variables.ports["admin"]);
        assert!(Path::new(&variables.harness_dir).is_absolute());
    }
}
