//! The whole target: processes that are not workers, and who took the CPU time.

use crate::answer::Verdict;
use crate::model::{format_bytes, format_count, format_seconds, whole_percent};
use crate::report::text::{self, capital, plain};
use crate::words;
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

/// Processes in the table of CPU time.
const MOST: usize = 12;

/// Who took the CPU time, where it was read.
pub fn cpu_time(verdict: &Verdict) -> Markup {
    let Some(time) = &verdict.cpu_time else { return html! {} };
    html! {
        section {
            h2 { "CPU time" }
            @for sentence in words::cpu_time::sentences(time) { p { (capital(&plain(&sentence))) "." } }
            div.scroll {
                table {
                    thead {
                        tr { th { "Process" } th { "Judged" } th.number { "CPU time" } th.number { "Of a core" } th.number { "Per request" } }
                    }
                    tbody {
                        @for share in time.shares.iter().take(MOST) {
                            tr {
                                th scope="row" { (text::process_name(&share.who)) }
                                td { @if share.is_worker { "worker" } @else { "–" } }
                                td.number { (format_seconds(share.seconds)) }
                                td.number { (whole_percent(time.cores(share.seconds))) }
                                td.number {
                                    @if let Some(each) = time.per_request(share.seconds) { (format_seconds(each)) } @else { "–" }
                                }
                            }
                        }
                    }
                }
            }
            @if time.shares.len() > MOST { p { "And " (format_count((time.shares.len() - MOST) as f64)) " more." } }
        }
    }
}
