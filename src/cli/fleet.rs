//! `fleet`: every series of memory that a server of metrics has, judged by the rule that judges tables.

mod watch;

use super::analyze::together;
use super::budget::{self, RecordedBudget};
use super::output::{Answer, Inconclusive, colours, exit_code, folded};
use super::problem::{Done, Problem};
use super::recorded::{CountedOf, put_budgets, with_usual_budgets};
use crate::answer::ExitCode;
use crate::config::{self, Span};
use crate::fleet::{Group, Joined, PRESETS, Preset, Quantity, Query, Range, written};
use crate::http;
use crate::model::{Resource, RunRecord, format_bytes, format_seconds};
use crate::prometheus::{Asking, Gathered, Server};
use crate::report::{FleetReport, FleetSeries, place};
use crate::table::prometheus::Labels;
use crate::table::{Asked, RequestsOf, Table, memory_kind, memory_unit};
use crate::verdict;
use base64::Engine;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The longest file of a secret, in bytes.
const LONGEST: u64 = 64 << 10;
/// Readings of a series: fewer can't be judged, more would be thinned by far.
const LEAST: f64 = 10.0;
const MOST: f64 = 500_000.0;
/// Steps without a reading after which a life has ended: one may be missing because it was not scraped.
const GAP: f64 = 2.5;
/// Series that are named where many are alike.
const NAMED: usize = 3;

/// Arguments of `fleet`.
#[derive(Debug, clap::Args)]
#[command(after_help = SHORT_AFTER, after_long_help = AFTER)]
pub struct Arguments {
    /// Address of Prometheus, or of what speaks its API (Thanos, Mimir, VictoriaMetrics), with the path before /api/v1.
    url: String,
    /// Queries for what an exporter has; those that are given beside it take the place of its own.
    #[arg(long, value_parser = preset_parser())]
    preset: Option<Preset>,
    /// Query for memory, in bytes: each of its series is judged.
    #[arg(long, value_name = "QUERY")]
    memory: Option<String>,
    /// Query for swapped memory, in bytes, which is added to it.
    #[arg(long, value_name = "QUERY")]
    swap: Option<String>,
    /// Query for requests served so far, a counter: growth is per request then.
    #[arg(long, value_name = "QUERY")]
    requests: Option<String>,
    /// Whose requests these are, of series that are judged together: each one's own, or those of the whole pool.
    #[arg(long, value_enum, value_name = "WHOSE")]
    requests_of: Option<CountedOf>,
    /// Query for when the process began, in Unix time: another start is another life.
    #[arg(long, value_name = "QUERY")]
    start: Option<String>,
    /// Judge series that have the same value of this label together, as workers of one pool; several labels with commas between.
    #[arg(long, value_name = "LABEL", value_delimiter = ',', value_parser = label)]
    by: Vec<String>,
    /// How long ago to begin.
    #[arg(long, value_name = "TIME", default_value = "6h", allow_hyphen_values = true)]
    since: Span,
    /// Time between readings: no less than that between two scrapes.
    #[arg(long, value_name = "TIME", default_value = "30s", allow_hyphen_values = true)]
    step: Span,
    /// Growth that is allowed, as for `analyze`: `1 MiB/hour`, `64 B/request`, `24 MiB/day`, in all `10 MiB`, or parts of the first
    /// level, `5%`. By default 64 B per request if requests are asked for, else 1 MiB per hour.
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    budget: Vec<RecordedBudget>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "terminal")]
    format: Printed,
    /// Directory, which is made, into which the page and the lines of JSON are written beside.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// What an inconclusive series counts as: 11, or a pass or a leak.
    #[arg(long, value_enum, value_name = "AS")]
    inconclusive: Option<Inconclusive>,
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    watching: watch::Watching,
}

