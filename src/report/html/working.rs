//! How a finding was decided, step by step, for those who want to check it.

use crate::answer::{Condition, Finding};
use crate::model::RunRecord;
use crate::report::chart::{self, ChartError, ResidualChart};
use crate::report::text::{amount, capital};
use crate::report::working::{is_shown, unit};
use crate::words::working::{ConditionWords, RuleWords};
use crate::words::{self, working as told};
use crate::working::{Working, working};
use maud::{Markup, PreEscaped, html};

/// Models in the table; of more, the best.
const MODELS: usize = 20;

/// The working of one finding, folded; nothing if it isn't shown unasked or nothing could be fitted.
pub fn section(record: &RunRecord, finding: &Finding) -> Result<Markup, ChartError> {
    let Some(working) = is_shown(finding).then(|| working(record, finding)).flatten() else { return Ok(html! {}) };
    let residuals = chart::svg(&ResidualChart::new(&working, record.meta.full(finding.resource)))?;
    let held = &finding.evidence.conditions;
    Ok(html! {
        details.working {
            summary { "How this was decided, for those who want to check it" }
            h3 { "What was left out, and put together" }
            ul { @for cut in &working.cuts { li { (capital(&told::cut(&working, cut))) "." } } }
            h3 { "Plausible models" }
            p.quiet {
                "Every model whose information criterion comes near the best has a say; the worst bound over them decides. Growth in "
                (unit(&working)) "; lower bounds at the error probability of a leak, upper ones at that of clean."
            }
            (models(&working))
            h3 { "What the best model leaves" }
            figure { (PreEscaped(residuals)) }
            p.quiet {
                "Left: no trend should be left. Middle: in the grey band if levels were independent; growth is fitted with errors \
                 that are alike from one level to the next (dashed). Right: on the dashed line if innovations are normal."
            }
            h3 { "The conditions of the rule" }
            (conditions("Leak, if all hold", &working, &held.leak))
            (conditions("Clean, if all hold", &working, &held.clean))
            @for line in told::otherwise(&working, held) { p { (capital(&line)) "." } }
            @if !working.naive.is_empty() {
                h3 { "What simpler rules would say of the same levels" }
                div.scroll {
                    table.conditions {
                        thead { tr { th { "Rule" } th { "Found" } th { "Says" } } }
                        tbody {
                            @for rule in &working.naive {
                                @let RuleWords { name, found } = told::naive(&working, rule);
                                tr {
                                    th scope="row" { (capital(name)) } td { (found) }
                                    td { @if rule.calls_a_leak() { "leak" } @else { "no leak" } }
                                }
                            }
                        }
                    }
                }
            }
        }
    })
}

fn models(working: &Working) -> Markup {
    let number = |v: f64| amount(working.resource, v);
    html! {
        div.scroll {
            table {
                thead {
                    tr {
                        th { "Model" } th.number { "Persistent" } th.number { "Lower" } th.number { "At the end" }
                        th.number { "Upper" } th.number { "Criterion" }
                    }
                }
                tbody {
                    @for model in working.models.iter().take(MODELS) {
                        tr {
                            th scope="row" { (capital(&words::model(&model.shape))) }
                            td.number { (number(model.persistent[0])) } td.number { (number(model.persistent[1])) }
                            td.number { (number(model.end[0])) } td.number { (number(model.end[2])) }
                            td.number { "+" (format!("{:.1}", model.distance)) }
                        }
                    }
                }
            }
        }
        @if working.models.len() > MODELS { p.quiet { "and " (working.models.len() - MODELS) " more" } }
    }
}

fn conditions(title: &str, working: &Working, conditions: &[Condition]) -> Markup {
    html! {
        div.scroll {
            table.conditions {
                thead { tr { th { (title) } th { "Found" } th { "Holds" } } }
                tbody {
                    @for condition in conditions {
                        @let ConditionWords { wanted, found } = told::condition(working.resource, working.axis, condition);
                        tr {
                            th scope="row" { (capital(&wanted)) } td { (found) }
                            td { @if condition.holds() { "yes" } @else { b { "no" } } }
                        }
                    }
                }
            }
        }
    }
}
