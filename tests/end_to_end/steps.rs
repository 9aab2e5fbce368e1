//! The shell in `action.yml` and in workflows: taken out of them, to be run or looked at as GitHub's runner would.

use std::io::Write;
use std::process::{Command, Stdio};

/// A step with a script.
pub struct Step {
    pub name: String,
    pub script: String,
}

/// The steps of a file that have a script, in their order.
pub fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut name = String::new();
    let mut lines = text.lines().peekable();
    let indent = |line: &str| line.len() - line.trim_start().len();
    while let Some(line) = lines.next() {
        let words = line.trim_start();
        if let Some(text) = words.strip_prefix("- name: ") {
            name = text.to_owned();
        } else if words == "run: |" {
            let within = indent(line) + 2;
            let mut script = String::new();
            while let Some(line) = lines.next_if(|next| next.is_empty() || indent(next) >= within) {
                script.push_str(line.get(within..).unwrap_or_default());
                script.push('\n');
            }
            steps.push(Step { name: name.clone(), script });
        } else if let Some(script) = words.strip_prefix("run: ") {
            steps.push(Step { name: name.clone(), script: script.to_owned() });
        }
    }
    steps
}

/// Fails if a script holds an expression, which would let an input become a part of it, or a slip that shellcheck finds.
pub fn assert_sound(steps: &[Step]) {
    for Step { name, script } in steps {
        assert!(!script.contains("${{"), "{name}: {script}");
        let Ok(mut shellcheck) =
            Command::new("shellcheck").args(["--shell=bash", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
        else {
            eprintln!("shellcheck is not installed");
            continue;
        };
        shellcheck.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        let output = shellcheck.wait_with_output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}
