//! What of a target that isn't ready shows that it won't be: it listens elsewhere than it is asked, or doesn't answer by HTTP.

use super::tree;
use crate::config::{ReadyConfig, without_secrets};
use crate::probe::{listening_addresses, listening_names, parse_stat};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};
use url::Url;

/// How long nothing changes before it is told: a server may open another port first, and the one that is asked later.
const LASTS: Duration = Duration::from_secs(5);

/// How often the target is looked at.
const EVERY: Duration = Duration::from_millis(500);

/// The part of a core of which a target that still starts uses more.
const AT_REST: f64 = 0.1;

/// Addresses that are named.
const NAMED: usize = 4;

/// A look that was in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Vain {
    /// Nobody accepts connections there; why, in a sentence.
    Refused(String),
    /// What accepts them doesn't answer by HTTP; what it does, in a sentence.
    NotHttp(String),
    /// Something that may change.
    Other(String),
}

impl Vain {
    pub(super) fn told(self) -> String {
        match self {
            Vain::Refused(told) | Vain::NotHttp(told) | Vain::Other(told) => told,
        }
    }
}

/// What a target does that isn't ready.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stand {
    vain: Vain,
    at: BTreeSet<SocketAddr>,
    pids: Vec<u32>,
}

/// Watches a target for as long as it isn't ready.
pub(super) struct Misplaced {
    /// The process below which the target is, if there is one.
    below: Option<u32>,
    stand: Option<Stand>,
    /// Since when it stands so, and the ticks of CPU time that it had used then.
    since: (Instant, u64),
    next: Instant,
}

impl Misplaced {
    pub(super) fn new(below: Option<u32>) -> Self {
        let now = Instant::now();
        Misplaced { below, stand: None, since: (now, 0), next: now }
    }

    /// Takes in a look that was in vain.
    pub(super) fn see(&mut self, vain: &Vain) {
        let now = Instant::now();
        let Some(below) = self.below.filter(|_| now >= self.next) else { return };
        self.next = now + EVERY;
        let pids = tree::descendants(below);
        let at = if matches!(vain, Vain::Refused(_)) { listening_addresses(&pids) } else { BTreeSet::new() };
        let used = pids.iter().filter_map(|pid| ticks(*pid)).sum();
        let stand = Stand { vain: vain.clone(), at, pids };
        let (since, before) = self.since;
        let may_use = since.elapsed().as_secs_f64() * AT_REST * procfs::ticks_per_second() as f64;
        if self.stand.as_ref() != Some(&stand) || used > before + may_use.ceil() as u64 {
            self.since = (now, used);
        }
        self.stand = Some(stand);
    }

    /// Whether nothing has changed for a while.
    pub(super) fn lasts(&self) -> bool {
        self.since.0.elapsed() >= LASTS
    }

    /// What is wrong with where the target is asked, and what to write; `None` if nothing is known to be.
    pub(super) fn told(&self, asked: &ReadyConfig) -> Option<String> {
        let url = asked.http.as_deref();
        let place = url.map(without_secrets).or_else(|| asked.tcp.clone())?;
        match self.stand.as_ref()? {
            Stand { vain: Vain::Refused(_), at, .. } if !at.is_empty() => Some(elsewhere(&place, url, at)),
            Stand { vain: Vain::NotHttp(how), .. } => Some(format!(
                "what answers at {place} doesn't answer by HTTP: {how}\nIf it speaks another protocol, leave `--url` out, in a \
                 harness file [workload] and `http` of `ready`: the target is watched then, with budgets by the hour (\"1 MiB/hour\"). \
                 A load for it is a `command` in [workload]"
            )),
            _ => None,
        }
    }

    /// What the last look showed, where a target has not been ready for long enough, and at what it listens instead.
    pub(super) fn in_vain(&self, vain: Vain) -> String {
        let pids = self.stand.as_ref().filter(|_| matches!(vain, Vain::Refused(_))).map(|stand| &stand.pids[..]);
        let names: Vec<String> = listening_names(pids.unwrap_or_default()).into_iter().take(NAMED).collect();
        match vain.told() {
            told if names.is_empty() => told,
            told => format!(
                "{told}\nThe target listens at no port, only at the UNIX socket {}: have it listen at a port, `${{port}}` in its command \
                 is a free port; or leave `--url` and `http` of `ready` out and drive it by a `command` in [workload]",
                names.join(", ")
            ),
        }
    }
}

