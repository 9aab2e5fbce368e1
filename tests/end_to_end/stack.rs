//! Services beside the target: started in order, judged by themselves, stopped in reverse, and none of them left behind.

use crate::common::{Bench, Ended, processes, signal, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::path::PathBuf;

/// A demonstration server as a service: it notes in `order` when it is started and when it is asked to stop.
fn service(bench: &Bench, name: &str, more: &str) -> String {
    let order = bench.path().join("order").display().to_string();
    format!(
        "[services.{name}]\ncommand = ['sh', '-c', '''echo start {name} >> {order}\ntrap 'echo stop {name} >> {order}; \
         kill $child; wait $child; exit 0' TERM\n\"$@\" & child=$!\nwait $child\nwait $child''', 'sh', '${{seepage}}', \
         'demo-server', '--port', '${{port:{name}}}', '--workers', '2', '--access-log', '${{work_dir}}/{name}.log', \
         '--fault', '${{env:FAULT_OF_{name}}}']\nready = {{ tcp = '127.0.0.1:${{port:{name}}}' }}\n\
         {more}\n"
    )
}

/// What its log says.
fn log_of(name: &str) -> String {
    format!("requests.log = {{ path = '${{work_dir}}/{name}.log', pattern = '^(?P<pid>\\d+) (?P<class>\\S+)' }}")
}

/// A harness file with a clean target and these services; each is sent as many requests as the target.
fn stack(bench: &Bench, names: &[&str], services: &str) -> PathBuf {
    let urls: String = names.iter().map(|name| format!(", 'http://127.0.0.1:${{port:{name}}}'")).collect();
    bench.write(
        "stack.toml",
        &format!(
            "name = 'stack'\n[target]\ncommand = ['${{seepage}}', 'demo-server', '--port', '${{port}}', '--workers', '2', \
             '--access-log', '${{work_dir}}/access.log']\nworkers = 'children'\nready = {{ tcp = '127.0.0.1:${{port}}' }}\n\
             {services}\n[requests.log]\npath = '${{work_dir}}/access.log'\npattern = '^(?P<pid>\\d+) (?P<class>\\S+)'\n\
             [workload]\nbase-url = ['http://127.0.0.1:${{port}}'{urls}]\nrate = '600/s'\nconcurrency = 4\n\
             requests-per-connection = 25\n[[workload.step]]\nname = 'upload'\nmethod = 'POST'\npath = '/upload'\n\
             body = {{ random = '1 KiB' }}\n[[phase]]\nkind = 'warm-up'\nduration = '3s'\n\
             [[phase]]\nkind = 'soak'\nduration = '10s'\n[[phase]]\nkind = 'settle'\nduration = '1s'\n"
        ),
    )
}

fn run(bench: &Bench, file: &PathBuf, faults: &[(&str, &str)]) -> Ended {
    let mut command = bench.seepage();
    command.arg("run").arg(file).arg("--reports").arg(bench.reports()).arg("--quiet");
    command.envs(faults.iter().map(|(name, fault)| (format!("FAULT_OF_{name}"), *fault)));
    let ended = bench.ended(command.output().unwrap());
    assert!(processes(&bench.path().to_string_lossy()).is_empty(), "something was left: {}", ended.story());
    ended
}

fn order(bench: &Bench) -> Vec<String> {
    let text = std::fs::read_to_string(bench.path().join("order")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_service_that_leaks_fails_the_run_and_is_judged_by_requests_that_it_served() {
    let bench = Bench::new();
    let file = stack(&bench, &["store"], &service(&bench, "store", &log_of("store")));
    // The proof of a call site takes longer than that of the leak.
    let traced = format!("stop = 'planned'\n{}[heap]\nmode = 'preload'\n", std::fs::read_to_string(&file).unwrap());
    std::fs::write(&file, traced).unwrap();
    let ended = run(&bench, &file, &[("store", "malloc")]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(ended.stdout.starts_with("stack LEAKS in its service `store`: each request leaves"), "{}", ended.stdout);
    assert!(ended.stdout.contains("\nstore LEAKS: each request leaves"), "{}", ended.stdout);
    let verdict = ended.json("verdict.json");
    assert!(
        verdict["findings"].as_array().unwrap().iter().all(|finding| finding["verdict"] == "clean"),
        "the target is"
    );
    let store = &verdict["services"][0];
    assert_eq!((&store["run"]["name"], &store["verdict"]), (&"store".into(), &"leak".into()));
    let memory = &store["findings"][0];
    let growth = memory["growth"]["estimate"].as_f64().unwrap();
    assert!((3900.0..4400.0).contains(&growth), "4 KiB are kept of each request: {growth}");
    assert_eq!(memory["axis"], "worker-requests", "{memory}");
    assert!(store["whole_target"].is_object(), "it has an account of its own");
    let grows = |part: &Value| {
        let sites = part["call_sites"]["sites"].as_array().into_iter().flatten();
        sites.filter(|site| site["state"] == "grows").count()
    };
    assert!(
        grows(store) > 0 && grows(&verdict) == 0,
        "who keeps it is named, in the service: {:#}",
        store["call_sites"]
    );
    // Its directory is that of a run: it can be judged again by itself, and the whole with it.
    let again = |path: PathBuf| bench.seepage().arg("analyze").arg(path).output().unwrap().status.code();
    assert_eq!(again(ended.directory().to_owned()), Some(10));
    assert_eq!(again(ended.directory().join("services/store")), Some(10));
    assert!(ended.directory().join("services/store/report.html").exists());
    for (report, text) in
        [("junit.xml", "store: workers: memory"), ("report.md", "**LEAKS**"), ("report.html", "store")]
    {
        assert!(ended.read(report).contains(text), "{report}");
    }
}

#[test]
fn services_start_as_they_are_needed_and_stop_in_reverse_after_a_clean_run() {
    let bench = Bench::new();
    let services = service(&bench, "app", "needs = ['store']") + &service(&bench, "store", "");
    let file = stack(&bench, &["app", "store"], &services);
    // Its log has a third of what is sent: here, nobody counts by worker.
    let text = std::fs::read_to_string(&file).unwrap();
    let (log, workload) = (text.find("[requests.log]").unwrap(), text.find("[workload]").unwrap());
    std::fs::write(&file, format!("{}{}", &text[..log], &text[workload..])).unwrap();
    let ended = run(&bench, &file, &[("app", "none"), ("store", "none")]);
    assert_eq!(ended.code, Some(0), "{}", ended.story());
    assert_eq!(order(&bench), ["start store", "start app", "stop app", "stop store"]);
    let verdict = ended.json("verdict.json");
    assert_eq!(verdict["services"][1]["run"]["name"], "app");
    let axis = &verdict["services"][1]["findings"][0]["axis"];
    assert_eq!(axis, "shared-requests", "nobody counts them by worker");
}

#[test]
fn a_service_that_dies_is_named_with_what_it_said_and_what_failed_after_it() {
    let bench = Bench::new();
    let dies = "[services.store]\ncommand = ['sh', '-c', '''\"$@\" & child=$!\nsleep 5; echo the disk is full >&2; kill $child; exit 3''', \
                'sh', '${seepage}', 'demo-server', '--port', '${port:store}', '--workers', '2']\n\
                ready = { tcp = '127.0.0.1:${port:store}' }\n";
    let file = stack(&bench, &["store", "app"], &(service(&bench, "app", "needs = ['store']") + dies));
    let ended = run(&bench, &file, &[("app", "none")]);
    assert_eq!(ended.code, Some(21), "{}", ended.story());
    let told = &ended.stdout;
    assert!(told.starts_with("stack FAILED: the service `store` ended by itself, with exit code 3, "), "{told}");
    for part in ["the disk is full", "requests failed (", "after it, "] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(order(&bench), ["start app", "stop app"], "the other is stopped as it wants to be");
}

#[test]
fn what_runs_already_is_stopped_in_order_when_a_later_launch_fails() {
    let bench = Bench::new();
    let broken = "[services.zero]\ncommand = ['sh', '-c', 'echo no such table >&2; exit 4']\nneeds = ['store']\n\
                  ready = { tcp = '127.0.0.1:${port:zero}' }\n";
    let file = stack(&bench, &[], &(service(&bench, "store", "") + broken));
    let ended = run(&bench, &file, &[("store", "none")]);
    assert_eq!(ended.code, Some(21), "{}", ended.story());
    assert!(ended.stdout.contains("the service `zero` ended by itself, with exit code 4"), "{}", ended.stdout);
    assert!(ended.stdout.contains("no such table"), "{}", ended.stdout);
    assert_eq!(order(&bench), ["start store", "stop store"]);
    let missing = "[services.zero]\ncommand = ['/nonexistent/server']\nneeds = ['store']\n";
    let bench = Bench::new();
    let file = stack(&bench, &[], &(service(&bench, "store", "") + missing));
    let ended = run(&bench, &file, &[("store", "none")]);
    assert_eq!(ended.code, Some(21), "{}", ended.story());
    assert!(ended.stdout.contains("the service `zero` failed: "), "{}", ended.stdout);
    assert_eq!(order(&bench), ["start store", "stop store"]);
}

#[test]
fn nothing_is_left_of_services_when_seepage_is_killed_or_interrupted() {
    for (number, leaves) in [(Signal::SIGKILL, false), (Signal::SIGINT, true)] {
        let bench = Bench::new();
        let file = stack(&bench, &["store"], &service(&bench, "store", ""));
        let mut command = bench.seepage();
        command
            .arg("run")
            .arg(&file)
            .arg("--reports")
            .arg(bench.reports())
            .arg("--quiet")
            .env("FAULT_OF_store", "none");
        let mut child = command.stdout(std::process::Stdio::null()).spawn().unwrap();
        let run = bench.recorded();
        let sampled = run.join("services/store/samples.jsonl");
        wait_until("the service is sampled", || std::fs::metadata(&sampled).is_ok_and(|file| file.len() > 0));
        signal(child.id(), number);
        let status = child.wait().unwrap();
        wait_until("all has ended", || processes(&bench.path().to_string_lossy()).is_empty());
        assert_eq!(status.code(), leaves.then_some(130));
        let stopped = order(&bench).contains(&"stop store".to_owned());
        assert_eq!(stopped, leaves, "only who is interrupted has time to ask");
    }
}

#[test]
fn services_in_a_circle_are_refused_with_their_place() {
    let bench = Bench::new();
    let services = service(&bench, "a", "needs = ['b']") + &service(&bench, "b", "needs = ['a']");
    let file = stack(&bench, &[], &services);
    let ended = run(&bench, &file, &[("a", "none"), ("b", "none")]);
    assert_eq!(ended.code, Some(20), "{}", ended.story());
    let told = "these services need one another: `a` needs `b`, `b` needs `a`";
    assert!(ended.stderr.contains(told) && ended.stderr.contains("stack.toml:"), "{}", ended.stderr);
    assert!(ended.run.is_none() && order(&bench).is_empty(), "nothing was launched");
}

/// A service whose fault is a variable of its environment, so that variants and modules can switch it; and runs that are short.
fn switched(bench: &Bench, more: &str) -> PathBuf {
    let command = "'exec \"$0\" demo-server --port \"$1\" --workers 2 --access-log \"$2\" --fault \"$FAULT\"'";
    let service = format!(
        "[services.store]\ncommand = ['sh', '-c', {command}, '${{seepage}}', '${{port:store}}', '${{work_dir}}/store.log']\n\
         env = {{ FAULT = 'malloc' }}\nworkers = 'children'\nready = {{ tcp = '127.0.0.1:${{port:store}}' }}\n{}\n{more}\n",
        log_of("store")
    )
    .replace("'exec", "'''exec")
    .replace("\"$FAULT\"'", "\"$FAULT\"'''");
    let file = stack(bench, &["store"], &service);
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text
        .replace("'3s'", "'500ms'")
        .replace("'10s'", "'3s'")
        .replace("[[phase]]\nkind = 'settle'\nduration = '1s'\n", "");
    std::fs::write(&file, text).unwrap();
    file
}

fn experiment(bench: &Bench, verb: &str, file: &PathBuf, arguments: &[&str]) -> Ended {
    let mut command = bench.seepage();
    command.arg(verb).arg(file).args(arguments).arg("--reports").arg(bench.reports()).arg("--quiet");
    let ended = bench.ended(command.output().unwrap());
    assert!(processes(&bench.path().to_string_lossy()).is_empty(), "something was left: {}", ended.story());
    ended
}

#[test]
fn a_part_of_a_service_that_leaks_is_worse_than_without_it() {
    let bench = Bench::new();
    let file = switched(&bench, "[modules.keeper]\noff.services.store.env = { FAULT = 'none' }");
    let ended = experiment(&bench, "ab", &file, &["--off", "keeper", "--pairs", "3"]);
    assert_eq!(ended.code, Some(12), "{}", ended.story());
    let told = "stack is WORSE with keeper than without it: in its service `store`, each request leaves ";
    assert!(ended.stdout.starts_with(told), "{}", ended.story());
    let found = ended.json("comparison.json");
    let growth = |service: Value| {
        let all = found["differences"].as_array().unwrap().iter();
        let mut its = all.filter(|one| one["measure"] == "memory growth" && one["service"] == service);
        its.next().unwrap_or_else(|| panic!("{service}: {found:#}")).clone()
    };
    assert_eq!(growth("store".into())["answer"], "regression");
    let kept = growth("store".into())["difference"]["estimate"].as_f64().unwrap();
    assert!((3800.0..4400.0).contains(&kept), "4 KiB are kept of each request: {kept}");
    assert_ne!(growth(Value::Null)["answer"], "regression", "the target is the same on both sides");
    assert!(ended.read("report.html").contains("Store: memory growth"));
}

#[test]
#[ignore = "half a minute"]
fn a_bisection_finds_the_part_of_a_service_that_leaks() {
    let bench = Bench::new();
    let modules = "[modules.keeper]\noff.services.store.env = { FAULT = 'none' }\n\
                   [modules.colour]\noff.services.store.env = { COLOUR = 'none' }";
    let file = switched(&bench, modules);
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("duration = '3s'", "duration = '10s'")).unwrap();
    let ended = experiment(&bench, "bisect", &file, &[]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert!(ended.stdout.contains("keeper") && !ended.stdout.contains("colour is"), "{}", ended.story());
}

#[test]
fn a_knee_is_sought_with_services_and_a_service_may_be_its_own_worker() {
    let bench = Bench::new();
    let slots = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/end_to_end/slots.py");
    let store = format!(
        "[services.store]\ncommand = ['python3', '{}', '${{port:store}}', '100', '0.03', 'waits', '1']\nworkers = 'self'\n\
         ready = {{ tcp = '127.0.0.1:${{port:store}}' }}\n",
        slots.display()
    );
    let file = stack(&bench, &["store"], &store);
    let ended = experiment(&bench, "knee", &file, &["--to", "2", "--for", "6s"]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
    assert_eq!(ended.json("knee.json")["leaks"]["load"], 1, "{}", ended.story());
    let verdict = ended.json("load-0001/verdict.json");
    let store = &verdict["services"][0]["findings"];
    let descriptors = store.as_array().unwrap().iter().find(|finding| finding["resource"] == "descriptors").unwrap();
    let kept = descriptors["growth"]["estimate"].as_f64().unwrap();
    assert_eq!((&descriptors["verdict"], descriptors["workers"].as_array().map(Vec::len)), (&"leak".into(), Some(1)));
    assert!((0.3..0.7).contains(&kept), "half of the requests are its own, and each leaves one open: {kept}");
}

#[test]
fn what_has_no_meaning_with_services_is_refused() {
    let bench = Bench::new();
    let file = stack(&bench, &["store"], &service(&bench, "store", ""));
    let output = bench.seepage().arg("plan").arg(&file).env("FAULT_OF_store", "none").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(20), "{said}");
    assert!(said.contains("services aren't planned for"), "{said}");
}
