//! Servers with a known number of slots, event by event, and what the search finds of them.

use super::step::mean;
use super::{Answer, Doubt, Grows, Sign, Step, answer, leaks_from, next};
use crate::answer::Outcome;
use crate::model::{Axis, Resource};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

const HIGHEST: u64 = 128;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Full {
    /// A request waits for a free slot.
    Waits,
    /// It is refused, after a twentieth of the time that service takes.
    Refuses,
}

/// A server whose service takes a second on average.
#[derive(Debug, Clone, Copy)]
struct Server {
    slots: u64,
    full: Full,
    /// From how many requests in flight on it leaks; never if that is zero.
    leaks_from: u64,
}

/// Numbers without a pattern (Marsaglia 2003), in [0, 1).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

impl Server {
    /// A soak of eight parts of 20 s with so many clients, each of which sends its next request as soon as the last is answered.
    fn step(self, load: u64, dice: &mut Dice) -> Step {
        const PARTS: usize = 8;
        const PART: f64 = 20.0;
        // Times in millionths, so that they are ordered; what ends: service, or a refusal.
        let mut ends: BinaryHeap<Reverse<(u64, bool)>> = BinaryHeap::new();
        let (mut busy, mut waiting) = (0, VecDeque::new());
        let drift = 0.98 + 0.04 * dice.roll();
        let mut service = |now: u64| now + (drift * (0.5 + dice.roll()) * 1e6) as u64;
        let mut send = |now: u64, busy: &mut u64, waiting: &mut VecDeque<()>, ends: &mut BinaryHeap<_>| {
            if *busy < self.slots {
                *busy += 1;
                ends.push(Reverse((service(now), true)));
            } else if self.full == Full::Waits {
                waiting.push_back(());
            } else {
                ends.push(Reverse((now + 50_000, false)));
            }
        };
        (0..load).for_each(|_| send(0, &mut busy, &mut waiting, &mut ends));
        let (mut ok, mut failed) = ([0.0; PARTS], 0);
        let warm = 5.0;
        while let Some(Reverse((now, served))) = ends.pop() {
            let part = (now as f64 / 1e6 - warm) / PART;
            if part >= PARTS as f64 {
                break;
            }
            if part >= 0.0 && served {
                ok[part as usize] += 1.0 / PART;
            } else if part >= 0.0 {
                failed += 1;
            }
            if served {
                busy -= 1;
                if waiting.pop_front().is_some() {
                    send(now, &mut busy, &mut waiting, &mut ends);
                }
            }
            send(now, &mut busy, &mut waiting, &mut ends);
        }
        let leaks = self.leaks_from > 0 && load >= self.leaks_from;
        let grows = Grows { resource: Resource::Descriptors, axis: Axis::PoolRequests, growth: None };
        Step {
            load,
            goodput: mean(&ok),
            ended: (ok.iter().sum::<f64>() * PART) as u64 + failed,
            failed,
            statuses: BTreeMap::new(),
            errors: BTreeMap::new(),
            p95: None,
            errs: failed > 0,
            outcome: if leaks { Outcome::Leak } else { Outcome::Clean },
            grows: if leaks { vec![grows] } else { Vec::new() },
            broke: None,
        }
    }

    fn measured(self, seed: u64) -> Vec<Step> {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut steps = Vec::new();
        while let Some(load) = next(&steps, HIGHEST) {
            assert!(steps.iter().all(|step: &Step| step.load != load), "measured twice: {load}");
            steps.push(self.step(load, &mut dice));
        }
        steps
    }
}

#[test]
fn fifty_knees_are_found_within_a_tenth() {
    for seed in 1..=50 {
        let slots = 1 + (seed * 37) % 90;
        let full = if seed % 2 == 0 { Full::Waits } else { Full::Refuses };
        let steps = Server { slots, full, leaks_from: 0 }.measured(seed);
        let Answer::Found(knee) = answer(&steps, HIGHEST) else { panic!("{seed}: {:?}", answer(&steps, HIGHEST)) };
        let off = knee.at.abs_diff(slots);
        assert!(off as f64 <= (0.1 * slots as f64).max(1.0), "{seed}: {full:?}, {slots} slots: {knee:?}");
        assert_eq!(knee.sign, if full == Full::Waits { Sign::Goodput } else { Sign::Errors }, "{seed}");
        assert!((0.9..1.1).contains(&(knee.most / slots as f64)) && !knee.still_grows, "{seed}: {knee:?}");
        assert!(steps.len() <= 13, "{seed}: {} steps", steps.len());
    }
}

