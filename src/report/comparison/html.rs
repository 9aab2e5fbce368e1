//! A comparison as one HTML file, without scripts, in light and dark, and on paper.

use super::Report;
use super::table::{is_tested, notes, pair_rows, rows};
use crate::compare::Measure;
use crate::model::Resource;
use crate::report::chart::{self, Chart, ChartError, CurvesChart, ForestChart};
use crate::report::html::{NO_SCRIPTS, dark_charts, finished, head, said, tone};
use crate::report::text::{Mood, capital, plain};
use crate::words::comparison::{answer_state, headline, name};
use crate::words::glued;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Renders the page; fails only if a chart can't be drawn.
pub fn render(report: &Report<'_>) -> Result<String, ChartError> {
    let comparison = report.comparison;
    let figure = |chart: &dyn Chart| -> Result<Markup, ChartError> {
        let svg = chart::svg(chart)?;
        Ok(html! { figure { (PreEscaped(svg)) } })
    };
    let curves = figure(&CurvesChart::new(report.name, comparison, report.pairs))?;
    let forest = ForestChart::new(comparison);
    let differences = if forest.is_empty() { None } else { Some(figure(&forest)?) };
    let first = headline(report.name, comparison);
    let notes = notes(report);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            (head(NO_SCRIPTS, first.word, report.name, &dark_charts()))
            body {
                header { span.brand { "seepage" } span { (plain(report.name)) } span { (plain(report.started)) } }
                main {
                    section.verdict.(tone(Mood::of_answer(comparison.answer))) {
                        (said(&first))
                        (measures(report))
                        @if !notes.is_empty() { ul.notes { @for note in &notes { li { (plain(note)) "." } } } }
                    }
                    section { h2 { "Memory of both, over one another" } (curves) }
                    @if let Some(differences) = differences { section { h2 { "What differs" } (differences) } }
                    (pair_by_pair(report))
                    (understanding(report))
                }
                footer {
                    "seepage " (env!("CARGO_PKG_VERSION")) " · " (plain(report.id))
                    @if let Some(seed) = report.seed { " · order by seed " (seed) }
                }
            }
        }
    };
    Ok(finished(page))
}

fn measures(report: &Report<'_>) -> Markup {
    let sides = &report.comparison.sides;
    let (a, b) = (plain(&sides.a.name), plain(&sides.b.name));
    let tested = is_tested(report);
    html! {
        div.scroll {
            table.gates {
                thead {
                    tr {
                        th { "Measure" } th { "" } th.number { "Difference" } th { "99 % interval" } th.number { "Allowed" }
                        th.number { (a) } th.number { (b) }
                        @if tested { th.number { "p" } }
                    }
                }
                tbody {
                    @for row in rows(report) {
                        tr {
                            th scope="row" { (plain(&capital(&row.words.name))) }
                            td {
                                span.state.(tone(Mood::of_answer(row.difference.answer))) { (answer_state(row.difference.answer)) }
                            }
                            td.number { (row.words.difference) }
                            td data-head=(glued("99 % interval")) { (row.words.interval) }
                            td.number data-head="allowed" { (row.words.allowed) }
                            td.number data-head=(a) { (row.words.a) }
                            td.number data-head=(b) { (row.words.b) }
                            @if tested { td.number data-head="p" { (row.p) } }
                        }
                    }
                }
            }
        }
    }
}

fn pair_by_pair(report: &Report<'_>) -> Markup {
    let comparison = report.comparison;
    let memory = Measure::Growth(Resource::Memory);
    let shown = comparison.differences.iter().filter(|d| d.a.is_some() && d.b.is_some());
    html! {
        section {
            h2 { "Pair by pair" }
            @for difference in shown {
                details open[difference.measure == memory && difference.service.is_none()] {
                    summary { (plain(&capital(&name(difference)))) }
                    div.scroll {
                        table {
                            thead {
                                tr {
                                    th { "Pair" } th { "First" } th.number { (plain(&comparison.sides.a.name)) }
                                    th.number { (plain(&comparison.sides.b.name)) } th.number { "Difference" }
                                }
                            }
                            tbody {
                                @for [pair, first, a, b, words] in pair_rows(report, difference) {
                                    tr {
                                        th scope="row" { (pair) } td { (first) } td.number { (a) } td.number { (b) }
                                        td.number { (words) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
            details {
                summary { "Each run's own verdict" }
                table.facts {
                    tbody {
                        @for pair in report.pairs {
                            @for run in [&pair.a, &pair.b] {
                                tr { th scope="row" { (plain(&run.id)) } td { (plain(&run.sentence)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn understanding(report: &Report<'_>) -> Markup {
    let sides = &report.comparison.sides;
    html! {
        section {
            h2 { "Understanding this report" }
            dl.understanding {
                dt { "The sides" }
                dd {
                    "The baseline is the target " (plain(&sides.a.phrase)) ", the candidate the target " (plain(&sides.b.phrase))
                    ". A difference is the candidate less the baseline: above zero is worse."
                }
                @if report.seed.is_some() {
                    dt { "Pairs" }
                    dd {
                        "Two runs with fresh processes and the same requests, one right after the other; a coin decides which \
                         comes first. What drifts on the host hits both alike, and by chance."
                    }
                }
                @if is_tested(report) {
                    dt { "p" }
                    dd {
                        "How often a coin alone would give differences that point as far one way: exact, over all ways in which \
                         the signs could have fallen. For worse and better it has to be at most 0.01; fewer than 8 pairs can't \
                         reach that, whatever they find, and then all of them have to point the same way."
                    }
                }
                dt { "99 % interval" }
                dd {
                    "Where the difference lies: all intervals of this report hold together in 99 of 100 comparisons. Of what is the \
                     same on both sides, only the farther end is told."
                }
                dt { "WORSE, better" }
                dd { "The interval excludes zero, and the difference is beyond what is allowed." }
                dt { "same" }
                dd { "The whole interval lies within what is allowed: proof, and not just a lack of evidence." }
                dt { "open" }
                dd { "None of these. Growth has to be decided; of the other measures only what is proven counts." }
            }
        }
    }
}
