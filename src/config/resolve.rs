//! A harness with its variables replaced: every text in it is visited; keys are left alone.

use super::problem::{ConfigError, KeyPath, Problems};
use super::setting::Setting;
use super::variables::{self, Variable, Variables};
use super::{Harness, check};
use rand::RngExt;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::path::Path;
use std::{env, fs, io};

/// The harness with every `${...}` in its texts replaced, checked again with the values in place.
/// Fails on unknown variables, on environment variables that aren't set, and on values that make no sense.
pub fn resolve(harness: &Harness, variables: &Variables) -> Result<Harness, ConfigError> {
    let mut problems = Problems::default();
    let resolved = replaced(harness, &mut problems, |variable| variable.value(variables));
    check::check(&resolved, &mut problems);
    harness.source.verdict(problems).map(|()| resolved)
}

/// The harness with its variables replaced by what `value` says; a text in which that fails stays, and why is noted.
pub(super) fn replaced(
    harness: &Harness,
    problems: &mut Problems,
    mut value: impl FnMut(&Variable) -> Result<String, String>,
) -> Harness {
    let mut harness = harness.clone();
    harness.texts(&KeyPath::default(), &mut |at, text| match variables::replace(text, &mut value) {
        Ok(new) => *text = new,
        Err(message) => problems.spoil(at.clone(), None, message, variables::known()),
    });
    harness
}

impl Variables {
    /// Values for a run of this process: free loopback ports for all that the harness names, all different, and the
    /// values of the environment variables that it names. Fails if a directory doesn't exist, no port is free, or this
    /// program has no path.
    pub fn for_run(harness: &Harness, work_dir: &Path, harness_dir: &Path) -> io::Result<Self> {
        let mut used = BTreeSet::new();
        // What is wrong with a text was told when the file was checked.
        replaced(harness, &mut Problems::default(), |variable| {
            used.insert(variable.clone());
            Ok(String::new())
        });
        let names: BTreeSet<String> = used.iter().filter_map(|v| Some(v.port_name()?.to_owned())).collect();
        // Every port stays taken until the last one is found, so that none is given twice.
        let taken = names.into_iter().map(|name| Ok((name, free_port()?))).collect::<io::Result<Vec<_>>>()?;
        let ports = taken
            .iter()
            .map(|(name, listener)| Ok((name.clone(), listener.local_addr()?.port())))
            .collect::<io::Result<_>>()?;
        let env = used.iter().filter_map(|variable| match variable {
            Variable::Env(name) => Some((name.to_string(), env::var(name).ok()?)),
            _ => None,
        });
        Ok(Variables {
            ports,
            work_dir: absolute(work_dir)?,
            harness_dir: absolute(harness_dir)?,
            seepage: env::current_exe()?.to_string_lossy().into_owned(),
            env: env.collect(),
        })
    }
}

/// A free port, taken until the listener is dropped. The target binds it a moment later, so it isn't one that the kernel
/// gives to whoever asks for any, if there are others.
fn free_port() -> io::Result<TcpListener> {
    const ATTEMPTS: usize = 100;
    let given = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
    if let Some(ours) = given.and_then(|text| beside(&text)) {
        let mut random = rand::rng();
        for _ in 0..ATTEMPTS {
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, random.random_range(ours.clone()))) {
                return Ok(listener);
            }
        }
    }
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

/// The larger range of unprivileged ports beside the one that the kernel gives away, such as `32768 60999`; `None` if it
/// is small.
fn beside(given: &str) -> Option<RangeInclusive<u16>> {
    /// Well-known services are below.
    const FIRST: u16 = 10_000;
    const ENOUGH: usize = 1000;
    let (low, high) = given.trim().split_once(char::is_whitespace)?;
    let (low, high): (u16, u16) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    let ranges = [FIRST..=low.saturating_sub(1), high.saturating_add(1)..=u16::MAX];
    ranges.into_iter().max_by_key(|range| range.len()).filter(|range| range.len() >= ENOUGH)
}

/// The whole path of a directory; the parent of a mere file name, which is empty, stands for the current one.
fn absolute(directory: &Path) -> io::Result<String> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    Ok(directory.canonicalize()?.to_string_lossy().into_owned())
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
        assert_eq!(resolved.workload.as_ref().unwrap().base_url, ["http://127.0.0.1:8001"]);
        assert_eq!(resolved.steps()[0].path, "/upload");
        assert_eq!(resolved.steps()[0].headers["X-Dir"], "/tmp/run");
        assert_eq!(resolved.steps()[0].body, harness().steps()[0].body);
        assert_eq!(resolved.phases, harness().phases);
    }

    #[test]
    fn a_missing_environment_variable_is_told_with_its_place() {
        let mut values = values();
        values.env.remove("MODE");
        let error = resolve(&harness(), &values).unwrap_err().to_string();
        assert!(error.starts_with("shop.toml:6:8: the environment variable `MODE` isn't set"), "{error}");
    }

    #[test]
    fn values_from_the_environment_are_checked() {
        let mut values = values();
        values.env.insert("ROUTE".to_owned(), "a b".to_owned());
        let error = resolve(&harness(), &values).unwrap_err().to_string();
        assert!(error.starts_with("shop.toml:12:8: a path has no spaces"), "{error}");
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

    #[test]
    fn ports_are_not_those_that_the_kernel_gives_away() {
        assert_eq!(beside("32768\t60999\n"), Some(10_000..=32_767));
        assert_eq!(beside("1024 40000"), Some(40_001..=65_535));
        assert_eq!([beside("1024 65535"), beside("x"), beside("")], [None, None, None]);
        assert_ne!(free_port().unwrap().local_addr().unwrap().port(), 0);
    }
}
