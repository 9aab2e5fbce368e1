//! `attach`: a target that runs already.

use super::accept::Accept;
use super::budget::{self, ResourceBudget};
use super::deadline::Deadline;
use super::output::{Output, conclude, say};
use super::problem::{Done, Problem};
use super::watch::{Watcher, look_at};
use super::workers::WorkersArgument;
use crate::answer::ExitCode;
use crate::config::{LogConfig, PageConfig, RequestsConfig, Span, wrong_with_requests};
use crate::engine::{AttachRequest, Attachment};
use crate::model::{Bytes, Per, RunRecord, Share};
use crate::report;
use crate::report::live::Mode;
use crate::supervise::Wanted;
use crate::verdict::Looks;
use std::cell::Cell;
use std::path::PathBuf;

/// Arguments of `attach`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetArguments,
    /// How long to watch, such as `10m` or `90s`; without it, until leak or clean is proven. Ctrl-C ends it early, with a
    /// report on what was seen.
    #[arg(long = "for", value_name = "TIME")]
    duration: Option<Span>,
    /// Which processes of the target are judged. By default those that are found to do its work, which is told; of `--match`, all
    /// that match.
    #[arg(long, value_enum, default_value = "auto")]
    workers: WorkersArgument,
    /// Count requests in this access log; only lines that are added from now on.
    #[arg(long, value_name = "FILE", requires = "log_pattern", group = "counter")]
    log: Option<PathBuf>,
    /// A regular expression for a line of the log, with a group `pid` and perhaps a group `class`:
    /// `^(?<pid>\d+) (?<class>\S+)`.
    #[arg(long, value_name = "REGEX", requires = "log")]
    log_pattern: Option<String>,
    /// Count requests on Apache's mod_status page (HTML); asking for it is a request, several times a second.
    #[arg(long, value_name = "URL", group = "counter")]
    mod_status: Option<String>,
    /// Count requests on PHP-FPM's full status page, with `?full&json`; asking for it is a request, several times a second.
    #[arg(long, value_name = "URL", group = "counter")]
    php_fpm: Option<String>,
    /// Count requests on any page with a count for each worker: its URL, and a regular expression with the groups `pid` and `count`,
    /// which is matched as often as it occurs; asking for it is a request, several times a second.
    #[arg(long, num_args = 2, value_names = ["URL", "REGEX"], group = "counter")]
    requests_page: Vec<String>,
    /// Growth that is allowed: `64 B/request` if requests are counted, or `1 MiB/hour`. May be given again for other
    /// resources: `descriptors=60/hour`, `threads=60/hour`, `tmpfs=1 MiB/hour`, `kernel=1 MiB/hour` (kernel only if given, tmpfs also where the target is a whole control group). By default 64 B, 0.01 descriptors and 0.01
    /// threads per request, or 1 MiB, 60 descriptors and 60 threads per hour.
    #[arg(long, value_name = "[RESOURCE=]AMOUNT")]
    budget: Vec<ResourceBudget>,
    /// Size that no worker should outgrow, such as `256 MiB`: what the advice on recycling a leaking worker is made for.
    #[arg(long, value_name = "SIZE")]
    max_worker_size: Option<Bytes>,
    /// How long a process warms up after its start, such as `10m` or `0s`: what is read of a younger one isn't judged. By
    /// default, growth of a process that is young beside the watch is no leak before it has outlasted its start by far.
    #[arg(long, value_name = "TIME")]
    warm_up: Option<Span>,
    /// Find out which code touches fresh memory first: page faults are sampled with their stacks. Nothing is put into the target; it takes
    /// root, or CAP_PERFMON, or what `seepage doctor` says.
    #[arg(long)]
    sites: bool,
    /// The largest share of one core that watching may take; `--sites` may take half as much again.
    #[arg(long, value_name = "SHARE", default_value = "2%")]
    overhead: Share,
    /// Directory in which the run's own directory is made.
    #[arg(long, default_value = "reports", value_name = "DIR")]
    reports: PathBuf,
    /// What `seepage baseline --until` wrote of an earlier watch: exit with 0 if it leaks no worse than that until then, and with 12
    /// if it leaks worse. Needs a count of requests.
    #[arg(long, value_name = "FILE")]
    accept: Option<PathBuf>,
    /// Don't show progress.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    deadline: Deadline,
    #[command(flatten)]
    output: Output,
}

