//! The line of a script that was the first to touch what stays: named by `attach --sites` for Python 3.11, PHP 8.2, and what tells in a perf
//! map.

use crate::common::{Bench, wait_until};
use crate::programs;
use crate::sites::Watched;
use serde_json::Value;
use std::process::Command;

const PYTHON: &str = r#"
import time

class Kept:
    all = []

    def keep(self, size):
        for n in range(4):
            self.all.append(b"y" * size)  # much
            if n == 0:
                self.all.append(
                    "x" * size  # a quarter
                )

def churn():
    return {key: str(key) for key in range(100)}

kept = Kept()
open("ready", "w").close()
while True:
    kept.keep(40000)
    churn()
    time.sleep(0.02)
"#;

const PHP: &str = r#"<?php
ini_set('memory_limit', '-1');

class Kept {
    public static $all = [];

    static function keep($size) {
        for ($n = 0; $n < 400; $n++) {
            self::$all[] = str_repeat("x", $size + $n); // much
            if ($n % 4 == 0) {
                self::$all[] = str_pad("", $size, "y"); // a quarter
            }
        }
    }
}

function churn() {
    $all = [];
    for ($n = 0; $n < 100; $n++) $all[] = str_repeat("z", 30 + $n);
    return $all;
}

touch('ready');
while (true) {
    Kept::keep(500);
    churn();
    usleep(20000);
}
"#;

const NODE: &str = r#"
const all = [];
function keep(size) {
    all.push(Buffer.alloc(size, 7));
}
require('fs').writeFileSync('ready', '');
setInterval(() => {
    for (let n = 0; n < 20; n++) keep(9000);
}, 20);
"#;

/// Starts a script, if there is an interpreter that says such a version of itself.
fn start(interpreter: &[&str], version: &str, name: &str, text: &str) -> Option<Watched> {
    let told = Command::new(interpreter[0]).arg("--version").output();
    let told = told.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    if !told.starts_with(version) {
        eprintln!("SKIPPED: {} isn't `{version}`; scripts/setup-tests.sh installs it", interpreter[0]);
        return None;
    }
    let bench = Bench::new();
    let script = bench.write(name, text);
    let mut arguments = interpreter[1..].to_vec();
    arguments.push(script.to_str().unwrap());
    let child = programs::start(&bench, interpreter[0], &arguments);
    wait_until("the script runs", || bench.path().join("ready").exists());
    Some(Watched { child, bench })
}

/// Expects that this line is named, and returns the lines of scripts in all stacks.
fn named(script: &Watched, site: &str) -> Vec<Value> {
    let (ended, sites) = script.watched();
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    let named = format!("Most of it is in pages that [script]: {site} touched first.");
    assert!(ended.stdout.contains(&named), "{}", ended.story());
    let all = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let sites = all(&sites, "sites");
    let frames = sites.iter().flat_map(|site| all(site, "stacks")).flat_map(|stack| all(&stack, "frames"));
    frames.filter(|frame| frame["module"] == "[script]").map(|frame| frame["line"].clone()).collect()
}

/// The line that holds this text.
fn line_of(script: &str, text: &str) -> usize {
    script.lines().position(|line| line.contains(text)).unwrap() + 1
}

#[test]
fn of_python_the_line_is_named_that_keeps_most() {
    let Some(script) = start(&["/usr/bin/python3"], "Python 3.11.", "app.py", PYTHON) else { return };
    let much = line_of(PYTHON, "# much");
    let lines = named(&script, &format!("Kept.keep (app.py:{much})"));
    // Its call goes over three lines, and this one multiplies.
    assert!(lines.contains(&line_of(PYTHON, "# a quarter").into()), "{lines:?}");
}

#[test]
fn of_php_the_line_is_named_that_keeps_most() {
    let Some(script) = start(&["/usr/bin/php"], "PHP 8.2.", "app.php", PHP) else { return };
    let lines = named(&script, &format!("Kept::keep (app.php:{})", line_of(PHP, "// much")));
    assert!(lines.contains(&line_of(PHP, "// a quarter").into()), "{lines:?}");
}

#[test]
fn of_node_the_function_is_named_that_its_perf_map_has() {
    let node = ["/usr/bin/node", "--perf-basic-prof", "--interpreted-frames-native-stack"];
    let Some(script) = start(&node, "v", "app.js", NODE) else { return };
    let pid = script.child.id();
    named(&script, &format!("keep (app.js:{})", line_of(NODE, "function keep")));
    let _ = std::fs::remove_file(format!("/tmp/perf-{pid}.map"));
}
