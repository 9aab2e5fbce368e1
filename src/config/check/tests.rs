//! Every refusal, in the words that the user sees.

use crate::config::{ConfigError, Harness, Overrides, parse};
use crate::model::{Budgets, Per};
use insta::assert_snapshot;

/// A harness that is good; each test breaks a part of it.
const GOOD: &str = r#"name = "shop"

[target]
command = ["httpd", "-X"]

[workload]
base-url = ["http://127.0.0.1:${port}"]
concurrency = 4

[[workload.step]]
name = "index"
path = "/"

[[phase]]
kind = "soak"
duration = "5s"
"#;

fn load(text: &str) -> Result<Harness, ConfigError> {
    parse(text, "shop.toml", &Overrides::default())
}

/// The good file with some text replaced, or with sections added behind it.
fn broken(old: &str, new: &str) -> String {
    if old.is_empty() {
        return format!("{GOOD}{new}\n");
    }
    assert!(GOOD.contains(old), "{old}");
    GOOD.replacen(old, new, 1)
}

fn refusals(cases: &[(&str, &str)]) -> String {
    let message = |(old, new): &(&str, &str)| match load(&broken(old, new)) {
        Ok(_) => panic!("accepted: {old} -> {new}"),
        Err(error) => format!("{error}\n"),
    };
    cases.iter().map(message).collect::<Vec<_>>().join("\n")
}

const COMMAND: &str = r#"command = ["httpd", "-X"]"#;
const BASE_URL: &str = r#"base-url = ["http://127.0.0.1:${port}"]"#;
const LOAD: &str = "concurrency = 4";
const STEP: &str = r#"path = "/""#;
const NAME: &str = r#"name = "index""#;
const LENGTH: &str = r#"duration = "5s""#;

#[test]
fn the_good_file_is_good() {
    load(GOOD).unwrap();
}