/// That the target listens at other addresses than it is asked.
fn elsewhere(place: &str, url: Option<&str>, at: &BTreeSet<SocketAddr>) -> String {
    let named: Vec<String> = at.iter().take(NAMED).map(ToString::to_string).collect();
    let more = at.len().checked_sub(NAMED + 1).map_or(String::new(), |more| format!(" and {} more", more + 1));
    let there =
        at.first().and_then(|first| moved(url?, *first)).map_or("`--url`".into(), |url| format!("`--url {url}`"));
    format!(
        "nobody answers at {place}, and the target listens at {}{more}\nAsk there: {there}, in a harness file `ready` and \
         `base-url`; or have it listen where it is asked: `${{port}}` in its command is a free port. One that listens there only \
         later is waited for if `ready` says how long: `timeout = \"1m\"`",
        named.join(", ")
    )
}

/// The URL with another address in it, at which a process of this host can be reached.
fn moved(url: &str, to: SocketAddr) -> Option<String> {
    let mut moved = Url::parse(url).ok()?;
    let host = match to.ip() {
        IpAddr::V4(any) if any.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(any) if any.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        host => host,
    };
    moved.set_ip_host(host).ok()?;
    moved.set_port(Some(to.port())).ok()?;
    Some(without_secrets(moved.as_str()))
}

/// Ticks of CPU time that a process has used; `None` if it has ended.
pub fn ticks(pid: u32) -> Option<u64> {
    let stat = parse_stat(&std::fs::read(format!("/proc/{pid}/stat")).ok()?)?;
    Some(stat.user + stat.system)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn asked(url: &str) -> ReadyConfig {
        ReadyConfig { http: Some(url.into()), ..ReadyConfig::default() }
    }

    fn told(vain: Vain, at: &[&str], asked: &ReadyConfig) -> Option<String> {
        let at = at.iter().map(|address| address.parse().unwrap()).collect();
        let stand = Some(Stand { vain, at, pids: Vec::new() });
        Misplaced { stand, ..Misplaced::new(None) }.told(asked)
    }

    #[test]
    fn where_the_target_listens_is_told_with_what_to_write() {
        let refused = || Vain::Refused("refused".into());
        let url = asked("http://127.0.0.1:8081/a?token=s3cret-abcdefgh");
        let tcp = ReadyConfig { tcp: Some("127.0.0.1:8081".into()), ..ReadyConfig::default() };
        let several = ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.1:4", "[::]:5", "[::]:6"];
        let not_http = Vain::NotHttp("malformed head of the answer; it begins with \"-ERR\"".into());
        let told = [
            told(refused(), &["0.0.0.0:8080"], &url).unwrap(),
            told(refused(), &["[::]:8080"], &url).unwrap(),
            told(refused(), &several, &tcp).unwrap(),
            told(not_http, &[], &url).unwrap(),
        ];
        assert!(!told.concat().contains("s3cret"), "{told:?}");
        insta::assert_snapshot!(told.join("\n\n"));
    }

    #[test]
    fn a_target_that_listens_at_a_socket_of_the_host_only_is_told_in_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&name).unwrap();
        let refused = || Vain::Refused("refused".into());
        let stand = Some(Stand { vain: refused(), at: BTreeSet::new(), pids: vec![std::process::id()] });
        let misplaced = Misplaced { stand, ..Misplaced::new(None) };
        let told = misplaced.in_vain(refused());
        assert!(told.starts_with("refused\nThe target listens at no port, only at "), "{told}");
        assert_eq!(misplaced.in_vain(Vain::Other("503".into())), "503", "it listens where it is asked");
        assert_eq!(Misplaced::new(None).in_vain(refused()), "refused");
    }

    #[test]
    fn what_may_change_is_not_told() {
        assert_eq!(told(Vain::Refused("refused".into()), &[], &asked("http://127.0.0.1:1/")), None);
        assert_eq!(told(Vain::Other("503".into()), &["127.0.0.1:2"], &asked("http://127.0.0.1:1/")), None);
    }

    #[test]
    fn a_stand_lasts_from_the_last_change_on() {
        let mut misplaced = Misplaced::new(Some(std::process::id()));
        let refused = Vain::Refused("refused".into());
        misplaced.see(&refused);
        let first = misplaced.since.0;
        misplaced.next = Instant::now();
        misplaced.see(&Vain::NotHttp("ssh".into()));
        assert!(misplaced.since.0 > first && !misplaced.lasts());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let all = listening_addresses(&[std::process::id()]);
        assert!(all.contains(&listener.local_addr().unwrap()), "{all:?}");
    }
}
