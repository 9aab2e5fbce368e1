//! What is asked of the user before it is judged: whose requests they are, in which unit memory is, of which time it is.

use super::stand_in::{Asked, Reply, Series, StandIn, long_ago};
use super::{MIB, fleet, lines, memory, pod, right};
use crate::common::Bench;

/// Four pods of a service that serves 40 requests a second, each of which keeps 100 B of every request of its own.
fn pods() -> Vec<Series> {
    let begun = long_ago();
    let of = |pod: &'static str| {
        let value =
            move |t: f64| Some((100.0 * MIB + 1000.0 * (t - begun) + (t / 30.0 % 7.0).floor() * 4096.0).round());
        Series::new("mem_bytes", &[("svc", "a"), ("pod", pod)], value)
    };
    ["1", "2", "3", "4"].into_iter().map(of).collect()
}

fn served(labels: &[(&str, &str)], late: f64) -> Series {
    let begun = long_ago();
    Series::new("served", labels, move |t| Some((40.0 * (t - begun - late)).round()))
}

#[test]
fn requests_of_a_service_are_no_pod_s_own() {
    let bench = Bench::new();
    let asked = ["--memory", "mem_bytes", "--requests", "served", "--by", "svc", "--format", "jsonl"];
    // One series beside all, and one that each pod has, as it read it.
    let one = pods().into_iter().chain([served(&[("svc", "a")], 0.0)]).collect();
    let each = |place: usize, pod: &str| served(&[("svc", "a"), ("pod", pod)], 3.0 * place as f64);
    let each = ["1", "2", "3", "4"].iter().enumerate().map(|(place, pod)| each(place, pod));
    let (one, each) = (StandIn::new(one, right), StandIn::new(pods().into_iter().chain(each).collect(), right));
    let open = fleet(&bench, &each.url, &asked);
    assert_eq!(open.code, Some(1), "{}", open.story());
    let told = lines(&open)[0]["error"].to_string();
    assert!(told.contains("--requests-of worker") && told.contains("--requests-of pool"), "{told}");
    let said = fleet(&bench, &each.url, &[&asked[..], &["--requests-of", "pool"]].concat());
    for ended in [fleet(&bench, &one.url, &asked), said] {
        assert_eq!(ended.code, Some(10), "{}", ended.story());
        let estimate = lines(&ended)[0]["estimate"].as_f64().unwrap();
        assert!((estimate / 100.0 - 1.0).abs() < 0.05, "{}", ended.story());
    }
}

#[test]
fn one_count_that_each_pod_has_is_asked_about_where_pods_are_judged_by_themselves() {
    let bench = Bench::new();
    let asked = ["--memory", "mem_bytes", "--requests", "served", "--format", "jsonl"];
    // That of the service, from where each pod began, which goes up and down with the day.
    let begun = long_ago();
    let each = |(place, pod): (u32, &'static str)| {
        let count =
            move |t: f64| Some((40.0 * (t - begun) + 9000.0 * ((t - begun) / 700.0).sin()).round() + f64::from(place));
        Series::new("served", &[("svc", "a"), ("pod", pod)], count)
    };
    let all = pods().into_iter().chain((1000..).zip(["1", "2", "3", "4"]).map(each));
    let server = StandIn::new(all.collect(), right);
    let open = fleet(&bench, &server.url, &asked);
    assert_eq!((open.code, lines(&open).len()), (Some(1), 4), "{}", open.story());
    let told = lines(&open)[0]["error"].to_string();
    assert!(told.contains("--by LABEL") && told.contains("--requests-of worker"), "{told}");
    let own = fleet(&bench, &server.url, &[&asked[..], &["--requests-of", "worker"]].concat());
    assert_eq!(own.code, Some(0), "{}", own.story());
    let together = fleet(&bench, &server.url, &[&asked[..], &["--by", "svc"]].concat());
    assert_eq!(together.code, Some(10), "{}", together.story());
}

