//! Tracing on a real Apache: the faulty upload module's own lines are named, with the requests under which they keep
//! memory, and nobody is accused without a leak.
//!
//! Needs Debian's `apache2-bin`, `apache2-dev` and `libpython3-dev`; `scripts/test.sh` installs them.

use crate::common::{Bench, Ended};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn traced(bench: &Bench, mode: &str) -> (Ended, Value) {
    let arguments = ["--heap", "--env", &format!("MODE={mode}"), "--quiet"];
    let ended = bench.run(&path("harness-configs/apache-upload.toml"), &arguments);
    assert!(bench.scratch().is_empty(), "the library was left behind: {}", ended.story());
    let sites = ended.json("verdict.json")["call_sites"].clone();
    assert!(sites.is_object(), "{}", ended.story());
    (ended, sites)
}

/// The line of the module's source that holds this text.
fn line_of(text: &str) -> usize {
    let source = std::fs::read_to_string(path("examples/apache/mod_upload.c")).unwrap();
    source.lines().position(|line| line.contains(text)).unwrap() + 1
}

/// Expects that of each upload `function` keeps so many bytes by this call, and nothing else grows.
fn expect_site(mode: &str, function: &str, call: &str, bytes: f64) {
    let bench = Bench::new();
    let (ended, sites) = traced(&bench, mode);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    let first = &sites["sites"][0];
    assert_eq!((&first["state"], &first["function"]), (&"grows".into(), &function.into()), "{sites:#}");
    assert!(first["file"].as_str().unwrap().ends_with("mod_upload.c"), "{first:#}");
    assert_eq!(first["line"], line_of(call), "{first:#}");
    // Four in five requests are uploads of some kind; what the log calls otherwise are those that were broken off.
    let near = |rate: &Value, expected: f64| (rate.as_f64().unwrap() / expected - 1.0).abs() < 0.2;
    assert!(near(&first["growth"]["estimate"], 0.8 * bytes), "{first:#}");
    let step = &first["step"];
    assert_eq!(step["steps"], serde_json::json!(["upload", "big-upload", "other requests"]), "{first:#}");
    assert!(near(&step["growth"]["estimate"], bytes), "{step:#}");
    assert!(step["others_at_most"].as_f64().unwrap() < bytes, "{step:#}");
    assert!(ended.stdout.contains(" per `upload`, `big-upload` or `other requests` ("), "{}", ended.story());
    let grows = sites["sites"].as_array().unwrap().iter().filter(|site| site["state"] == "grows").count();
    assert_eq!(grows, 1, "{sites:#}");
    let run = ended.run.as_ref().unwrap();
    let first = ended.stdout.split("\n\n").next().unwrap();
    assert!(first.contains(&format!("Most of it is kept by mod_upload.so: {function} (mod_upload.c:")), "{first}");
    assert!(first.lines().all(|line| line.chars().count() < 170), "{first}");
    assert!(std::fs::read(run.join("heap.pb.gz")).unwrap().starts_with(&[0x1f, 0x8b]));
    assert!(std::fs::read_to_string(run.join("heap.collapsed")).unwrap().contains(function));
    // The verdict and the sites can be computed again from the run directory alone.
    let again = bench.seepage().arg("analyze").arg(run).args(["--format", "json"]).output().unwrap();
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(again["call_sites"], sites);
}

#[test]
fn a_leak_from_malloc_is_traced_to_its_line() {
    expect_site("malloc", "keep_body", "malloc(", 4104.0);
}

#[test]
fn a_leak_from_a_pool_is_traced_to_its_line() {
    // Debian's APR takes 8 KiB from the kernel for each, past the C library's allocator.
    expect_site("pool", "keep_in_pool", "apr_palloc(", 8192.0);
}

