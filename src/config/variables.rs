//! The `${...}` variables in the texts of a harness file.
//!
//! `$$` stands for one dollar sign; a dollar sign before anything but `{` and `$` stands for itself, so that regular
//! expressions need no escapes.

use super::problem::nearest;
use std::collections::BTreeMap;

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

    pub(super) fn port_name(&self) -> Option<&str> {
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

/// A text of a command line as a harness file has it: what isn't a variable in it means what it says.
pub fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let name = rest.strip_prefix('{').and_then(|after| after.split_once('}')).map(|(name, _)| name);
        let doubled = match name {
            Some(name) => Variable::parse(name).is_err(),
            None => rest.starts_with(['$', '{']),
        };
        out.push_str(if doubled { "$$" } else { "$" });
    }
    out + rest
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
    fn values_are_not_replaced_again() {
        assert_eq!(filled("${env:MODE}").unwrap(), "a${b}");
    }

    #[test]
    fn variables_stay_variables_in_a_literal_text() {
        assert_eq!(literal("${port} ${env:A} ${HOME} ${"), "${port} ${env:A} $${HOME} $${");
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
        fn a_literal_text_means_what_it_says(text in r"([$]|[{]|[}]|a|[$][{]home[}]){0,12}") {
            prop_assert_eq!(filled(&literal(&text)).unwrap(), text);
        }

        #[test]
        fn texts_without_dollars_stay(text in "[^$]*") {
            prop_assert_eq!(filled(&text).unwrap(), text);
        }
    }
}