#[test]
fn a_unit_that_nothing_says_is_asked_about() {
    let bench = Bench::new();
    let of = |name: &str| {
        let kib = memory(300.0);
        Series::new(name, &[("pod", "a")], move |t| Some((kib(t)? / 1024.0).round()))
    };
    let server = StandIn::new(vec![of("rss"), of("rss_kib")], right);
    let ended = fleet(&bench, &server.url, &["--memory", "rss"]);
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(ended.stdout.contains("the unit of --memory isn't known"), "{}", ended.story());
    let swap = fleet(&bench, &server.url, &["--memory", "rss_kib", "--swap", "rss"]);
    assert!(swap.code == Some(1) && swap.stdout.contains("the unit of --swap isn't known"), "{}", swap.story());
    let ended = fleet(&bench, &server.url, &["--memory", "rss_kib"]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
}

#[test]
fn a_query_without_a_course_is_refused() {
    let bench = Bench::new();
    let server = StandIn::new(vec![pod("a", 300.0)], right);
    for query in ["mem @ 1767225600", "mem{pod=\"a\"} @ end()", "5e8", "vector(5e8)", "time()"] {
        let ended = fleet(&bench, &server.url, &["--memory", query]);
        assert_eq!(ended.code, Some(2), "{query}: {}", ended.story());
    }
    let ended = fleet(&bench, &server.url, &["--memory", "mem{pod=~\"a|b@c\"}"]);
    assert_eq!(ended.code, Some(10), "{}", ended.story());
}

#[test]
fn an_answer_for_another_time_is_refused() {
    let old = |asked: &Asked| {
        if !asked.path.ends_with("query_range") {
            return Reply::Right;
        }
        let points: Vec<String> = (0..240).map(|i| format!("[{}, \"1e8\"]", 1_767_225_600 + 30 * i)).collect();
        let body = format!(
            "{{\"status\":\"success\",\"data\":{{\"resultType\":\"matrix\",\"result\":[{{\"metric\":{{\"job\":\"shop\",\"pod\":\"a\"}},\
             \"values\":[{}]}}]}}}}",
            points.join(",")
        );
        Reply::Raw(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes())
    };
    let server = StandIn::new(vec![pod("a", 0.0)], old);
    let ended = fleet(&Bench::new(), &server.url, &["--memory", "mem"]);
    assert_eq!(ended.code, Some(1), "{}", ended.story());
    assert!(ended.stdout.contains("and answered for 1767225600"), "{}", ended.story());
}

#[test]
fn what_is_allowed_in_all_is_so_in_the_time_that_is_asked_for() {
    let bench = Bench::new();
    let now = long_ago() + 3.0 * 86_400.0;
    // It has lived for half an hour of two, and grows by 20 MiB an hour.
    let level = memory(20.0);
    let young = move |t| level(t).filter(|_| t > now - 1800.0);
    let young = Series::new("mem", &[("job", "shop"), ("pod", "young")], young);
    let server = StandIn::new(vec![pod("a", 0.0), young], right);
    for (budget, code) in [("12 MiB", 10), ("60 MiB", 0), ("1%", 10)] {
        let ended = fleet(&bench, &server.url, &["--memory", "mem", "--budget", budget]);
        assert_eq!(ended.code, Some(code), "{budget}: {}", ended.story());
    }
}

#[test]
fn a_brief_life_that_grows_keeps_a_fleet_from_a_pass() {
    let bench = Bench::new();
    let now = long_ago() + 3.0 * 86_400.0;
    let young = |hourly: f64| {
        let level = memory(hourly);
        Series::new("mem", &[("job", "shop"), ("pod", "young")], move |t| level(t).filter(|_| t > now - 240.0))
    };
    for (hourly, passes) in [(20.0, false), (0.0, true)] {
        let server = StandIn::new(vec![pod("a", 0.0), young(hourly)], right);
        let ended = fleet(&bench, &server.url, &["--memory", "mem"]);
        assert_eq!(ended.code == Some(0), passes, "{hourly}: {}", ended.story());
    }
}