#[test]
fn nobody_is_accused_without_a_leak() {
    let bench = Bench::new();
    let (ended, sites) = traced(&bench, "churn");
    // With megabytes that come and go all the time, so short a run can't always prove the live heap clean.
    assert!(matches!(ended.code, Some(0 | 11)), "{}", ended.story());
    assert_eq!(ended.finding("memory")["verdict"], "clean", "{}", ended.story());
    assert_ne!(ended.finding("heap")["verdict"], "leak", "{}", ended.story());
    let sites = sites["sites"].as_array().unwrap();
    assert!(sites.iter().all(|site| site["state"] != "grows"), "{sites:#?}");
}

/// An extension of Python that keeps objects which the interpreter makes for it.
const EXTENSION: &str = r#"
#define PY_SSIZE_T_CLEAN
#include <Python.h>
__attribute__((noinline)) static PyObject *forget_bytes(Py_ssize_t size) {
    return PyBytes_FromStringAndSize(NULL, size);
}
static PyObject *keep(PyObject *self, PyObject *size) {
    PyObject *bytes = forget_bytes(PyLong_AsLong(size));
    memset(PyBytes_AS_STRING(bytes), 7, PyBytes_GET_SIZE(bytes));
    Py_RETURN_NONE;
}
static PyMethodDef methods[] = {{"keep", keep, METH_O, NULL}, {0}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "keeper", NULL, -1, methods};
PyMODINIT_FUNC PyInit_keeper(void) { return PyModule_Create(&module); }
"#;

/// Runs until Python's extension is named, and not the interpreter that allocates for it.
#[test]
fn an_extension_is_named_and_not_the_interpreter_that_allocates_for_it() {
    let bench = Bench::new();
    let headers = Path::new("/usr/include/python3.11");
    if !headers.join("Python.h").exists() {
        eprintln!("SKIPPED: there are no headers of Python 3.11");
        return;
    }
    let (source, library) = (bench.write("keeper.c", EXTENSION), bench.path().join("keeper.so"));
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-g", "-fno-optimize-sibling-calls", "-shared", "-fPIC", "-I"]).arg(headers).arg(source);
    assert!(compiler.arg("-o").arg(library).status().unwrap().success());
    let script = "import keeper, time\nwhile True:\n    keeper.keep(3000)\n    time.sleep(0.002)\n";
    let script = bench.write("keep.py", script);
    let mut command = bench.seepage();
    command.args(["run", "--heap", "--workers", "self", "--for", "15s", "--stop", "planned", "--quiet", "--reports"]);
    command.arg(bench.reports()).args(["--", "/usr/bin/python3.11"]).arg(script);
    let ended = bench.ended(command.output().unwrap());
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(ended.stdout.contains("Most of it is kept by keeper.so: forget_bytes (keeper.c:"), "{}", ended.story());
    assert!(ended.stdout.contains("PYTHONMALLOC=malloc was set for the target"), "{}", ended.story());
    let stacks = std::fs::read_to_string(ended.run.as_ref().unwrap().join("heap.collapsed")).unwrap();
    assert!(
        stacks.contains("[script]: <module> (keep.py:3);python3.11: _PyEval_EvalFrameDefault;keeper.so: keep"),
        "{stacks}"
    );
}

#[test]
fn where_a_run_ended_before_a_site_is_proven_it_says_so() {
    let bench = Bench::new();
    // At the pace of the clock, however busy the machine is: growth that slows down ends no run.
    let script = "import time\nkept, begin = [], time.monotonic()\nwhile True:\n    \
                  while len(kept) < 500 * (time.monotonic() - begin): kept.append(bytearray(9000))\n    time.sleep(0.002)\n";
    let script = bench.write("keep.py", script);
    let text = format!(
        r#"
name = "early"
[target]
command = ["/usr/bin/python3", "{}"]
workers = "self"
[[phase]]
kind = "soak"
duration = "20s"
[heap]
mode = "preload"
mean = "1 GiB"
"#,
        script.display()
    );
    let ended = bench.run(&bench.write("harness.toml", &text), &["--quiet"]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(ended.stdout.contains("No call site is proven to grow yet"), "{}", ended.story());
}
