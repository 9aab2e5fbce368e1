//! `action.yml`: its shell steps are taken out of it and run in their order, as GitHub's runner does.

use crate::common::Bench;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const ACTION: &str = include_str!("../../action.yml");

/// A step with a script.
struct Step {
    name: String,
    script: String,
}

/// The steps that have a script, in their order.
fn steps() -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut name = String::new();
    let mut lines = ACTION.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(text) = line.strip_prefix("    - name: ") {
            name = text.to_owned();
        } else if line == "      run: |" {
            let mut script = String::new();
            while let Some(line) = lines.next_if(|line| line.is_empty() || line.starts_with("        ")) {
                script.push_str(line.get(8..).unwrap_or_default());
                script.push('\n');
            }
            steps.push(Step { name: name.clone(), script });
        } else if let Some(script) = line.strip_prefix("      run: ") {
            steps.push(Step { name: name.clone(), script: script.to_owned() });
        }
    }
    steps
}

/// A job's files, and what a step left in them.
struct Job<'a> {
    bench: &'a Bench,
    cargo: PathBuf,
}

impl<'a> Job<'a> {
    fn new(bench: &'a Bench) -> Self {
        // What cargo is called with, instead of a build: what it would install is there already.
        let cargo = bench.path().join("bin");
        std::fs::create_dir(&cargo).unwrap();
        let install = format!(
            "#!/bin/sh\nset -e\n[ \"$1 $2 $3\" = 'install --locked --path' ]\n[ -f \"$4/Cargo.toml\" ]\n\
             [ \"$5\" = --root ]\nmkdir -p \"$6/bin\"\nln -s {} \"$6/bin/seepage\"\n",
            env!("CARGO_BIN_EXE_seepage")
        );
        std::fs::write(cargo.join("cargo"), install).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(cargo.join("cargo"), executable).unwrap();
        Job { bench, cargo }
    }

    /// Runs a step's script with these inputs, as `shell: bash` does.
    fn run(&self, step: &Step, inputs: &[(&str, &str)]) -> Output {
        let path = |name: &str| self.bench.path().join(name);
        for name in ["output", "summary"] {
            std::fs::write(path(name), "").unwrap();
        }
        let search = format!("{}:{}", self.cargo.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &step.script]);
        command.current_dir(self.bench.path()).envs(inputs.iter().copied()).env("PATH", search);
        command.env("RUNNER_TEMP", self.bench.path()).env("GITHUB_ACTION_PATH", env!("CARGO_MANIFEST_DIR"));
        command.env("GITHUB_OUTPUT", path("output")).env("GITHUB_STEP_SUMMARY", path("summary"));
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.bench.path().join(name)).unwrap()
    }

    /// The value of an output.
    fn output(&self, name: &str) -> String {
        let text = self.read("output");
        let value = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
        value.unwrap_or_else(|| panic!("no output `{name}`: {text}")).to_owned()
    }
}

#[test]
fn its_steps_build_run_and_pass_the_exit_code_and_the_report_on() {
    let bench = Bench::new();
    let job = Job::new(&bench);
    let steps = steps();
    let [build, run] = &steps[..] else { panic!("{} steps", steps.len()) };
    assert_eq!((build.name.as_str(), run.name.as_str()), ("Build seepage", "Run the harness"));
    let built = job.run(build, &[]);
    assert!(built.status.success(), "{built:?}");

    // Too short to be judged.
    let text = "name = 'action'\n[target]\ncommand = ['sleep', '60']\nworkers = 'self'\nready = { delay = '50ms' }\n\
                [workload]\ncommand = ['sleep', '60']\n[[phase]]\nkind = 'soak'\nduration = '500ms'\n";
    let harness = bench.write("with space.toml", text);
    let harness = ("HARNESS", harness.to_str().unwrap());
    let ran = job.run(run, &[harness, ("SEEPAGE", ""), ("MORE", "--seed 7 --quiet"), ("INCONCLUSIVE", "")]);
    assert_eq!(ran.status.code(), Some(11), "{ran:?}");
    assert_eq!(job.output("exit-code"), "11");
    let directory = PathBuf::from(job.output("run"));
    assert!(std::fs::read_to_string(directory.join("run.json")).unwrap().contains("\"seed\": 7"));
    assert_eq!(job.read("summary"), std::fs::read_to_string(directory.join("report.md")).unwrap());

    let seepage = ("SEEPAGE", env!("CARGO_BIN_EXE_seepage"));
    let passed = job.run(run, &[harness, seepage, ("MORE", ""), ("INCONCLUSIVE", "pass")]);
    assert_eq!((passed.status.code(), job.output("exit-code").as_str()), (Some(0), "0"), "{passed:?}");

    let wrong = bench.write("wrong.toml", "nam = 'x'");
    let inputs = [("HARNESS", wrong.to_str().unwrap()), seepage, ("MORE", ""), ("INCONCLUSIVE", "")];
    let refused = job.run(run, &inputs);
    assert_eq!((refused.status.code(), job.output("run").as_str()), (Some(20), ""), "{refused:?}");
    assert_eq!((job.output("exit-code").as_str(), job.read("summary").as_str()), ("20", ""));
}

/// An expression within a script would let an input become a part of it.
#[test]
fn its_scripts_hold_no_expression_and_no_slip() {
    for Step { name, script } in steps() {
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

#[test]
fn what_it_names_exists() {
    let declared = |section: &str| -> Vec<&str> {
        let lines = ACTION.lines().skip_while(|line| *line != section).skip(1);
        let own = lines.take_while(|line| line.is_empty() || line.starts_with(' '));
        own.filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':').filter(|name| !name.starts_with(' ')))
            .collect()
    };
    let (inputs, outputs) = (declared("inputs:"), declared("outputs:"));
    assert!(inputs.len() >= 5 && outputs.len() == 2, "{inputs:?} {outputs:?}");
    let words = |prefix: &str| -> Vec<&str> {
        let parts = ACTION.split(prefix).skip(1);
        parts.map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap()).collect()
    };
    for input in words("inputs.") {
        assert!(inputs.contains(&input), "{input}");
    }
    for output in words("steps.run.outputs.") {
        assert!(ACTION.contains(&format!("echo \"{output}=")), "{output}");
    }
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md")).unwrap();
    for input in inputs {
        assert!(page.contains(&format!("| `{input}` |")), "docs/ci.md lacks `{input}`");
    }
}
