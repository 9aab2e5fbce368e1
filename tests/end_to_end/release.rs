//! The workflows: their shell is sound, what they call is there, and a release has notes.

use crate::common::Bench;
use crate::steps::{assert_sound, steps};
use std::path::Path;
use std::process::{Command, Output};

const CI: &str = include_str!("../../.github/workflows/ci.yml");
const RELEASE: &str = include_str!("../../.github/workflows/release.yml");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn notes(arguments: &[&str]) -> Output {
    Command::new(root().join("scripts/release-notes.sh")).args(arguments).output().unwrap()
}

#[test]
fn their_scripts_hold_no_expression_and_no_slip_and_call_what_is_there() {
    let (ci, release) = (steps(CI), steps(RELEASE));
    assert_eq!((ci.len(), release.len()), (1, 7));
    assert_sound(&ci);
    assert_sound(&release);
    for step in ci.iter().chain(&release) {
        for word in step.script.split_whitespace().filter(|w| w.starts_with("scripts/") || w.starts_with(".ci/")) {
            assert!(root().join(word).is_file(), "{}: there is no {word}", step.name);
        }
    }
}

/// An action of somebody else's, or one that follows a branch, would run what nobody here has seen.
#[test]
fn they_use_actions_of_githubs_own_by_their_major_version() {
    for text in [CI, RELEASE, include_str!("../../action.yml")] {
        let used: Vec<_> =
            text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("uses: ")).collect();
        assert!(!used.is_empty());
        for action in used {
            let version = action.strip_prefix("actions/").and_then(|rest| Some(rest.split_once("@v")?.1));
            assert!(version.is_some_and(|v| v.parse::<u32>().is_ok()), "{action}");
        }
    }
}

/// Of the pod in `examples/kubernetes`: what it calls seepage with is understood, so that it is the process alone that is missing here.
#[test]
fn the_sidecar_has_a_command_line_that_is_right() {
    let manifest = std::fs::read_to_string(root().join("examples/kubernetes/sidecar.yaml")).unwrap();
    assert!(manifest.contains("\n  shareProcessNamespace: true\n"));
    for same in ["runAsUser: 1000", "runAsGroup: 1000", "drop: [ALL]"] {
        assert_eq!(manifest.matches(same).count(), 2, "{same}: of the target and of the sidecar");
    }
    let lines = manifest.lines().skip_while(|line| line.trim() != "args:").skip(1);
    let values = lines.map_while(|line| line.trim().strip_prefix("- "));
    let arguments: Vec<_> = values.map(|value| value.split(" # ").next().unwrap().trim()).collect();
    assert!(arguments.starts_with(&["attach", "--match"]) && arguments.contains(&"--reports"), "{arguments:?}");
    let ended = Bench::new().seepage().args(&arguments).output().unwrap();
    let message = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(message.contains("no process that this user can see has a command line that matches"), "{message}");
    assert_ne!(ended.status.code(), Some(2), "{message}");
}

#[test]
fn a_release_has_notes_and_the_tag_of_its_version() {
    let version = env!("CARGO_PKG_VERSION");
    let found = notes(&[&format!("v{version}")]);
    let text = String::from_utf8(found.stdout).unwrap();
    assert!(found.status.success() && text.len() > 500 && !text.contains("\n## "), "{text}");
    for (wrong, told) in [
        (&["v9.9.9"][..], format!("the tag has to be v{version}")),
        (&[version], format!("the tag has to be v{version}")),
        (&[], "expected one tag".to_owned()),
    ] {
        let refused = notes(wrong);
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && message.contains(&told), "{wrong:?}: {message}");
    }
}
