//! Dependencies run one way: what each module may use, held against the source.

use crate::source::{Source, sources};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What each module may use of the others. That the core uses nothing outside it is held by Cargo: it is a crate of its own.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        // The core.
        ("model", &[][..]),
        ("thresholds", &[]),
        ("stats", &["thresholds"]),
        ("table", &["model"]),
        ("fleet", &["model", "table"]),
        ("verdict", &["model", "stats", "thresholds"]),
        ("bisect", &[]),
        ("compare", &["model", "stats", "verdict"]),
        ("baseline", &["compare", "model", "verdict"]),
        ("history", &["baseline", "model", "stats", "verdict"]),
        ("watch", &["model", "stats", "verdict"]),
        ("words", &["baseline", "bisect", "compare", "history", "model", "verdict"]),
        ("fixture", &["compare", "model", "verdict", "words"]),
        // The edges.
        ("http", &["thread"]),
        ("thread", &[]),
        ("config", &["http", "model"]),
        ("probe", &["config", "http", "model", "thread"]),
        ("prometheus", &["fleet", "http", "model", "table", "thread"]),
        ("removal", &[]),
        ("supervise", &["config", "http", "model", "probe", "removal", "thread"]),
        ("workload", &["config", "http", "model", "supervise"]),
        ("store", &["model", "removal"]),
        ("engine", &["config", "http", "model", "probe", "store", "supervise", "thread", "workload"]),
        ("apache", &["config", "engine"]),
        (
            "experiment",
            &["apache", "baseline", "bisect", "compare", "config", "engine", "model", "store", "verdict", "words"],
        ),
        ("report", &["baseline", "bisect", "compare", "fleet", "history", "model", "table", "verdict", "words"]),
        ("demo", &["model"]),
        (
            "cli",
            &[
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
                "model",
                "probe",
                "prometheus",
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
