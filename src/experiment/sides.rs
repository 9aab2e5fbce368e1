//! From what the user asks for to two harness files that differ in the target alone.

use super::modules::{Modules, ModulesError};
use crate::compare::{Side, Sides};
use crate::config::{self, Harness, without_secrets};
use crate::engine::Interrupt;
use std::path::Path;
use thiserror::Error;

/// How the sides differ: the baseline is A, the candidate B.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contrast {
    /// Modules that the baseline is without.
    pub off: Vec<String>,
    /// The variant of the harness file for each side; `None` is the file as it is.
    pub variants: [Option<String>; 2],
    /// Variables of the target's environment for each side.
    pub define: [Vec<(String, String)>; 2],
}

/// Both sides, ready to be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Variants {
    /// Their names.
    pub sides: Sides,
    /// The baseline.
    pub a: Harness,
    /// The candidate.
    pub b: Harness,
    /// What the reader should know of how they were made, one sentence each.
    pub notes: Vec<String>,
}

/// Why there are no two sides.
#[derive(Debug, Error)]
pub enum SidesError {
    /// The harness file has no such variant.
    #[error("there is no variant `{name}`; [variants] has {}", if .known.is_empty() { "none".to_owned() } else { .known.join(", ") })]
    UnknownVariant {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// There is nothing to compare.
    #[error(
        "both sides are the same: say what the baseline is without (--off MODULE), name variants (--variant A --variant B), or set a \
         variable (--define NAME=VALUE)"
    )]
    Same,
    /// A module can't be switched off.
    #[error("{0}")]
    Modules(#[from] ModulesError),
}

/// Makes both sides of a harness file. A configuration that is derived for the baseline is written below `directory`.
///
/// # Errors
/// If a variant or module isn't there, the target can't do without a module, or the sides don't differ.
pub fn variants(
    harness: &Harness,
    harness_dir: &Path,
    contrast: &Contrast,
    directory: &Path,
    interrupt: &Interrupt,
) -> Result<Variants, SidesError> {
    let known = || harness.variants.keys().cloned().collect();
    let mut sides: Vec<Harness> = Vec::new();
    for (name, define) in contrast.variants.iter().zip(&contrast.define) {
        let mut side = match name {
            Some(name) => config::variant(harness, name)
                .ok_or_else(|| SidesError::UnknownVariant { name: name.clone(), known: known() })?,
            None => harness.clone(),
        };
        side.target.env.extend(define.iter().cloned());
        sides.push(side);
    }
    let (Some(b), Some(mut a)) = (sides.pop(), sides.pop()) else { return Err(SidesError::Same) };
    let mut notes = Vec::new();
    let mut off = Vec::new();
    if !contrast.off.is_empty() {
        let modules = Modules::of(&a, harness_dir, interrupt)?;
        for name in &contrast.off {
            let name = modules.find(name)?;
            if !off.contains(&name) {
                off.push(name);
            }
        }
        let without = modules.without(&off, &directory.join("httpd-off.conf"))?;
        let also = &without.off[off.len().min(without.off.len())..];
        if !also.is_empty() {
            notes.push(format!("also off, because they need it: {}", also.join(", ")));
        }
        if !without.dropped.is_empty() {
            notes.push(without_secrets(&format!("lines that went with it: {}", without.dropped.join("; "))));
        }
        a = without.harness;
    }
    let (a, b) = (a.alone(), b.alone());
    if a == b {
        return Err(SidesError::Same);
    }
    Ok(Variants { sides: named(contrast, &off), a, b, notes })
}

/// What the sides are called. Values of variables are told, secrets apart: they were on the command line.
fn named(contrast: &Contrast, off: &[String]) -> Sides {
    let defined = |define: &[(String, String)]| {
        let words: Vec<String> =
            define.iter().map(|(name, value)| without_secrets(&format!("{name}={value}"))).collect();
        words.join(" ")
    };
    let side = |index: usize| {
        let mut names: Vec<String> = contrast.variants[index].iter().cloned().collect();
        names.extend(Some(defined(&contrast.define[index])).filter(|d| !d.is_empty()));
        let (name, phrase) = match (&names[..], off.is_empty()) {
            ([], _) => ("as it is".to_owned(), "as it is".to_owned()),
            (names, _) => (names.join(" "), format!("with {}", names.join(" "))),
        };
        match (index, off.is_empty()) {
            (_, true) => Side { name, phrase },
            (0, false) => Side { name: "off".into(), phrase: format!("without {}", off.join(" and ")) },
            (_, false) => Side { name: "on".into(), phrase: format!("with {}", off.join(" and ")) },
        }
    };
    Sides { a: side(0), b: side(1) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Overrides, parse};

    const TEXT: &str = r#"
name = "shop"
[target]
command = ["x"]
[workload]
command = ["y"]
[[phase]]
kind = "soak"
duration = "1s"
[variants.old]
command = ["old"]
[variants.same]
command = ["x"]
[modules.cache]
off = { env = { CACHE = "0" } }
[modules.images]
off = { env = { IMAGES = "0" } }
needs = ["cache"]
"#;

    fn made(contrast: &Contrast) -> Result<Variants, String> {
        let harness = parse(TEXT, "a.toml", &Overrides::default()).unwrap();
        variants(&harness, Path::new("/"), contrast, Path::new("/"), &Interrupt::default()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_baseline_is_without_the_module() {
        let found = made(&Contrast { off: vec!["cache".into()], ..Contrast::default() }).unwrap();
        assert_eq!((found.sides.a.phrase.as_str(), found.sides.b.phrase.as_str()), ("without cache", "with cache"));
        assert_eq!(found.a.target.env["CACHE"], "0");
        assert!(found.b.target.env.is_empty());
        assert_eq!(found.notes, ["also off, because they need it: images"]);
    }

    #[test]
    fn variants_and_variables_make_sides() {
        let old = Contrast { variants: [Some("old".into()), None], ..Contrast::default() };
        let found = made(&old).unwrap();
        assert_eq!((found.sides.a.name.as_str(), found.sides.b.name.as_str()), ("old", "as it is"));
        let set = |value: &str| vec![("MODE".to_owned(), value.to_owned())];
        let defined = Contrast { define: [set("1"), set("2")], ..Contrast::default() };
        assert_eq!(made(&defined).unwrap().sides.b.phrase, "with MODE=2");
        let secret = Contrast { define: [vec![], vec![("API_TOKEN".into(), "s3cret".into())]], ..Contrast::default() };
        assert!(!made(&secret).unwrap().sides.b.phrase.contains("s3cret"));
    }

    #[test]
    fn what_makes_no_difference_is_refused() {
        assert!(made(&Contrast::default()).unwrap_err().contains("both sides are the same"));
        let same = Contrast { variants: [Some("same".into()), None], ..Contrast::default() };
        assert!(made(&same).unwrap_err().contains("both sides are the same"));
        let unknown = Contrast { variants: [Some("new".into()), None], ..Contrast::default() };
        assert_eq!(made(&unknown).unwrap_err(), "there is no variant `new`; [variants] has old, same");
        let unknown = Contrast { off: vec!["disk".into()], ..Contrast::default() };
        assert_eq!(made(&unknown).unwrap_err(), "there is no module `disk`; [modules] has cache, images");
    }
}