/// How the server is spoken to.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
struct Access {
    /// A field of the head of each request, such as 'X-Scope-OrgID: team'; may be given again.
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// File with a token that is sent as `Authorization: Bearer`.
    #[arg(long, value_name = "FILE", conflicts_with = "basic")]
    bearer_token_file: Option<PathBuf>,
    /// User, and the file with its password, for basic authentication.
    #[arg(long, value_name = "USER:FILE", value_parser = basic)]
    basic: Option<(String, PathBuf)>,
    /// How long each answer may take.
    #[arg(long, value_name = "TIME", default_value = "60s", allow_hyphen_values = true, value_parser = some_time)]
    timeout: Span,
}

const SHORT_AFTER: &str = "What it exits with, and examples: see --help.";

const AFTER: &str = "\
Exit codes:
   10  a series leaks
    1  none leaks, but some could not be judged, or the server says that something is missing; the others are judged all the same
   11  none leaks and all were judged, but one is inconclusive
    0  all are clean

Examples:
  seepage fleet http://127.0.0.1:9090 --preset process-exporter
  seepage fleet http://127.0.0.1:9090 --memory 'process_resident_memory_bytes{job=\"shop\"}' \\
      --start process_start_time_seconds --since 1d --step 1m --budget '24 MiB/day'
  seepage fleet http://127.0.0.1:9090 --preset cadvisor --by namespace,pod --to fleet --inconclusive pass
  seepage fleet http://127.0.0.1:9090 --preset cadvisor --since 2d --step 2m --watch 5m --state /var/lib/seepage";

/// How the answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Printed {
    /// A line for each series, the surest and fastest leak first.
    Terminal,
    /// One JSON object a line for each series, in the same order.
    Jsonl,
    /// One page whose table can be searched.
    Html,
}

fn preset_parser() -> impl TypedValueParser<Value = Preset> {
    let names = PRESETS.map(|preset| PossibleValue::new(preset.name).help(preset.about));
    PossibleValuesParser::new(names).map(|name| PRESETS.into_iter().find(|p| p.name == name).unwrap_or(PRESETS[0]))
}

fn label(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() { Err("expected labels, with commas between".into()) } else { Ok(name.to_owned()) }
}

fn some_time(text: &str) -> Result<Span, String> {
    let span: Span = text.parse()?;
    if span.0.is_zero() { Err("expected more than no time at all, such as `60s`".into()) } else { Ok(span) }
}