#[test]
fn where_there_is_no_knee_none_is_found() {
    for seed in 1..=50 {
        let full = if seed % 2 == 0 { Full::Waits } else { Full::Refuses };
        let steps = Server { slots: HIGHEST + seed, full, leaks_from: 0 }.measured(seed);
        assert_eq!(answer(&steps, HIGHEST), Answer::NoneUpTo(HIGHEST), "{seed}");
        assert_eq!(steps.len(), 8);
    }
}

#[test]
fn where_it_begins_to_leak_is_found_beside_the_knee_and_without_one() {
    for seed in 1..=20 {
        let leaks = 1 + (seed * 13) % 40;
        let slots = if seed % 2 == 0 { HIGHEST } else { 8 };
        let steps = Server { slots, full: Full::Waits, leaks_from: leaks }.measured(seed);
        let highest = steps.iter().map(|step| step.load).max().unwrap();
        let found = leaks_from(&steps);
        if leaks > highest {
            assert_eq!(found, None, "{seed}");
            continue;
        }
        let found = found.unwrap();
        let off = found.load - leaks;
        assert!(off as f64 <= (0.1 * leaks as f64).max(1.0), "{seed}: from {leaks}: {found:?}");
        assert!(found.below.is_none_or(|(below, clean)| below < leaks && clean), "{seed}: {found:?}");
    }
}

#[test]
fn what_is_not_measured_is_no_answer() {
    let mut dice = Dice(1);
    let server = Server { slots: 90, full: Full::Waits, leaks_from: 0 };
    assert_eq!(answer(&[] as &[Step], HIGHEST), Answer::Unclear(Doubt::Nothing));
    let steps: Vec<Step> = [1, 2, 4].map(|load| server.step(load, &mut dice)).to_vec();
    assert_eq!(answer(&steps, HIGHEST), Answer::Unclear(Doubt::Unfinished(4)));
    // Nothing was counted.
    let blind: Vec<Step> = steps.iter().map(|step| Step { goodput: None, ..step.clone() }).collect();
    assert_eq!(answer(&blind, 4), Answer::Unclear(Doubt::NoGoodput(1)));
    // Of one in flight nothing was counted, or of all but the highest: that is then compared with nothing.
    for counted in 1..=2 {
        let late = |at: usize| if at < counted { blind[at].clone() } else { steps[at].clone() };
        assert_eq!(answer(&[late(0), late(1), late(2)], 4), Answer::Unclear(Doubt::NoGoodput(1)));
    }
    // The highest load is neither on the slope nor on a plateau.
    let mut wild = steps.clone();
    let goodput = wild[2].goodput.as_mut().unwrap();
    (goodput.lower, goodput.upper) = (0.0, 8.0);
    assert_eq!(answer(&wild, 4), Answer::Unclear(Doubt::Varies(4)));
}

#[test]
fn one_bad_moment_below_a_good_load_is_no_knee() {
    let mut dice = Dice(3);
    let server = Server { slots: 500, full: Full::Waits, leaks_from: 0 };
    let mut steps: Vec<Step> = [1, 2, 4, 8, 16].map(|load| server.step(load, &mut dice)).to_vec();
    steps[2].goodput = steps[0].goodput;
    assert_eq!(answer(&steps, 16), Answer::NoneUpTo(16));
}

#[test]
fn a_target_for_which_one_request_is_too_much_is_not_asked_for_more() {
    let mut dice = Dice(3);
    let mut step = Server { slots: 1, full: Full::Waits, leaks_from: 0 }.step(1, &mut dice);
    step.errs = true;
    let steps = [step];
    assert_eq!(next(&steps, HIGHEST), None);
    let Answer::Found(knee) = answer(&steps, HIGHEST) else { panic!() };
    assert_eq!((knee.at, knee.good, knee.bad, knee.sign), (0, None, 1, Sign::Errors));
}
