//! What the program says of itself and of the machine: `doctor`, `completions`, `man`.

use crate::common::Bench;
use serde_json::Value;

const COMMANDS: [&str; 14] = [
    "run",
    "ab",
    "bisect",
    "knee",
    "compare",
    "attach",
    "analyze",
    "fleet",
    "report",
    "check",
    "schema",
    "doctor",
    "completions",
    "demo-server",
];

/// What it prints, which has to succeed.
fn printed(arguments: &[&str]) -> String {
    let output = Bench::new().seepage().args(arguments).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}: {:?} {text}", output.status);
    text
}

#[test]
fn every_shell_completes_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        for command in COMMANDS {
            assert!(script.contains(command), "{shell}: {command}");
        }
        assert!(script.contains("log-pattern"), "{shell}: options");
    }
}

#[test]
fn the_manual_page_has_every_command_with_its_options() {
    let page = printed(&["man"]);
    assert!(page.contains(".TH seepage 1"));
    for command in COMMANDS {
        assert!(page.contains(&format!(".SH \"SEEPAGE {}\"", command.to_uppercase())), "{command}");
    }
    assert!(page.contains("ended early by Ctrl\\-C") && page.contains("\\-\\-log\\-pattern"));
}

#[test]
fn doctor_says_what_can_be_measured() {
    let text = printed(&["doctor"]);
    assert!(text.contains("anonymous memory") && text.contains("memory limit of a run"), "{text}");
    let json: Value = serde_json::from_str(&printed(&["doctor", "--format", "json"])).unwrap();
    let capabilities = json["capabilities"].as_array().unwrap();
    assert!(capabilities.len() >= 15);
    for capability in capabilities {
        let state = capability["state"].as_str().unwrap();
        assert!(["ok", "degraded", "missing"].contains(&state), "{capability}");
        assert_eq!(state == "ok", capability["advice"].is_null(), "{capability}");
    }
}