fn header(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once(':').map(|(name, value)| (name.trim(), value.trim()));
    let spelled = parts.filter(|(name, value)| http::is_token(name) && http::is_field_value(value));
    let (name, value) = spelled.ok_or("expected NAME: VALUE, in printable ASCII")?;
    if ["content-length", "content-type", "connection", "transfer-encoding"]
        .iter()
        .any(|own| own.eq_ignore_ascii_case(name))
    {
        return Err(format!("{name} is set by seepage itself"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn basic(text: &str) -> Result<(String, PathBuf), String> {
    let parts = text.split_once(':').filter(|(user, file)| !user.is_empty() && !file.is_empty());
    let (user, file) = parts.ok_or("expected USER:FILE, the file that has the password")?;
    Ok((user.to_owned(), PathBuf::from(file)))
}

impl Access {
    /// The fields of the head of each request. What is secret in them is hidden from now on.
    fn head(&self) -> Result<Vec<(String, String)>, Problem> {
        self.header.iter().for_each(|(name, value)| config::keep_header(name, value));
        let mut head = self.header.clone();
        if let Some(file) = &self.bearer_token_file {
            head.push(("Authorization".to_owned(), format!("Bearer {}", secret(file)?)));
        }
        if let Some((user, file)) = &self.basic {
            let both = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", secret(file)?));
            config::keep_secret(&both);
            head.push(("Authorization".to_owned(), format!("Basic {both}")));
        }
        Ok(head)
    }
}

/// The secret that a file has, without the line break at its end.
fn secret(file: &Path) -> Result<String, Problem> {
    let wrong = |what: String| Problem::new(ExitCode::Usage, format!("{}: {what}", file.display()));
    let bytes = config::read_input(file, LONGEST).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(bytes).ok().map(|text| text.trim_end_matches(['\n', '\r']).to_owned());
    let text = text.filter(|text| !text.is_empty() && http::is_field_value(text));
    let text = text.ok_or_else(|| wrong("expected a secret of printable ASCII in one line".into()))?;
    config::keep_secret(&text);
    Ok(text)
}

/// Fetches, judges and reports a fleet.
pub fn fleet(arguments: &Arguments) -> Done {
    let usage = |what: String| Problem::new(ExitCode::Usage, what);
    if !arguments.url.contains("://") && Path::new(&arguments.url).exists() {
        let what =
            format!("{0} is a file, and no address of a server: `seepage analyze {0}` judges files", arguments.url);
        return Err(usage(what));
    }
    budget::recorded_basis(&arguments.budget).map_err(|error| usage(error.to_owned()))?;
    if arguments.budget.iter().any(|budget| budget.resource() != Resource::Memory) {
        return Err(usage("--budget is for memory here: nothing else is asked for".into()));
    }
    if let Some(every) = arguments.watching.every() {
        return watch::watch(arguments, every);
    }
    let range = range(arguments, 0.0).map_err(usage)?;
    let head = arguments.access.head()?;
    let server = Server::new(&arguments.url, head, arguments.access.timeout.0).map_err(usage)?;
    let mut asking = asking(arguments, &server, range).map_err(usage)?;
    let mut joined = asking.list().map_err(|what| Problem::new(ExitCode::Failure, what))?;
    joined.left_out.keys().for_each(|quantity| asking.leave_out(*quantity));
    let done = asking.each(&mut joined, |gathered| judged(arguments, gathered))?;

    let labels = |place: usize| joined.groups.get(place).map_or_else(Labels::new, |group| shown(&group.labels));
    let (mut codes, mut brief) = (Vec::new(), Vec::new());
    let mut series = Vec::new();
    for (one, code) in done.judged {
        if one.is_brief() {
            brief.push(code)
        } else {
            codes.push(code)
        }
        series.push(one);
    }
    let failed = done.failed.into_iter().map(|(place, why)| (labels(place), why));
    let lost = done.lost.into_iter().map(|(labels, why)| (shown(&labels), why));
    for (labels, why) in failed.chain(lost) {
        series.push(FleetSeries::failed(&labels, &config::without_secrets(&why)));
        codes.push(ExitCode::Failure);
    }
    let warnings: Vec<String> = server.warnings().iter().map(|warning| config::without_secrets(warning)).collect();
    let is_empty = series.is_empty();
    // Lives that are too short for anything to be said keep no others from a pass, and aren't one by themselves.
    if codes.is_empty() {
        codes = brief;
    }
    // What may be missing may leak, and nothing is no proof.
    if !warnings.is_empty() || is_empty {
        codes.push(ExitCode::Failure);
    }
    let report =
        FleetReport::new(config::without_secrets(server.name()), told(&asking, &joined, done.ended), warnings, series);
    let mut answer = Answer::new(together(&codes));
    answer.print(
        match arguments.format {
            Printed::Terminal => folded(report.terminal(colours())),
            Printed::Jsonl => report.jsonl(),
            Printed::Html => report.html(),
        }
        .as_bytes(),
    );
    if is_empty {
        answer.lacks(&asking.nothing());
    }
    if let Some(directory) = &arguments.to {
        let written = super::output::place(directory, Some(directory)).map_err(|error| error.to_string());
        let written = written.and_then(|directory| report.write(&directory).map_err(|error| error.to_string()));
        match written.as_deref() {
            Ok([page, ..]) if arguments.format == Printed::Terminal => answer.print(place(page).as_bytes()),
            Ok(_) => {}
            Err(error) => answer.lacks(error),
        }
    }
    Ok(answer.code())
}

/// When readings are asked for: so many seconds more than `--since`.
fn range(arguments: &Arguments, more: f64) -> Result<Range, String> {
    let (since, step) = (arguments.since.0.as_secs_f64(), arguments.step.0.as_secs_f64().max(1e-3));
    let readings = since / step;
    if readings < LEAST {
        return Err(format!("--since has less than {LEAST} times --step in it: too few readings to judge"));
    }
    if readings > MOST {
        return Err(format!("--since has more than {MOST} times --step in it: choose a longer --step"));
    }
    Ok(Range::before(now(), since + more, step))
}

/// Unix time in seconds.
fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64())
}

/// What the server is asked for.
fn asking<'a>(arguments: &Arguments, server: &'a Server, range: Range) -> Result<Asking<'a>, String> {
    let preset = arguments.preset;
    let given = [
        (Quantity::Memory, &arguments.memory, preset.map(|preset| preset.memory)),
        (Quantity::Swap, &arguments.swap, preset.and_then(|preset| preset.swap)),
        (Quantity::Requests, &arguments.requests, None),
        (Quantity::Start, &arguments.start, preset.and_then(|preset| preset.start)),
    ];
    let (mut queries, mut optional) = (BTreeMap::new(), Vec::new());
    for (quantity, own, of_preset) in given {
        let Some(text) = own.as_deref().or(of_preset) else { continue };
        if text.trim().is_empty() {
            return Err(format!("{} is empty: expected a query", quantity.option()));
        }
        if own.is_none() && quantity != Quantity::Memory {
            optional.push(quantity);
        }
        queries.insert(quantity, Query::new(text));
    }
    if !queries.contains_key(&Quantity::Memory) {
        let names = PRESETS.map(|preset| preset.name).join(", ");
        return Err(format!("say what memory is: --memory QUERY, or --preset with one of {names}"));
    }
    if let Some((quantity, why)) = queries.iter().find_map(|(quantity, query)| Some((quantity, query.is_still()?))) {
        return Err(format!("{} '{}' {why}", quantity.option(), queries[quantity].text()));
    }
    if let Some((one, other)) = same(&queries) {
        return Err(format!(
            "{} and {} ask for the same: expected another query for each",
            one.option(),
            other.option()
        ));
    }
    if let Some(text) = arguments.memory.as_deref().filter(|text| is_list(text)) {
        return Err(format!(
            "--memory '{text}' has several metrics: expected one query; judge one after the other, each by its own command"
        ));
    }
    let rates = ["rate(", "irate(", "increase(", "delta(", "idelta(", "deriv("];
    let memory = arguments.memory.as_deref().unwrap_or_default().trim_start();
    if rates.iter().any(|rate| memory.starts_with(rate)) {
        return Err(format!("--memory '{memory}' is a rate: give memory itself, in bytes"));
    }
    if let Some(text) = arguments.requests.as_deref().filter(|text| rates.iter().any(|rate| text.contains(rate))) {
        return Err(format!("--requests '{text}' is a rate: give the counter itself, the requests served so far"));
    }
    let text = |quantity: Quantity| queries.get(&quantity).map(|query| query.text().to_owned());
    let unit = |quantity: Quantity| queries.get(&quantity).and_then(Query::metric).and_then(memory_unit);
    let unsaid =
        |quantity: Quantity| unit(quantity).is_none() && queries.get(&quantity).is_some_and(|q| !q.says_unit());
    let kind = match (&arguments.memory, preset) {
        (None, Some(preset)) => preset.kind,
        _ => memory_kind(queries.get(&Quantity::Memory).and_then(Query::metric).unwrap_or_default()),
    };
    let asked = Asked {
        memory: text(Quantity::Memory).unwrap_or_default(),
        kind,
        memory_unit: unit(Quantity::Memory),
        unit_unsaid: arguments.memory.is_some() && unsaid(Quantity::Memory),
        swap: text(Quantity::Swap),
        swap_unit: unit(Quantity::Swap),
        swap_unit_unsaid: arguments.swap.is_some() && unsaid(Quantity::Swap),
        requests: text(Quantity::Requests),
        requests_of: arguments.requests_of.map(RequestsOf::from),
        start: text(Quantity::Start),
    };
    Ok(Asking {
        server,
        queries,
        asked,
        optional,
        by: arguments.by.clone(),
        range,
        gap: GAP * range.step,
        recent: None,
    })
}

