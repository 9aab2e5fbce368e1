//! Dependencies run one way: what each module may use, held against the source.

use crate::source::{Source, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each module may use of the others. That the core uses nothing outside it is held by Cargo: it is a crate of its own.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        // The core.
        ("model", &[][..]),
        ("limits", &[]),
        ("thresholds", &[]),
        ("stats", &["limits", "thresholds"]),
        ("table", &["model"]),
        ("fleet", &["model", "table"]),
        ("answer", &["limits", "model", "thresholds"]),
        ("readings", &["answer", "limits", "model", "stats", "thresholds"]),
        ("rule", &["answer", "limits", "model", "readings", "stats", "thresholds"]),
        ("places", &["answer", "model", "stats", "thresholds"]),
        ("sites", &["answer", "limits", "model", "readings", "rule", "stats", "thresholds"]),
        ("verdict", &["answer", "limits", "model", "places", "readings", "rule", "sites", "stats", "thresholds"]),
        ("working", &["answer", "limits", "model", "readings", "rule", "stats", "thresholds"]),
        ("plan", &["answer", "limits", "model", "rule", "stats", "working"]),
        ("bisect", &[]),
        ("compare", &["answer", "model", "readings", "sites", "stats", "verdict"]),
        ("baseline", &["answer", "compare", "model", "verdict"]),
        ("history", &["answer", "baseline", "model", "stats"]),
        ("knee", &["answer", "model", "stats"]),
        ("watch", &["model", "stats", "verdict"]),
        (
            "words",
            &[
                "answer", "baseline", "bisect", "compare", "history", "knee", "model", "plan", "rule", "verdict",
                "working",
            ],
        ),
        ("fixture", &["answer", "compare", "model", "verdict", "words"]),
        // The edges.
        ("http", &["thread"]),
        ("thread", &[]),
        ("config", &["http", "model"]),
        ("probe", &["config", "http", "model", "sites", "thread"]),
        ("prometheus", &["fleet", "http", "model", "table", "thread"]),
        ("removal", &[]),
        ("supervise", &["config", "http", "model", "probe", "removal", "thread"]),
        ("workload", &["config", "http", "model", "supervise"]),
        ("store", &["model", "removal"]),
        ("engine", &["config", "http", "model", "probe", "store", "supervise", "thread", "workload"]),
        ("apache", &["config", "engine"]),
        (
            "experiment",
            &[
                "answer", "apache", "baseline", "bisect", "compare", "config", "engine", "knee", "model", "store",
                "verdict", "words",
            ],
        ),
        (
            "report",
            &[
                "answer", "baseline", "bisect", "compare", "fleet", "history", "knee", "model", "plan", "readings",
                "rule", "sites", "table", "verdict", "words", "working",
            ],
        ),
        ("demo", &["model"]),
        (
            "cli",
            &[
                "answer",
                "apache",
                "baseline",
                "bisect",
                "compare",
                "config",
                "demo",
                "engine",
                "experiment",
                "fleet",
                "history",
                "http",
                "knee",
                "model",
                "plan",
                "probe",
                "prometheus",
                "readings",
                "removal",
                "report",
                "store",
                "supervise",
                "table",
                "thread",
                "verdict",
                "watch",
                "words",
                "workload",
            ],
        ),
    ])
}