#[test]
fn syntax_and_keys() {
    let shown = refusals(&[
        (COMMAND, r#"command = ["httpd""#),
        (COMMAND, "command = httpd"),
        (LOAD, "concurrency = 4\nconcurrency = 5"),
        (LOAD, "concurency = 4"),
        (LOAD, "concurrency = \"4\""),
        (LOAD, "concurrency = -4"),
        (COMMAND, "cmd = 1"),
        (COMMAND, ""),
        (NAME, "name = \"index\"\nwieght = 2"),
        ("kind = \"soak\"", "kind = \"warmup\""),
        (LENGTH, "duration = \"5\""),
        (LENGTH, "duration = 5"),
        ("", "[budgets]"),
        ("", "[budget]\nmemory = \"64 B\""),
        ("", "[budget]\nmemory = \"64 KB/request\""),
        ("", "[gates]\nerror-rate = \"101%\""),
        (STEP, "path = \"/\"\nbody = { random = { loguniform = [\"1 KiB\", \"2 KiB\"] } }"),
        (STEP, "path = \"/\"\nbody = { random = \"64\" }"),
        (STEP, "path = \"/\"\nbody = { randum = \"64 KiB\" }"),
        (COMMAND, "command = [\"httpd\"]\nworkers = \"childs\""),
        ("name = \"shop\"\n", ""),
    ]);
    assert_snapshot!(shown);
}

#[test]
fn names_and_commands() {
    let shown = refusals(&[
        ("\"shop\"", "\"\""),
        ("\"shop\"", "\"../etc\""),
        ("\"shop\"", "\"my shop\""),
        (COMMAND, "command = []"),
        (COMMAND, "command = [\"\"]"),
        (COMMAND, "command = [\"a\", \"b\\u0000\"]"),
        (COMMAND, "command = [\"a\"]\nprepare = [[\"make\"], []]"),
        (COMMAND, "command = [\"a\"]\ncwd = \"\""),
        (COMMAND, "command = [\"a\"]\nenv = { \"A=B\" = \"c\" }"),
        (COMMAND, "command = [\"a\"]\nenv = { A = \"\\u0000\" }"),
        (COMMAND, "command = [\"a\"]\npass-env = [\"PATH\", \"\"]"),
        (COMMAND, "command = [\"a\"]\nmemory-limit = \"0 B\""),
        (COMMAND, "command = [\"a\"]\nworkers = { match = \"php(\" }"),
        (COMMAND, "command = [\"a\"]\nstop = { signal = \"SIGTERM\" }"),
        (COMMAND, "command = [\"a\"]\nstop = { signal = \"KILL\" }"),
    ]);
    assert_snapshot!(shown);
}

#[test]
fn readiness() {
    let ready = |ready: &str| format!("command = [\"a\"]\nready = {ready}");
    let cases = [
        r#"{ http = "127.0.0.1:80" }"#,
        r#"{ http = "https://127.0.0.1/" }"#,
        r#"{ tcp = "127.0.0.1" }"#,
        r#"{ tcp = "127.0.0.1:0" }"#,
        r#"{ output = "ready (" }"#,
        r#"{ command = [] }"#,
        r#"{ delay = "1s", tcp = "127.0.0.1:${port}" }"#,
        r#"{ delay = "5s", timeout = "2s" }"#,
        r#"{ tcp = "127.0.0.1:${port}", timeout = "0s" }"#,
    ]
    .map(ready);
    let shown = refusals(&cases.each_ref().map(|new| (COMMAND, new.as_str())));
    assert_snapshot!(shown);
}

#[test]
fn variables() {
    let shown = refusals(&[
        (STEP, r#"path = "/${prot}""#),
        (STEP, r#"path = "/${PORT}""#),
        (STEP, r#"path = "/${port""#),
        (STEP, r#"path = "/${something}""#),
        (COMMAND, r#"command = ["${workdir}/a", "${Env:HOME}"]"#),
    ]);
    assert_snapshot!(shown);
}

#[test]
fn request_counts() {
    let shown = refusals(&[
        ("", "[requests]\nlog = { path = \"a.log\", pattern = '^(\\d+)' }"),
        ("", "[requests]\nlog = { path = \"a.log\", pattern = '^(?P<pid>\\d+' }"),
        ("", "[requests]\nlog = { path = \"\", pattern = '(?P<pid>\\d+)' }"),
        ("", "[requests]\npage = { url = \"http://127.0.0.1/\", pattern = '(?P<pid>\\d+)' }"),
        ("", "[requests]\npage = { url = \"/status\", pattern = '(?P<pid>\\d+) (?P<count>\\d+)' }"),
        ("", "[requests]\nphp-fpm = \"http://127.0.0.1/\"\nmod-status = \"http://127.0.0.1/\""),
        ("", "[requests]\nmod-status = \"ftp://127.0.0.1/\""),
    ]);
    assert_snapshot!(shown);
}

#[test]
fn the_driver() {
    let shown = refusals(&[
        (BASE_URL, ""),
        (BASE_URL, "base-url = [\"https://127.0.0.1\"]"),
        (BASE_URL, "base-url = [\"http://127.0.0.1\", \"127.0.0.1:80\"]"),
        (BASE_URL, "base-url = [\"http://127.0.0.1/?a=b\"]"),
        ("[[workload.step]]\nname = \"index\"\npath = \"/\"", ""),
        (LOAD, ""),
        (LOAD, "concurrency = 0"),
        (LOAD, "concurrency = 20000"),
        (LOAD, "concurrency = 4\nrequests-per-connection = 0"),
        (LOAD, "concurrency = 4\nrate = \"50/s\"\nthink-time = \"1s\""),
        (LOAD, "concurrency = 4\ntimeout = \"0s\""),
        (LOAD, "concurrency = 4\ncommand-requests = '(?P<count>\\d+)'"),
        (LOAD, "concurrency = 4\ncommand = [\"ab\"]"),
        (
            "[workload]\nbase-url = [\"http://127.0.0.1:${port}\"]\nconcurrency = 4\n\n[[workload.step]]\nname = \"index\"\npath = \"/\"",
            "[workload]\ncommand = []\nrate = \"5/s\"\nrequests-per-connection = 3\nthink-time = \"1s\"\ncommand-requests = 'sent \\d+'",
        ),
        (LOAD, "rate = \"0/s\""),
        (LOAD, "rate = \"0.001/h\""),
        (LOAD, "rate = \"10000000/s\""),
        (LOAD, "concurrency = 4\nthink-time = \"1000years\""),
    ]);
    assert_snapshot!(shown);
}

#[test]
fn steps() {
    let shown = refusals(&[
        (NAME, "name = \"\""),
        (NAME, "name = \"a\\u001b[31m\""),
        (NAME, "name = \"index\"\nweight = -1"),
        (NAME, "name = \"index\"\nweight = nan"),
        (NAME, "name = \"index\"\nweight = inf"),
        (NAME, "name = \"index\"\nweight = 0"),
        (NAME, "name = \"a\"\npath = \"/\"\n[[workload.step]]\nname = \"a\""),
        (NAME, "name = \"index\"\nmethod = \"post\""),
        (NAME, "name = \"index\"\nmethod = \"BAD METHOD\""),
        (NAME, "name = \"index\"\nmethod = \"CONNECT\""),
        (STEP, "path = \"index.html\""),
        (STEP, "path = \"/a b\""),
        (STEP, "path = \"/#top\""),
        (STEP, "path = \"/\"\nheaders = { \"no good\" = \"a\" }"),
        (STEP, "path = \"/\"\nheaders = { X-Good = \"a\\nb\" }"),
        (STEP, "path = \"/\"\nheaders = { Content-Length = \"5\" }"),
        (STEP, "path = \"/\"\nbody = { file = \"\" }"),
        (STEP, "path = \"/\"\nbody = { random = { uniform = [\"2 KiB\", \"1 KiB\"] } }"),
        (STEP, "path = \"/\"\nbody = { multipart = { log-uniform = [\"0 B\", \"1 KiB\"] } }"),
        (STEP, "path = \"/\"\nbody = { random = \"2 TiB\" }"),
        (STEP, "path = \"/\"\nexpect = []"),
        (STEP, "path = \"/\"\nexpect = [200, 600]"),
        (STEP, "path = \"/\"\nabort = { share = \"5%\" }"),
        (STEP, "path = \"/\"\nabort = { share = \"5%\", at = \"slow-drip\" }"),
    ]);
    assert_snapshot!(shown);
}

#[test]
fn phases() {
    let shown = refusals(&[
        ("[[phase]]\nkind = \"soak\"\nduration = \"5s\"", ""),
        ("kind = \"soak\"", "kind = \"warm-up\""),
        (LENGTH, ""),
        (LENGTH, "duration = \"5s\"\nrequests = 100"),
        (LENGTH, "duration = \"0s\""),
        (LENGTH, "requests = 0"),
        (LENGTH, "requests-per-worker = 0"),
        (LENGTH, "requests-per-worker = 9000000000000000000"),
        (LENGTH, "duration = \"2years\""),
        ("", "[[phase]]\nkind = \"settle\""),
        ("", "[[phase]]\nkind = \"settle\"\nrequests = 5"),
        ("", "[[phase]]\nkind = \"settle\"\nduration = \"5s\"\nrate = \"5/s\"\nconcurrency = 1"),
        (LENGTH, "duration = \"5s\"\nrate = \"50/s\""),
        (LENGTH, "duration = \"5s\"\nconcurrency = 0"),
    ]);
    assert_snapshot!(shown);
}

#[test]
fn phases_against_the_model() {
    let open = GOOD.replace(LOAD, "rate = \"50/s\"");
    let ramp = open.replace(LENGTH, "duration = \"5s\"\nconcurrency = 9");
    let command = GOOD.split("[workload]").next().unwrap().to_owned()
        + "[workload]\ncommand = [\"ab\"]\n[[phase]]\nkind = \"soak\"\nconcurrency = 4\n[gates]\np95 = \"1s\"\n";
    let messages = [ramp, command].map(|text| load(&text).unwrap_err().to_string());
    let shown = messages.join("\n\n");
    assert_snapshot!(shown);
}

#[test]
fn budgets_gates_and_sampling() {
    let shown = refusals(&[
        ("", "[budget]\nmemory = \"0.5/request\""),
        ("", "[budget]\ndescriptors = \"64 B/request\""),
        ("", "[budget]\nthreads = \"0/request\""),
        ("", "[budget]\ntmpfs = \"1/request\""),
        ("", "[gates]\np95 = \"0s\""),
        ("", "[sample]\nevery = \"5ms\""),
        ("", "[sample]\nevery = \"1s\"\nslow-every = \"500ms\""),
        ("", "[sample]\noverhead = \"0%\""),
    ]);
    assert_snapshot!(shown);
}

/// A harness of a worker that nothing drives.
const UNDRIVEN: &str =
    "name = \"jobs\"\n\n[target]\ncommand = [\"worker\"]\n\n[[phase]]\nkind = \"soak\"\nduration = \"5m\"\n";

#[test]
fn a_worker_that_nothing_drives() {
    let memory = |text: &str| {
        load(&format!("{UNDRIVEN}[budget]\nmemory = {text:?}\n")).map(|h| (h.budgets().memory, h.lives().len()))
    };
    assert_eq!(load(UNDRIVEN).unwrap().budgets(), Budgets::usual(Per::Hour));
    assert_eq!(load(UNDRIVEN).unwrap().error_rate(), None);
    assert_eq!(memory("2 MiB/hour").unwrap(), (Some(2_097_152.0), 0));
    assert_eq!(memory("512 MiB in 7 days").unwrap(), (None, 1));
    let logged = format!("{UNDRIVEN}[requests.log]\npath = 'jobs.log'\npattern = '^(?P<pid>\\d+)'\n");
    assert_eq!(load(&logged).unwrap().budgets(), Budgets::usual(Per::Request));
    let refused = |old: &str, new: &str| {
        let text = if old.is_empty() { format!("{UNDRIVEN}{new}\n") } else { UNDRIVEN.replacen(old, new, 1) };
        format!("{}\n", load(&text).map(drop).unwrap_err())
    };
    let length = "duration = \"5m\"";
    let shown = [
        refused(length, "requests = 100"),
        refused(length, "duration = \"5m\"\nrate = \"5/s\""),
        refused(length, ""),
        refused("", "[workload]"),
        refused("", "[settle]\npauses = 24"),
        refused("", "[gates]\nerror-rate = \"1%\"\np95 = \"1s\""),
        refused("", "[budget]\nmemory = \"64 B/request\""),
        refused("", "[budget]\nmemory = \"64 B/request\"\nthreads = \"60/hour\""),
        refused("", "[budget]\nmemory = \"512 MiB in a week\""),
        refused("", "[budget]\nmemory = \"512 MiB in 0s\"\ntmpfs = \"1 GiB in 7 days\"\nthreads = \"64 KiB in 1 day\""),
    ];
    assert_snapshot!(shown.join("\n"));
}

#[test]
fn what_a_command_sends_is_counted_or_judged_by_the_hour() {
    let driven = |more: &str| load(&format!("{UNDRIVEN}[workload]\ncommand = ['load']\n{more}\n")).unwrap();
    assert_eq!((driven("").per(), driven("").error_rate()), (Per::Hour, None));
    let counted = driven("command-requests = '(?P<count>\\d+)'");
    assert_eq!((counted.per(), counted.error_rate()), (Per::Request, Some(0.01)));
}

/// At least one fault of each kind, in every table.
const FAULTY: &str = r#"name = "my shop"
stop = "never"

[target]
comand = ["httpd", "${prot}"]
workers = { mach = "httpd" }
memory-limit = "2 gigs"
cwd = ""
env = { PIN = 4711, "A=B" = "s3cret-a", MODE = "${mode}" }
ready = { tcp = "localhost", delay = 1 }

[requests]
log = { path = "access.log" }

[workload]
base-url = "http://127.0.0.1:${port}"
concurrency = "4"
think-time = "1 s 2"

[[workload.step]]
name = "index"
path = "index.html"
weight = "much"
abort = { share = "5%" }

[[workload.step]]
name = "upload"
path = "/upload"
boddy = { random = "4 KiB" }
expect = [200, "ok", 99]
abort = { share = "500%" }
headers = { Authorization = 5, "no good" = "s3cret-b" }

[phase]
kind = "soak"

[budget]
memory = "64 B"
descriptors = "1 B/request"
cpu = "1 %"

[sample]
every = "1ms"

[heap]
mode = "on"
mean = 64

[variants.old]
env = { X = true }
ready = { http = "https://127.0.0.1" }
"#;

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let told = load(FAULTY).unwrap_err().to_string();
    assert!(!told.contains("s3cret") && !told.contains("4711"), "{told}");
    assert_snapshot!(told);
}

#[test]
fn values_of_variables_and_headers_are_never_shown() {
    let whole_target = broken("[target]\ncommand = [\"httpd\", \"-X\"]\n", "");
    let first = "target = { command = [], env = { TOKEN = \"s3cret\" } }\n";
    let mut texts = vec![whole_target.replacen('\n', &format!("\n{first}"), 1)];
    for faulty in [
        "environment = { TOKEN = \"s3cret\" }",
        "env = [\"TOKEN=s3cret\"]",
        "env = \"TOKEN=s3cret\"",
        "env = { TOKEN = { value = \"s3cret\" } }",
        "env = { TOKEN = s3cret }",
        "env = { TOKEN = \"s3cret\"",
        "env = {\n  A = \"1\",\n  TOKEN = s3cret,\n}",
        "[target.env]\nTOKEN = s3cret",
        "[target.env]\nTOKEN = \"s3cret",
        "[target.env]\nTOKEN = \"1\"\nTOKEN = \"s3cret\"",
        "[target.env]\nTOKEN \"s3cret\"",
        "[target.env]\nTOKEN = '''\n=s3cret \u{7}",
    ] {
        texts.push(broken(COMMAND, &format!("{COMMAND}\n{faulty}")));
    }
    texts.push(broken(STEP, "path = \"/\"\nheaders = { Authorization = 's3cret }"));
    texts.push(broken(STEP, "path = \"/\"\nheader = { Authorization = \"s3cret\" }"));
    for text in texts {
        let told = load(&text).unwrap_err().to_string();
        assert!(!told.contains("s3cret") && told.starts_with("shop.toml:"), "{text}\n{told}");
    }
}

fn faults(text: &str) -> Vec<String> {
    let Err(ConfigError::Invalid(diagnostics)) = load(text) else { panic!("accepted: {text}") };
    diagnostics.into_iter().map(|diagnostic| diagnostic.message).collect()
}

#[test]
fn a_fault_makes_no_others() {
    for (old, new, message) in [
        (LOAD, "concurency = 4", "unknown key `concurency`: did you mean `concurrency`?"),
        (LOAD, "concurrency = true", "expected a whole number from 0 up, found `true` or `false`"),
        (
            "name = \"shop\"",
            "name = \"shop\"\nconcurrency = 5",
            "unknown key `concurrency`: it belongs below `[workload]`",
        ),
        (LOAD, "concurrency = 4\nweight = 2", "unknown key `weight`: it belongs below `[[workload.step]]`"),
        (COMMAND, "comand = [\"a\"]", "unknown key `comand`: did you mean `command`?"),
        (COMMAND, "command = \"a\"", "expected a list of texts, found a text"),
        (
            STEP,
            "path = \"/\"\nbody = 5\nabort = { share = \"5%\" }",
            "expected one of `text`, `file`, `random`, `multipart`, found a whole number",
        ),
        (STEP, "path = \"${prot}\"", "unknown variable `${prot}`: did you mean `${port}`?"),
        (BASE_URL, "base-url = [5]", "expected a text, found a whole number"),
        (LENGTH, "duration = \"5\"", "`5` is not a duration with its unit, such as `500ms`, `30s` or `10m`"),
        ("kind = \"soak\"", "kind = \"sook\"", "unknown value `sook`: did you mean `soak`?"),
        ("[[phase]]", "[phase]", "expected a list of tables, found a table"),
        ("[target]", "[[target]]", "expected a table, found a list of tables"),
    ] {
        assert_eq!(faults(&broken(old, new)), [message], "{new}");
    }
}

#[test]
fn what_is_missing_is_told_with_what_it_is_for() {
    assert_snapshot!(
        ["", "# nothing yet", "[target]\n[workload]\n[[phase]]\n[requests.log]"]
            .map(|text| load(text).unwrap_err().to_string())
            .join("\n\n")
    );
}

#[test]
fn several_errors_of_syntax_are_told_at_once() {
    let text = broken(LOAD, "concurrency = 4\nconcurrency = 5").replace("[[phase]]", "[[phase]");
    assert_snapshot!(load(&text).unwrap_err().to_string());
}

#[test]
fn so_many_faults_are_cut() {
    let text = broken(COMMAND, &format!("{COMMAND}\npass-env = [{}]", "1, ".repeat(5000)));
    let told = faults(&text);
    assert_eq!((told.len(), told[100].as_str()), (101, "more is wrong than these 100 places"));
    let unknown: String = (0..5000).map(|n| format!("key{n} = 1\n")).collect();
    assert_eq!(faults(&broken(COMMAND, &format!("{COMMAND}\n{unknown}"))).len(), 101);
    assert_eq!(faults(&broken(COMMAND, &format!("{COMMAND}\n{}", "a = b\n".repeat(5000)))).len(), 101);
}

#[test]
fn values_known_only_in_a_run_are_not_judged_before() {
    load(&broken(BASE_URL, r#"base-url = ["${env:TARGET_URL}"]"#)).unwrap();
}

#[test]
fn an_open_model_may_start_from_nothing() {
    let open = GOOD.replace(LOAD, "rate = \"0/s\"").replace(LENGTH, "duration = \"5s\"\nrate = \"60/s\"");
    load(&open).unwrap();
}

#[test]
fn external_commands_may_end_their_phases_themselves() {
    let head = GOOD.split("[workload]").next().unwrap();
    load(&format!("{head}[workload]\ncommand = [\"ab\"]\n[[phase]]\nkind = \"soak\"\n")).unwrap();
}

#[test]
fn settling() {
    let shown = refusals(&[
        ("", "[settle]\npauses = 24\nfor = \"100ms\""),
        ("", "[settle]\npauses = 20000"),
        ("", "[settle]\ncollect = { url = \"http://127.0.0.1/gc\" }"),
        ("", "[settle]\npauses = 24\ncollect = { signal = \"KILL\" }"),
        ("", "[settle]\npauses = 24\ncollect = { url = \"https://127.0.0.1/gc\" }"),
        ("", "[settle]\npauses = 24\ncollect = { command = [] }"),
        (LENGTH, "requests = 10\n[settle]\npauses = 24"),
        (LENGTH, "duration = \"5s\"\nconcurrency = 8\n[settle]\npauses = 24"),
    ]);
    assert_snapshot!(shown);
}

#[test]
fn accepted_leaks() {
    let accept = |keys: &str| format!("[heap]\nmode = \"preload\"\n[[accept]]\n{keys}");
    let site = "site = \"a.so: keep*\"";
    let (until, reason) = ("until = 2027-03-01", "reason = \"issue 7\"");
    let good = accept(&format!("{site}\n{until}\n{reason}"));
    assert_eq!(load(&broken("", &good)).unwrap().accept[0].as_recorded().until, "2027-03-01");
    load(&broken("", &good.replace(until, "until = \"2027-03-01\""))).unwrap();
    let cases = [
        good.replace("\"preload\"", "\"off\""),
        good.replace(until, "until = 2027-02-30"),
        good.replace(until, "until = \"next week\""),
        good.replace(until, "until = 2027-03-01T10:00:00Z"),
        good.replace(until, "until = 20270301"),
        good.replace(until, ""),
        good.replace(reason, "reason = \" \""),
        good.replace(reason, "why = \"issue 7\""),
        good.replace(site, "site = \"*\""),
        good.replace(site, "site = \"*e*\""),
        good.replace(site, "site = \"\""),
        good.replace("[[accept]]", "[accept]"),
        format!("{good}\n[[accept]]\n{site}\n{until}\n{reason}"),
    ];
    let cases: Vec<(&str, &str)> = cases.iter().map(|text| ("", text.as_str())).collect();
    assert_snapshot!(refusals(&cases));
}