/// Whether a text is names of metrics with commas between, as `analyze` takes those of columns.
fn is_list(text: &str) -> bool {
    let name = |text: &str| Query::new(text).metric().is_some();
    text.contains(',') && text.split(',').all(name)
}

/// Two quantities that the same query is for.
fn same(queries: &BTreeMap<Quantity, Query>) -> Option<(Quantity, Quantity)> {
    let mut seen: BTreeMap<&str, Quantity> = BTreeMap::new();
    queries.iter().find_map(|(quantity, query)| Some((seen.insert(query.text(), *quantity)?, *quantity)))
}

/// What was made of a group, and what it alone would exit with.
fn judged(arguments: &Arguments, gathered: &Gathered<'_>) -> Result<(FleetSeries, ExitCode), String> {
    let record = budgeted(arguments, gathered.table()?)?;
    let verdict = verdict::judge(&record);
    let code = exit_code(&record, &verdict, arguments.inconclusive);
    let seconds = arguments.since.0.as_secs_f64();
    Ok((FleetSeries::judged(&shown(&gathered.group.labels), &record, &verdict, seconds), code))
}

/// Readings with what is allowed of them: what is allowed in all is in the time that is asked for, also where a series lived in a part of it.
///
/// # Errors
/// If a budget can't be said of them.
fn budgeted(arguments: &Arguments, table: Table) -> Result<RunRecord, String> {
    let mut record = with_usual_budgets(table);
    // What has just begun has no level to allow a part of, and too few readings to be judged by any budget.
    if !record.samples.is_empty() {
        put_budgets(&arguments.budget, &mut record, Some(arguments.since.0.as_secs_f64()))?;
    }
    Ok(record)
}