/// The core knows no file, network, process or clock: what it must not use of the standard library.
const IMPURE: [&str; 6] = ["env", "fs", "net", "process", "thread", "time"];
const PRINTING: [&str; 4] = ["dbg", "eprintln", "print", "println"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn core() -> Vec<Source> {
    sources(&root().join("src/core/lib.rs"))
}

#[test]
fn every_module_uses_only_what_it_may() {
    let allowed = allowed();
    let mut wrong = Vec::new();
    for source in core().into_iter().chain(sources(&root().join("src/lib.rs"))) {
        let Some(module) = source.module.first() else { continue };
        let may = allowed.get(module.as_str()).unwrap_or_else(|| panic!("`{module}` has no rule: add one"));
        for used in source.uses("crate").into_iter().chain(source.uses("seepage_core")) {
            if used != *module && !may.contains(&used.as_str()) {
                wrong.push(format!("{}: `{module}` uses `{used}`", source.file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What lies in a folder, files and folders, each with what it names of the others, by itself or by what the folder exports.
fn plan_of(folder: &[String], all: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let depth = folder.len();
    let inside = || all.iter().filter(|source| source.module.len() > depth && source.module.starts_with(folder));
    let names: BTreeSet<&str> = inside().map(|source| source.module[depth].as_str()).collect();
    let door = all.iter().find(|source| source.module == folder).expect("a folder has a door");
    let exports: BTreeMap<String, String> = door.exports().into_iter().collect();
    let mut plan: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in inside() {
        let named = source.uses_within(depth).into_iter().chain(source.uses_of(folder));
        let used = named.map(|name| exports.get(&name).cloned().unwrap_or(name));
        let others = used.filter(|name| names.contains(name.as_str()) && *name != source.module[depth]);
        plan.entry(source.module[depth].clone()).or_default().extend(others);
    }
    plan
}

#[test]
fn nothing_in_a_folder_of_the_core_leads_back_to_itself() {
    let all = core();
    let folders: BTreeSet<&[String]> =
        all.iter().flat_map(|source| (1..source.module.len()).map(|depth| &source.module[..depth])).collect();
    let mut circles = Vec::new();
    // What collects a table and what lays it out as a sheet still know each other.
    for folder in folders.into_iter().filter(|folder| folder[0] != "table") {
        let mut plan = plan_of(folder, &all);
        // Whoever names nobody, or only those who do, is in no circle.
        while let Some(free) = plan.iter().find(|(_, used)| used.is_empty()).map(|(name, _)| name.clone()) {
            plan.remove(&free);
            plan.values_mut().for_each(|used| used.retain(|name| *name != free));
        }
        if !plan.is_empty() {
            circles.push(format!("`{}`: {plan:#?}", folder.join("/")));
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn a_circle_is_seen() {
    let source = |module: &[&str], text| Source::of(module, text);
    let door = source(&["a"], "mod b; mod c; pub use b::{B, X as Y}; pub use c::e::C;");
    let b = source(&["a", "b"], "use super::C;");
    let e = source(&["a", "c", "e"], "use crate::a::b::B;");
    let plan = plan_of(&["a".to_owned()], &[door, b, e]);
    assert_eq!(plan["b"], BTreeSet::from(["c".to_owned()]));
    assert_eq!(plan["c"], BTreeSet::from(["b".to_owned()]));
}

#[test]
fn the_core_is_pure() {
    let mut wrong = Vec::new();
    for source in core() {
        let impure = source.uses("std").into_iter().filter(|used| IMPURE.contains(&used.as_str()));
        wrong.extend(impure.map(|used| format!("{}: std::{used}", source.file.display())));
        let printing = PRINTING.iter().filter(|name| source.calls(name));
        wrong.extend(printing.map(|name| format!("{}: {name}!", source.file.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Files of a folder and of those below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

/// What decides is read as a whole by whoever changes it.
#[test]
fn the_rule_stays_short() {
    const MOST: usize = 6500;
    let lines = |file: PathBuf| {
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().take_while(|line| *line != "#[cfg(test)]").count()
    };
    let is_tests = |file: &Path| file.iter().any(|part| part == "tests" || part == "tests.rs");
    let rooms = ["rule", "verdict"].map(|room| files(&root().join("src/core").join(room)));
    let all: usize = rooms.into_iter().flatten().filter(|file| !is_tests(file)).map(lines).sum();
    assert!((1000..=MOST).contains(&all), "{all} lines");
}

#[test]
fn files_hold_one_concept() {
    const MOST: usize = 600;
    let long: Vec<_> = ["src", "tests", "examples"]
        .iter()
        .flat_map(|d| files(&root().join(d)))
        .map(|path| (std::fs::read_to_string(&path).unwrap().lines().count(), path))
        .filter(|(lines, _)| *lines > MOST)
        .collect();
    assert!(long.is_empty(), "longer than {MOST} lines: {long:?}");
}
