//! Gates in words: what was measured, how sure that is, and what is allowed.

use super::doubts;
use super::kinds::bounds;
use crate::answer::{Crashes, Gate, GateKind, GateState, Interval, LimitHit, Quantile};
use crate::model::{amount, format_bytes, format_seconds, percent};
use std::fmt;

/// The part of a budget under which growth that passes is none.
const NONE: f64 = 0.02;

/// A line of the table of gates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GateWords {
    /// Short name, such as `memory` or `error rate`.
    pub name: String,
    /// What was measured.
    pub measured: Quantity,
    /// Between which bounds growth lies that doesn't pass; empty otherwise.
    pub interval: String,
    /// What is allowed at most.
    pub allowed: Quantity,
}

/// An amount, and what it is for: `4.1 KiB/request`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Quantity {
    /// The amount, or what is said in its place.
    pub amount: String,
    /// What it is for, such as `request`; empty if it is for itself.
    pub per: &'static str,
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.amount)?;
        if self.per.is_empty() { Ok(()) } else { write!(f, "/{}", self.per) }
    }
}

/// The line of a gate.
pub fn gate(gate: &Gate) -> GateWords {
    let plain = |amount: String| Quantity { amount, per: "" };
    let line = |name: &str, measured: String, allowed: String| GateWords {
        name: name.to_owned(),
        measured: plain(measured),
        interval: String::new(),
        allowed: plain(allowed),
    };
    let unmeasured = || "not measured".to_owned();
    match &gate.kind {
        GateKind::Growth { resource, axis, growth, budget } => {
            let passes = gate.state == GateState::Pass;
            // Bounds on one side of the budget would be read as an answer: what keeps them from being one is told as the reason.
            let contradicts = |growth: &Interval| growth.lower > *budget || growth.upper < *budget;
            let vetoed = gate.state == GateState::Unknown && growth.as_ref().is_some_and(contradicts);
            let quantity = |value: f64| Quantity { amount: amount(*resource, value), per: axis.unit() };
            let measured = match growth {
                None => plain(unmeasured()),
                Some(_) if vetoed => plain("open".to_owned()),
                Some(growth) if !passes => quantity(growth.estimate),
                // Growth that passes is none to speak of, or known by its upper bound.
                Some(growth) if growth.upper < NONE * budget => plain("none".to_owned()),
                Some(growth) if growth.upper < *budget => {
                    let most = quantity(growth.upper);
                    Quantity { amount: format!("at most {}", most.amount), ..most }
                }
                Some(_) => plain("ends by itself".to_owned()),
            };
            let allowed = Quantity { per: axis.of_budget().unit(), ..quantity(*budget) };
            let interval =
                growth.as_ref().filter(|_| !passes && !vetoed).map_or_else(String::new, |g| bounds(*resource, g));
            GateWords { name: resource.name().to_owned(), measured, interval, allowed }
        }
        GateKind::ErrorRate { measured, most } => {
            line("error rate", measured.map_or_else(unmeasured, percent), percent(*most))
        }
        GateKind::Latency { quantile: of, measured, most } => line(
            &format!("latency {}", quantile(*of)),
            measured.map_or_else(unmeasured, format_seconds),
            format_seconds(*most),
        ),
        GateKind::Deaths(crashes) => {
            let none = || "none".to_owned();
            line("unexpected deaths", crashes.as_ref().map_or_else(none, crashed), none())
        }
        GateKind::MemoryLimit(LimitHit { limit, kills }) => line(
            "memory limit",
            format!("hit, {} killed", if *kills == 1 { "1 process".into() } else { format!("{kills} processes") }),
            format_bytes(*limit as f64),
        ),
        GateKind::Doubt(doubt) => {
            let (measured, allowed) = doubts::measured(doubt);
            line(doubts::name(doubt), measured, allowed)
        }
    }
}

fn crashed(crashes: &Crashes) -> String {
    format!("{}, the first of PID {} by {}", crashes.count, crashes.first.pid, crashes.cause)
}

/// A quantile of latencies: `p95`.
pub fn quantile(quantile: Quantile) -> &'static str {
    match quantile {
        Quantile::P50 => "p50",
        Quantile::P95 => "p95",
        Quantile::P99 => "p99",
    }
}