/// Labels as they may be shown.
fn shown(labels: &Labels) -> Labels {
    labels.iter().map(|(label, value)| (label.clone(), config::without_secrets(value))).collect()
}

/// What was asked for, as it is told.
fn told(asking: &Asking<'_>, joined: &Joined, ended: usize) -> Vec<[String; 3]> {
    let mut rows = Vec::new();
    let (name, Range { points, step, .. }) = (asking.asked.kind.full(), asking.range);
    let memory = match asking.asked.memory_unit {
        Some(unit) => format!("{name}, in units of {} by its name", format_bytes(unit as f64)),
        None => format!("{name}, in bytes"),
    };
    for (quantity, query) in &asking.queries {
        let how = match quantity {
            Quantity::Memory => memory.clone(),
            Quantity::Swap => "added to it".into(),
            Quantity::Requests => "a running count".into(),
            Quantity::Start => "another one is another life".into(),
        };
        rows.push([quantity.option().trim_start_matches('-').to_owned(), config::without_secrets(query.text()), how]);
    }
    let without = |group: &&Group| group.members.iter().all(|member| member.of(Quantity::Requests).is_none());
    let groups = joined.groups.iter().filter(without).filter(|_| asking.queries.contains_key(&Quantity::Requests));
    let names: Vec<String> = groups.map(|group| written(&shown(&group.labels))).collect();
    if !names.is_empty() {
        let few = names[..names.len().min(NAMED)].join(", ");
        let more = if names.len() > NAMED { " and so on" } else { "" };
        let how = format!("without requests, and judged by the hour: {few}{more}");
        rows.push(["by time".into(), format!("{} of {} series", names.len(), joined.groups.len()), how]);
    }
    for (quantity, why) in &joined.left_out {
        let why = format!("left out: {}", config::without_secrets(why));
        rows.push([quantity.option().trim_start_matches('-').to_owned(), String::new(), why]);
    }
    let span = format_seconds(points.saturating_sub(1) as f64 * step);
    rows.push(["time".into(), format!("the last {span}"), format!("a reading every {}", format_seconds(step))]);
    if ended > 0 {
        let how = "listed, and left out: their last reading was before, or they are 0 all the time";
        rows.push(["ended".into(), format!("{ended} series"), how.into()]);
    }
    rows
}