const EXAMPLES: &str = "\
Nothing but files is read: the target is never signalled, traced, stopped or slowed down. With --sites, the kernel copies a part of \
the stack of every so-many-th page fault beside that, for as much of a core as it may take. As an ordinary user one can \
watch one's own processes; what permission denies is missing in the report, which says so.

Without a counter of requests, growth is per hour, and holds for the load of these minutes only.

Examples:
    seepage attach --pid 4711 --for 30m
    seepage attach --pid 4711 --for 30m --sites
    seepage attach --pid \"$(cat /run/apache2.pid)\" --mod-status http://127.0.0.1/server-status
    seepage attach --unit php8.2-fpm --php-fpm 'http://127.0.0.1/status?full&json'
    seepage attach --container 3f9a1c --log /var/log/shop/access.log --log-pattern '^(?<pid>\\d+) '
    seepage attach --match 'celery.*worker' --budget '4 MiB/hour'
    seepage attach --cgroup system.slice/myapp.service --for 2h";

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct TargetArguments {
    /// The process with this PID; may be given again for others, each with its workers.
    #[arg(long, value_name = "PID")]
    pid: Vec<u32>,
    /// All processes whose command line matches this regular expression, those that start later too, but no seepage. With `--workers
    /// children` or `descendants`, the one process whose workers are meant.
    #[arg(long = "match", value_name = "REGEX")]
    pattern: Option<String>,
    /// The processes of this unit of systemd: `nginx`, `shop@3.service`, `user-1000.slice`.
    #[arg(long, value_name = "NAME")]
    unit: Option<String>,
    /// The processes of the container of Docker, podman, containerd or CRI-O whose ID begins like this. A name is looked up where
    /// this user may read what Docker or podman keeps.
    #[arg(long, value_name = "ID")]
    container: Option<String>,
    /// All processes of this control group and of those below it: its directory, or its path as /proc/PID/cgroup has it.
    #[arg(long, value_name = "PATH")]
    cgroup: Option<PathBuf>,
}

impl TargetArguments {
    fn wanted(&self) -> Result<Wanted, Problem> {
        let is_again = |(at, pid): (usize, &u32)| self.pid[..at].contains(pid).then_some(*pid);
        if let Some(pid) = self.pid.iter().enumerate().find_map(is_again) {
            return Err(Problem::new(ExitCode::Usage, format!("`--pid {pid}` is given twice")));
        }
        let group = self.cgroup.clone().map(Wanted::Group);
        let group = group.or(self.unit.clone().map(Wanted::Unit)).or(self.container.clone().map(Wanted::Container));
        let wanted = group.or(self.pattern.clone().map(Wanted::Match));
        let pids = (!self.pid.is_empty()).then(|| Wanted::Pids(self.pid.clone()));
        let usage = || Problem::new(ExitCode::Usage, "give one of --pid, --match, --unit, --container and --cgroup");
        wanted.or(pids).ok_or_else(usage)
    }
}

/// What all budgets are for; without any, requests if they are counted, else time.
fn basis(budgets: &[ResourceBudget], counted: bool) -> Result<Per, &'static str> {
    match budget::basis(budgets)? {
        None => Ok(if counted { Per::Request } else { Per::Hour }),
        Some(Per::Request) if !counted => Err(
            "a budget per request needs a count of requests: add --log, --mod-status, --php-fpm or --requests-page, or give one per hour",
        ),
        Some(per) => Ok(per),
    }
}

/// The option that says what this key of a harness file does.
fn option(key: &str) -> &'static str {
    match key {
        "requests.log.path" => "--log",
        "requests.log.pattern" => "--log-pattern",
        "requests.mod-status" => "--mod-status",
        "requests.php-fpm" => "--php-fpm",
        _ => "--requests-page",
    }
}

