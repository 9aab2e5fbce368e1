//! Processes of the target that are not workers.

use crate::answer::Verdict;
use crate::model::{format_bytes, format_count, format_seconds};
use crate::report::text;
use maud::{Markup, html};

/// The section, if an account was kept and somebody else is in it.
pub fn section(verdict: &Verdict) -> Markup {
    let Some(whole) = verdict.whole_target.as_ref().filter(|whole| !whole.rest.is_empty()) else { return html! {} };
    html! {
        section {
            h2 { "Processes that are not workers" }
            p {
                "They are judged together, as the rest. Memory is anonymous, swapped, in huge pages, and shared; what began in "
                "the judged time began with nothing."
            }
            div.scroll {
                table {
                    thead {
                        tr { th { "Process" } th { "Seen" } th.number { "First" } th.number { "Last" } th.number { "Grew by" } th.number { "Descriptors" } }
                    }
                    tbody {
                        @for process in &whole.rest {
                            tr {
                                th scope="row" { (text::process_name(&process.who)) }
                                td { (format_seconds(process.seen.0)) " to " (format_seconds(process.seen.1)) }
                                td.number { (format_bytes(process.size.0)) }
                                td.number { (format_bytes(process.size.1)) }
                                td.number { (format_bytes(process.size.1 - process.size.0)) }
                                td.number {
                                    @if let Some((first, last)) = process.descriptors {
                                        (format_count(first as f64)) " to " (format_count(last as f64))
                                    } @else { "–" }
                                }
                            }
                        }
                    }
                }
            }
            @if whole.more > 0 { p { "And " (format_count(whole.more as f64)) " more." } }
        }
    }
}
