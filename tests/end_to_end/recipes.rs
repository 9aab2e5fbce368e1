//! The recipes in `examples/ci`: their shell is run in a repository as a CI does, and ends with the sentence and the exit code.

use crate::common::Bench;
use crate::steps::{Step, assert_sound, steps};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn recipe(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci").join(name)).unwrap()
}

/// The commands of the list `script:` in GitLab's file.
fn gitlab() -> Vec<String> {
    let text = recipe("gitlab.yml");
    let lines = text.lines().skip_while(|line| *line != "  script:").skip(1);
    lines.map_while(|line| line.strip_prefix("    - ").map(str::to_owned)).collect()
}

/// The shell in the `Jenkinsfile`.
fn jenkins() -> String {
    let text = recipe("Jenkinsfile");
    text.split("'''").nth(1).unwrap().to_owned()
}

/// A repository with what this worker does in its harness file, and what a recipe installs or finds installed.
struct Repository(Bench);

impl Repository {
    fn new(work: &str) -> Self {
        let bench = Bench::new();
        for directory in ["ci", "bin"] {
            std::fs::create_dir(bench.path().join(directory)).unwrap();
        }
        bench
            .write("work.py", &format!("import os, time\nkept = []\nlog = open('jobs.log', 'w', buffering=1)\n{work}"));
        let text = "name = 'jobs'\n[target]\ncommand = ['python3', 'work.py']\nworkers = 'self'\ncwd = '${harness_dir}/..'\n\
                    [requests.log]\npath = '${harness_dir}/../jobs.log'\npattern = '^(?P<pid>\\d+) '\n\
                    [[phase]]\nkind = 'warm-up'\nduration = '500ms'\n[[phase]]\nkind = 'soak'\nduration = '4s'\n";
        bench.write("ci/leaks.toml", text);
        let program = |name: &str, text: &str| {
            let path = bench.write(name, text);
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        };
        let seepage = env!("CARGO_BIN_EXE_seepage");
        program("bin/seepage", &format!("#!/bin/sh\nexec {seepage} \"$@\"\n"));
        let install = format!(
            "#!/bin/sh\nset -e\n[ \"$*\" = 'install --locked --path vendor/seepage --root .seepage' ]\n\
                               mkdir -p .seepage/bin\nln -sf {seepage} .seepage/bin/seepage\n"
        );
        program("bin/cargo", &install);
        Repository(bench)
    }

    fn run(&self, shell: &[&str]) -> Output {
        let search = format!("{}:{}", self.0.path().join("bin").display(), std::env::var("PATH").unwrap());
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]).current_dir(self.0.path()).env("PATH", search).stdin(Stdio::null());
        command.output().unwrap()
    }

    /// What every CI has to have of it: the exit code, the sentence alone on the last line or the first, and the tests.
    fn expect(&self, shell: &[&str], code: i32, sentence: &str) {
        let output = self.run(shell);
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{shell:?}\n{told}\n{}", String::from_utf8_lossy(&output.stderr));
        let first = std::fs::read_to_string(self.0.path().join("leaks.txt")).unwrap();
        let first = first.lines().next().unwrap();
        assert!(first.contains(sentence) && told.contains(first), "{shell:?}: {first}\n{told}");
    }

    /// Whether the pattern of the recipes finds a report for the test view.
    fn has_tests(&self) -> bool {
        let runs = std::fs::read_dir(self.0.path().join("leaks")).into_iter().flatten().flatten();
        runs.filter(|run| run.path().join("junit.xml").is_file()).count() == 1
    }
}

const JOB: &str = "    print(os.getpid(), 'job', file=log)\n    time.sleep(0.002)\n";

#[test]
fn each_ends_with_the_sentence_and_the_exit_code() {
    let gitlab = gitlab().join("\n");
    let jenkins = jenkins();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci/leaks.sh");
    let script = script.to_str().unwrap();
    let leaks = format!("while True:\n    kept.append(bytearray(4096))\n{JOB}");
    let open = "print(os.getpid(), 'job', file=log)\ntime.sleep(600)\n";
    for (work, sentence, codes) in
        [(leaks.as_str(), "jobs LEAKS: each request leaves", [10, 10, 10]), (open, "jobs is INCONCLUSIVE", [11, 11, 0])]
    {
        let shells = [&["bash", "-eo", "pipefail", "-c", &gitlab][..], &["sh", "-xe", "-c", &jenkins], &["sh", script]];
        for (shell, code) in shells.into_iter().zip(codes) {
            let repository = Repository::new(work);
            repository.expect(shell, code, sentence);
            assert!(repository.has_tests(), "{shell:?}");
        }
    }
    // A file that is wrong is told, too, and has no tests.
    let repository = Repository::new(open);
    repository.0.write("ci/leaks.toml", "nam = 'x'");
    for (shell, code) in [
        (&["bash", "-eo", "pipefail", "-c", &gitlab][..], 20),
        (&["sh", "-xe", "-c", &jenkins], 20),
        (&["sh", script], 20),
    ] {
        repository.expect(shell, code, "nam");
        assert!(!repository.has_tests());
    }
}

#[test]
fn their_shell_has_no_slip_and_the_action_takes_what_it_is_given() {
    let step = |name: &str, script: String| Step { name: name.into(), script };
    assert_sound(&[step("gitlab", gitlab().join("\n")), step("jenkins", jenkins()), step("shell", recipe("leaks.sh"))]);
    let github = recipe("github.yml");
    assert_sound(&steps(&github));
    let action = include_str!("../../action.yml");
    let with = github.lines().skip_while(|line| line.trim() != "with:").skip(1);
    let given: Vec<_> = with.filter_map(|line| Some(line.trim().split_once(": ")?.0)).collect();
    assert!(given.len() >= 3, "{given:?}");
    for input in given {
        assert!(action.contains(&format!("\n  {input}:\n")), "{input}");
    }
    let version = env!("CARGO_PKG_VERSION");
    assert!(github.contains(&format!("uses: seepage-dev/seepage@v{version}\n")), "{github}");
}
