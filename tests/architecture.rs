//! Dependencies run one way: what each module may use, held against the source.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What each module may use of the others.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("model", &[][..]),
        ("stats", &[]),
        ("http", &[]),
        ("table", &["model"]),
        ("verdict", &["model", "stats"]),
        ("bisect", &[]),
        ("compare", &["model", "stats", "verdict"]),
        ("config", &["http", "model"]),
        ("probe", &["config", "http", "model"]),
        ("supervise", &["config", "http", "model", "probe"]),
        ("workload", &["config", "http", "model", "supervise"]),
        ("store", &["model"]),
        ("engine", &["config", "http", "model", "probe", "store", "supervise", "workload"]),
        ("apache", &["config", "engine"]),
        ("experiment", &["apache", "bisect", "compare", "config", "engine", "model", "store", "verdict"]),
        ("report", &["bisect", "compare", "model", "verdict"]),
        ("demo", &["model"]),
        (
            "cli",
            &[
                "apache",
                "bisect",
                "compare",
                "config",
                "demo",
                "engine",
                "experiment",
                "model",
                "probe",
                "report",
                "store",
                "supervise",
                "table",
                "verdict",
                "workload",
            ],
        ),
    ])
}

/// The pure core knows no file, network, process or clock.
const CORE: [&str; 6] = ["bisect", "compare", "model", "stats", "table", "verdict"];
const IMPURE: [&str; 7] = ["std::fs", "std::net", "std::process", "std::time", "std::thread", "std::env", "println!"];

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    files
}

/// The part of a source file that isn't tests.
fn code(path: &Path) -> String {
    if path.file_name().is_some_and(|name| name == "tests.rs") {
        return String::new();
    }
    let text = std::fs::read_to_string(path).unwrap();
    text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().to_owned()
}

fn modules() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = sources(&root).into_iter();
    files
        .filter_map(|path| {
            let mut parts = path.strip_prefix(&root).unwrap().components();
            let module = parts.next()?.as_os_str().to_str()?.to_owned();
            parts.next()?;
            Some((module, path.clone()))
        })
        .collect()
}

#[test]
fn every_module_uses_only_what_it_may() {
    let allowed = allowed();
    let mut wrong = Vec::new();
    for (module, path) in modules() {
        let may = allowed.get(module.as_str()).unwrap_or_else(|| panic!("`{module}` has no rule: add one"));
        for line in code(&path).lines().filter(|l| !l.trim_start().starts_with("//")) {
            for used in line.match_indices("crate::").filter_map(|(at, word)| {
                let rest = &line[at + word.len()..];
                rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()
            }) {
                if used != module && allowed.contains_key(used) && !may.contains(&used) {
                    wrong.push(format!("{}: `{module}` uses `{used}`", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_core_is_pure() {
    let mut wrong = Vec::new();
    for (_, path) in modules().into_iter().filter(|(module, _)| CORE.contains(&module.as_str())) {
        let text = code(&path);
        wrong.extend(
            IMPURE.iter().filter(|what| text.contains(**what)).map(|what| format!("{}: {what}", path.display())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_hold_one_concept() {
    const MOST: usize = 600;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let long: Vec<_> = ["src", "tests", "examples"]
        .iter()
        .flat_map(|d| sources(&root.join(d)))
        .map(|path| (std::fs::read_to_string(&path).unwrap().lines().count(), path))
        .filter(|(lines, _)| *lines > MOST)
        .collect();
    assert!(long.is_empty(), "longer than {MOST} lines: {long:?}");
}
