//! The `${...}` variables in the texts of a harness file.
//!
//! `$$` stands for one dollar sign; a dollar sign before anything but `{` and `$` stands for itself, so that regular
//! expressions need no escapes.

use super::problem::nearest;
use rand::RngExt;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::path::Path;
use std::{env, fs, io};

/// The variables of a harness file, as messages name them.
const KNOWN: [&str; 6] = ["port", "port:NAME", "work_dir", "harness_dir", "seepage", "env:NAME"];

/// The values that a run gives to variables.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Variables {
    /// TCP ports by name; `${port}` has the empty name.
    pub ports: BTreeMap<String, u16>,
    /// `${work_dir}`: the scratch directory of the run.
    pub work_dir: String,
    /// `${harness_dir}`: the directory of the harness file.
    pub harness_dir: String,
    /// `${seepage}`: this program.
    pub seepage: String,
    /// The environment, for `${env:NAME}`.
    pub env: BTreeMap<String, String>,
}

impl Variables {
    /// Values for a run of this process: free loopback ports for all that the harness names, all different, and the
    /// values of the environment variables that it names. Fails if a directory doesn't exist, no port is free, or this
    /// program has no path.
    pub fn for_run(harness: &super::Harness, work_dir: &Path, harness_dir: &Path) -> io::Result<Self> {
        let used = super::resolve::variables_in(harness);
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

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Variable {
    Port(String),
    WorkDir,
    HarnessDir,
    Seepage,
    Env(String),
}

impl Variable {
    fn parse(name: &str) -> Result<Self, String> {
        match name.split_once(':') {
            None => match name {
                "port" => Ok(Variable::Port(String::new())),
                "work_dir" => Ok(Variable::WorkDir),
                "harness_dir" => Ok(Variable::HarnessDir),
                "seepage" => Ok(Variable::Seepage),
                _ => Err(unknown(name)),
            },
            Some(("port", port)) if !port.is_empty() => Ok(Variable::Port(port.to_owned())),
            Some(("env", variable)) if !variable.is_empty() => Ok(Variable::Env(variable.to_owned())),
            Some(_) => Err(unknown(name)),
        }
    }

    fn port_name(&self) -> Option<&str> {
        match self {
            Variable::Port(name) => Some(name),
            _ => None,
        }
    }

    /// The value of this variable.
    pub(super) fn value(&self, variables: &Variables) -> Result<String, String> {
        match self {
            Variable::Port(name) => {
                let port = variables.ports.get(name).ok_or_else(|| format!("no port was found for `{name}`"))?;
                Ok(port.to_string())
            }
            Variable::WorkDir => Ok(variables.work_dir.clone()),
            Variable::HarnessDir => Ok(variables.harness_dir.clone()),
            Variable::Seepage => Ok(variables.seepage.clone()),
            Variable::Env(name) => {
                let value = variables.env.get(name);
                value.cloned().ok_or_else(|| format!("the environment variable `{name}` isn't set"))
            }
        }
    }
}

fn unknown(name: &str) -> String {
    let hint = match name.split_once(':') {
        Some((kind, rest)) => nearest(kind, ["port", "env"]).map(|kind| format!("{kind}:{rest}")),
        None => nearest(name, KNOWN).map(str::to_owned),
    };
    match hint.filter(|hint| hint != name) {
        Some(hint) => format!("unknown variable `${{{name}}}`: did you mean `${{{hint}}}`?"),
        None => format!("unknown variable `${{{name}}}`"),
    }
}

/// What the variables may be, for messages.
pub(super) fn known() -> String {
    format!("known are {}; write `$$` for a dollar sign", KNOWN.map(|name| format!("`${{{name}}}`")).join(", "))
}

/// Replaces the variables of a text by what `value` says.
pub(super) fn replace(
    text: &str,
    mut value: impl FnMut(&Variable) -> Result<String, String>,
) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let (name, after) = after.split_once('}').ok_or("a variable `${` without its `}`")?;
            out.push_str(&value(&Variable::parse(name)?)?);
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Variables {
        Variables {
            ports: [(String::new(), 8001), ("admin".to_owned(), 8002)].into(),
            work_dir: "/tmp/run".into(),
            harness_dir: "/srv/harness".into(),
            seepage: "/usr/bin/seepage".into(),
            env: [("MODE".to_owned(), "a${b}".to_owned())].into(),
        }
    }

    fn filled(text: &str) -> Result<String, String> {
        let variables = sample();
        replace(text, |variable| variable.value(&variables))
    }

    #[test]
    fn every_variable_is_replaced() {
        assert_eq!(filled("http://127.0.0.1:${port}/${port:admin}").unwrap(), "http://127.0.0.1:8001/8002");
        assert_eq!(filled("${work_dir}:${harness_dir}:${seepage}").unwrap(), "/tmp/run:/srv/harness:/usr/bin/seepage");
    }

    #[test]
    fn ports_are_not_those_that_the_kernel_gives_away() {
        assert_eq!(beside("32768\t60999\n"), Some(10_000..=32_767));
        assert_eq!(beside("1024 40000"), Some(40_001..=65_535));
        assert_eq!([beside("1024 65535"), beside("x"), beside("")], [None, None, None]);
        assert_ne!(free_port().unwrap().local_addr().unwrap().port(), 0);
    }

    #[test]
    fn values_are_not_replaced_again() {
        assert_eq!(filled("${env:MODE}").unwrap(), "a${b}");
    }

    #[test]
    fn dollar_signs_stand_for_themselves() {
        assert_eq!(filled("^a$|b$$|$${port}|$").unwrap(), "^a$|b$|${port}|$");
    }

    #[test]
    fn wrong_variables_are_refused() {
        for (text, message) in [
            ("${prot}", "unknown variable `${prot}`: did you mean `${port}`?"),
            ("${workdir}", "unknown variable `${workdir}`: did you mean `${work_dir}`?"),
            ("${ENV:HOME}", "unknown variable `${ENV:HOME}`: did you mean `${env:HOME}`?"),
            ("${env:}", "unknown variable `${env:}`"),
            ("${env:NOT_SET}", "the environment variable `NOT_SET` isn't set"),
            ("a ${port", "a variable `${` without its `}`"),
        ] {
            assert_eq!(filled(text).unwrap_err(), message);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r"([$]|[{]|[}]|port|env:|.){0,30}") {
            let _ = filled(&text);
        }

        #[test]
        fn texts_without_dollars_stay(text in "[^$]*") {
            prop_assert_eq!(filled(&text).unwrap(), text);
        }
    }
}