/// Watches a running target and judges what was seen.
pub fn attach(arguments: &Arguments) -> Done {
    let metrics = arguments.output.metrics()?;
    let interrupt = arguments.deadline.listen()?;
    let log = arguments.log.as_ref().zip(arguments.log_pattern.as_ref());
    let page = match &arguments.requests_page[..] {
        [url, pattern] => Some(PageConfig { url: url.clone(), pattern: pattern.clone() }),
        _ => None,
    };
    let requests = RequestsConfig {
        log: log.map(|(path, pattern)| LogConfig { path: path.display().to_string(), pattern: pattern.clone() }),
        php_fpm: arguments.php_fpm.clone(),
        mod_status: arguments.mod_status.clone(),
        page,
    };
    let usage = |error: &str| Problem::new(ExitCode::Usage, error);
    if let Some((key, what)) = wrong_with_requests(&requests).first() {
        return Err(usage(&format!("{}: {what}", option(key))));
    }
    if arguments.duration.is_some_and(|d| d.0.is_zero()) {
        return Err(usage("--for needs some time"));
    }
    if arguments.overhead.0 <= 0.0 {
        return Err(usage("--overhead: no reading costs nothing"));
    }
    let per = basis(&arguments.budget, requests != RequestsConfig::default()).map_err(usage)?;
    let accept = arguments.accept.as_deref().map(Accept::read).transpose()?;
    if accept.is_some() && per == Per::Hour {
        return Err(usage(
            "--accept: growth per hour can't be held against a file, because the load of those hours was its own: have requests counted \
             (--log, --mod-status, --php-fpm, --requests-page)",
        ));
    }
    let budgets: Vec<_> = arguments.budget.iter().map(|b| (b.resource, b.budget.amount)).collect();
    let request = AttachRequest {
        wanted: &arguments.target.wanted()?,
        workers: &arguments.workers.into(),
        duration: arguments.duration.map(|d| d.0),
        requests: &requests,
        per,
        budgets: &budgets,
        max_worker_size: arguments.max_worker_size.map(|size| size.0),
        warm_up: arguments.warm_up.map(|age| age.0),
        sites: arguments.sites,
        overhead: arguments.overhead,
        reports: &arguments.reports,
        interrupt: interrupt.clone(),
    };
    let attachment = Attachment::prepare(&request).map_err(|error| Problem::while_listening(&interrupt, error))?;
    accept.as_ref().map_or(Ok(()), |accept| accept.check(&attachment.name()))?;
    if !arguments.quiet {
        for note in attachment.notes() {
            say(&format!("note: {}", report::plain(note)));
        }
    }
    let mut watcher = Watcher::new(if arguments.quiet { Mode::Quiet } else { Mode::detect() });
    let mut looks = Looks::open_ended();
    // With --for, it isn't looked before the end.
    let to_come = |looks: &Looks| if arguments.duration.is_none() { looks.ahead() } else { None };
    let ahead = Cell::new(to_come(&looks));
    let mut look = |record: &RunRecord, seconds: f64| {
        let looked = look_at(&mut looks, record, seconds);
        ahead.set(to_come(&looks));
        looked
    };
    let mut finished = attachment.watch(&mut |progress| watcher.look(progress, ahead.get()), &mut look)?;
    // What was drawn over gives way to the verdict.
    drop(watcher);
    if let Some(accept) = &accept {
        accept.hold_run(&mut finished);
    }
    Ok(conclude(&finished, &arguments.output, metrics.as_ref(), &interrupt)?.code())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_agree_on_what_they_are_for() {
        let hour: ResourceBudget = "1 MiB/hour".parse().unwrap();
        let request: ResourceBudget = "64 B/request".parse().unwrap();
        assert_eq!(basis(&[], true), Ok(Per::Request));
        assert_eq!(basis(&[], false), Ok(Per::Hour));
        assert_eq!(basis(&[hour], true), Ok(Per::Hour));
        assert!(basis(&[request], false).unwrap_err().contains("--log"));
        assert!(basis(&[request, hour], true).is_err());
    }
}
