//! The search.

use std::collections::{BTreeMap, BTreeSet};

/// A set of modules.
type Set = BTreeSet<String>;

/// More independent leaks than this are not looked for.
const MOST_BLAMED: usize = 4;

/// What a target does with some modules off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It leaks.
    Leaks,
    /// It is proven not to.
    Clean,
    /// Neither could be proven, however often it was tried.
    Unclear,
}

/// Gives the answers.
pub trait Oracle {
    /// Why there is no answer.
    type Error;

    /// What goes off with these modules: they themselves, and all that need one of them.
    fn with_dependents(&self, off: &Set) -> Set;

    /// Measures the target with these modules off; `purpose` says what for.
    ///
    /// # Errors
    /// If it can't be measured at all.
    fn measure(&mut self, off: &Set, purpose: &Purpose) -> Result<State, Self::Error>;
}

/// What a step is to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// Whether the target leaks as it is.
    AsItIs,
    /// Whether anything else leaks, without what is found.
    WithoutFound,
    /// Whether it is among the suspects that are off.
    PartOff {
        /// Suspects that are off.
        off: usize,
        /// Of so many.
        of: usize,
    },
    /// Whether it is the only suspect that is left.
    LastOff,
    /// Whether it is any module at all that can be off.
    AllOff,
    /// Whether these leak by themselves.
    Only(Vec<String>),
    /// Whether everything else is clean without these.
    Without(Vec<String>),
}

/// Why a module stayed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It was to be.
    Asked,
    /// The target doesn't start without it; in its own words.
    NoStart(String),
    /// The workload fails without it.
    NoWorkload,
}

/// One measured configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Modules that were off.
    pub off: Vec<String>,
    /// What for.
    pub purpose: Purpose,
    /// What was seen.
    pub state: State,
}

/// Modules that together make a leak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blame {
    /// The modules: one, or several that leak only together or can't be switched off apart.
    pub modules: Vec<String>,
    /// Whether they leak with everything else off, as far as it can be; `None` if that wasn't measured.
    pub alone: Option<bool>,
    /// Whether everything else is clean without them; `None` if that wasn't measured.
    pub cured: Option<bool>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// The target doesn't leak as it is.
    NoLeak,
    /// It leaks with everything off that can be.
    Elsewhere,
    /// These leak, each by itself.
    Blamed(Vec<Blame>),
    /// The search ended early, among these.
    Unclear(Vec<String>),
}

/// The most measured configurations that a single faulty module among `n` takes: the target as it is, the halvings, the
/// module off, and the module alone.
pub fn most_steps(n: usize) -> usize {
    3 + n.max(1).ilog2() as usize
}

/// What a search came to.
#[derive(Debug)]
pub struct Searched<E> {
    /// What was found; an error if the oracle couldn't answer.
    pub finding: Result<Finding, E>,
    /// Every step that was measured.
    pub steps: Vec<Step>,
    /// What was suspected at the last question.
    pub suspects: Vec<String>,
    /// What was found by then.
    pub blamed: Vec<Blame>,
}

/// Finds which of `names` make the target leak.
pub fn search<O: Oracle>(names: &[String], oracle: &mut O) -> Searched<O::Error> {
    let suspects = names.to_vec();
    let (known, steps, blamed) = (BTreeMap::new(), Vec::new(), Vec::new());
    let mut search = Search { names: names.to_vec(), oracle, known, steps, suspects, blamed };
    let finding = search.run();
    Searched { finding, steps: search.steps, suspects: search.suspects, blamed: search.blamed }
}

struct Search<'a, O> {
    names: Vec<String>,
    oracle: &'a mut O,
    known: BTreeMap<Set, State>,
    steps: Vec<Step>,
    suspects: Vec<String>,
    blamed: Vec<Blame>,
}

/// The search can't go on, for a reason that isn't an error.
enum Halt {
    Unclear(Vec<String>),
}

type Answer<T, E> = Result<Result<T, Halt>, E>;

/// Hands a halt on to the caller.
macro_rules! go_on {
    ($answer:expr) => {
        match $answer? {
            Ok(value) => value,
            Err(halt) => return Ok(Err(halt)),
        }
    };
}

impl<O: Oracle> Search<'_, O> {
    fn run(&mut self) -> Result<Finding, O::Error> {
        Ok(match self.blame()? {
            Ok(finding) => finding,
            Err(Halt::Unclear(among)) => Finding::Unclear(among),
        })
    }

    fn blame(&mut self) -> Answer<Finding, O::Error> {
        let mut off = Set::new();
        loop {
            let purpose = if off.is_empty() { Purpose::AsItIs } else { Purpose::WithoutFound };
            if !go_on!(self.leaks(&off, &self.rest(&off), purpose)) {
                return Ok(Ok(self.found_or(Finding::NoLeak)));
            }
            if self.blamed.len() == MOST_BLAMED {
                return Ok(Err(Halt::Unclear(self.rest(&off))));
            }
            let Some((one, several)) = go_on!(self.narrow(&off)) else {
                return Ok(Ok(self.found_or(Finding::Elsewhere)));
            };
            let blame = go_on!(self.confirm(&off, one, several));
            off.extend(self.oracle.with_dependents(&blame.modules.iter().cloned().collect()));
            let settled = blame.cured == Some(true) || blame.cured.is_none();
            self.blamed.push(blame);
            if settled {
                return Ok(Ok(self.found_or(Finding::Elsewhere)));
            }
        }
    }

    /// What was found; `nothing` if that is nothing.
    fn found_or(&self, nothing: Finding) -> Finding {
        if self.blamed.is_empty() { nothing } else { Finding::Blamed(self.blamed.clone()) }
    }

    /// Halves what may be to blame until one is left, or several that can't be told apart, and whether there are more
    /// leaks than that; `None` if it is none of them.
    fn narrow(&mut self, base: &Set) -> Answer<Option<(Vec<String>, bool)>, O::Error> {
        let mut suspects = self.rest(base);
        if suspects.is_empty() {
            return Ok(Ok(None));
        }
        let mut seen_clean = false;
        while suspects.len() > 1 {
            let Some((off, taken)) = self.halve(base, &suspects) else { break };
            if go_on!(self.leaks(&off, &suspects, Purpose::PartOff { off: taken.len(), of: suspects.len() })) {
                suspects.retain(|s| !taken.contains(s));
            } else {
                suspects = taken;
                seen_clean = true;
            }
        }
        if seen_clean {
            return Ok(Ok(Some((suspects, false))));
        }
        // Every half leaked while it was off: perhaps it was always the rest, perhaps two leak, perhaps none of these.
        let without = self.without(base, &suspects);
        if !go_on!(self.leaks(&without, &suspects, Purpose::LastOff)) {
            return Ok(Ok(Some((suspects, false))));
        }
        let everything = self.without(base, &self.rest(base));
        if go_on!(self.leaks(&everything, &suspects, Purpose::AllOff)) {
            return Ok(Ok(None));
        }
        Ok(Ok(Some((go_on!(self.narrow_on(base, &[])), true))))
    }

    /// Halves what may be to blame by switching halves on, beside those in `with`, and everything else off.
    fn narrow_on(&mut self, base: &Set, with: &[String]) -> Answer<Vec<String>, O::Error> {
        let mut suspects: Vec<String> = self.only(base, with).into_iter().filter(|s| !base.contains(s)).collect();
        suspects.sort_by_key(|s| self.names.iter().position(|n| n == s));
        while suspects.len() > 1 {
            let half = suspects.split_at(suspects.len().div_ceil(2)).0.to_vec();
            let on: Vec<String> = with.iter().chain(&half).cloned().collect();
            let off = self.only(base, &on);
            let leaks = go_on!(self.leaks(&off, &suspects, Purpose::Only(on)));
            suspects.retain(|s| half.contains(s) == leaks);
        }
        Ok(Ok(suspects))
    }

    /// Whether one module leaks by itself, and which other it needs if it doesn't. Whether the rest is clean without it is
    /// asked if `several` leak, and else if it was cheap so far.
    fn confirm(&mut self, base: &Set, modules: Vec<String>, several: bool) -> Answer<Blame, O::Error> {
        let mut modules = modules;
        let only = self.only(base, &modules);
        let mut alone = go_on!(self.leaks(&only, &modules, Purpose::Only(modules.clone())));
        if !alone {
            let partners = go_on!(self.narrow_on(base, &modules));
            modules.extend(partners);
            let only = self.only(base, &modules);
            alone = go_on!(self.leaks(&only, &modules, Purpose::Only(modules.clone())));
        }
        let without = self.without(base, &modules);
        let mut cured = self.known.get(&without).copied();
        let cheap = self.steps.len() < most_steps(self.names.len());
        if cured.is_none() && (several || cheap || !base.is_empty()) {
            go_on!(self.leaks(&without, &modules, Purpose::Without(modules.clone())));
            cured = self.known.get(&without).copied();
        }
        Ok(Ok(Blame { modules, alone: Some(alone), cured: cured.map(|s| s == State::Clean) }))
    }

    /// Half of the suspects, with what goes off with them; `None` if no half can be switched off without all.
    fn halve(&self, base: &Set, suspects: &[String]) -> Option<(Set, Vec<String>)> {
        let (first, second) = suspects.split_at(suspects.len().div_ceil(2));
        // One by one, too: among modules that need one another, one at the end of the chain still goes alone.
        let singles = suspects.iter().map(std::slice::from_ref);
        [first, second].into_iter().chain(singles).find_map(|half| {
            let off = self.without(base, half);
            let taken: Vec<String> = suspects.iter().filter(|s| off.contains(*s)).cloned().collect();
            (taken.len() < suspects.len()).then_some((off, taken))
        })
    }

    /// What is off with `base` and these.
    fn without(&self, base: &Set, modules: &[String]) -> Set {
        self.oracle.with_dependents(&base.iter().chain(modules).cloned().collect())
    }

    /// What is off if only these, and what they need, are on.
    fn only(&self, base: &Set, modules: &[String]) -> Set {
        let needed = |name: &String| {
            let gone = self.oracle.with_dependents(&Set::from([name.clone()]));
            modules.iter().any(|m| gone.contains(m))
        };
        base.iter().chain(self.names.iter().filter(|n| !needed(n))).cloned().collect()
    }

    /// The modules that aren't off with `base`.
    fn rest(&self, base: &Set) -> Vec<String> {
        let off = self.oracle.with_dependents(base);
        self.names.iter().filter(|n| !off.contains(*n)).cloned().collect()
    }

    fn leaks(&mut self, off: &Set, suspects: &[String], purpose: Purpose) -> Answer<bool, O::Error> {
        self.suspects = suspects.to_vec();
        let state = match self.known.get(off) {
            Some(state) => *state,
            None => {
                let state = self.oracle.measure(off, &purpose)?;
                self.known.insert(off.clone(), state);
                self.steps.push(Step { off: off.iter().cloned().collect(), purpose, state });
                state
            }
        };
        Ok(match state {
            State::Leaks => Ok(true),
            State::Clean => Ok(false),
            State::Unclear => Err(Halt::Unclear(suspects.to_vec())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A target that leaks if all modules of one of some groups are on.
    struct Made {
        groups: Vec<Vec<usize>>,
        /// Module and what it needs.
        needs: Vec<(usize, usize)>,
        unclear_after: usize,
        measured: usize,
    }

    fn name(i: usize) -> String {
        format!("m{i:02}")
    }

    impl Oracle for Made {
        type Error = ();

        fn with_dependents(&self, off: &Set) -> Set {
            let mut all = off.clone();
            loop {
                let more: Vec<String> = self
                    .needs
                    .iter()
                    .filter(|(_, needed)| all.contains(&name(*needed)))
                    .map(|(m, _)| name(*m))
                    .filter(|m| !all.contains(m))
                    .collect();
                if more.is_empty() {
                    return all;
                }
                all.extend(more);
            }
        }

        fn measure(&mut self, off: &Set, _: &Purpose) -> Result<State, ()> {
            assert_eq!(self.with_dependents(off), *off, "what needs a module is off with it");
            self.measured += 1;
            if self.measured > self.unclear_after {
                return Ok(State::Unclear);
            }
            let leaks = self.groups.iter().any(|g| g.iter().all(|m| !off.contains(&name(*m))));
            Ok(if leaks { State::Leaks } else { State::Clean })
        }
    }

    fn found(n: usize, groups: &[&[usize]], needs: &[(usize, usize)]) -> (Finding, Vec<Step>) {
        let groups = groups.iter().map(|g| g.to_vec()).collect();
        let mut made = Made { groups, needs: needs.to_vec(), unclear_after: usize::MAX, measured: 0 };
        let searched = search(&(0..n).map(name).collect::<Vec<_>>(), &mut made);
        (searched.finding.unwrap(), searched.steps)
    }

    fn blamed(finding: &Finding) -> Vec<Vec<String>> {
        let Finding::Blamed(blames) = finding else { panic!("{finding:?}") };
        let sorted = |b: &Blame| b.modules.iter().cloned().collect::<Set>().into_iter().collect();
        blames.iter().map(sorted).collect()
    }

    #[test]
    fn one_of_twenty_five_is_found_in_seven_measured_configurations_wherever_it_is() {
        for culprit in 0..25 {
            let (finding, steps) = found(25, &[&[culprit]], &[]);
            assert_eq!(blamed(&finding), [[name(culprit)]]);
            let Finding::Blamed(blames) = &finding else { panic!() };
            assert_eq!(blames[0].alone, Some(true));
            assert!(steps.len() <= 7 && steps.len() <= most_steps(25), "{culprit}: {}", steps.len());
        }
    }

    #[test]
    fn two_that_leak_only_together_are_found_together() {
        for (a, b) in [(0, 1), (3, 20), (11, 12), (0, 24)] {
            let (finding, _) = found(25, &[&[a, b]], &[]);
            assert_eq!(blamed(&finding), [[name(a), name(b)]]);
        }
    }

    #[test]
    fn two_that_leak_each_are_both_found() {
        for (a, b) in [(2, 20), (0, 20), (7, 24)] {
            let (finding, steps) = found(25, &[&[a], &[b]], &[]);
            let mut names: Vec<_> = blamed(&finding).into_iter().flatten().collect();
            names.sort();
            let measured = steps.iter().map(|s| &s.purpose).collect::<Vec<_>>();
            assert_eq!(names, [name(a), name(b)], "{measured:?}");
        }
    }

    #[test]
    fn what_needs_another_is_switched_off_with_it() {
        // 5 needs 4, 6 needs 5; the fault is in 5, then in 6, then in 4.
        for culprit in [4, 5, 6] {
            let (finding, _) = found(9, &[&[culprit]], &[(5, 4), (6, 5)]);
            let names = &blamed(&finding)[0];
            assert!(names.contains(&name(culprit)), "{culprit}: {names:?}");
            assert!(names.len() == 1, "{culprit}: {names:?}");
        }
    }

    #[test]
    fn a_leak_elsewhere_and_no_leak_at_all_are_told() {
        assert_eq!(found(8, &[], &[]).0, Finding::NoLeak);
        assert_eq!(found(8, &[], &[]).1.len(), 1);
        assert_eq!(found(8, &[&[]], &[]).0, Finding::Elsewhere);
        assert_eq!(found(0, &[&[]], &[]).0, Finding::Elsewhere);
        assert_eq!(blamed(&found(1, &[&[0]], &[]).0), [[name(0)]]);
    }

    #[test]
    fn what_cannot_be_decided_says_among_which() {
        let mut made = Made { groups: vec![vec![3]], needs: Vec::new(), unclear_after: 2, measured: 0 };
        let Searched { finding, steps, .. } = search(&(0..8).map(name).collect::<Vec<_>>(), &mut made);
        assert_eq!(finding, Ok(Finding::Unclear((0..4).map(name).collect())));
        assert_eq!((steps.len(), steps[2].state), (3, State::Unclear));
    }

    #[test]
    fn a_search_that_ends_early_knows_what_is_suspected_still() {
        struct Ending(Made);
        impl Oracle for Ending {
            type Error = ();

            fn with_dependents(&self, off: &Set) -> Set {
                self.0.with_dependents(off)
            }

            fn measure(&mut self, off: &Set, purpose: &Purpose) -> Result<State, ()> {
                if self.0.measured == 2 { Err(()) } else { self.0.measure(off, purpose) }
            }
        }
        let made = Made { groups: vec![vec![3]], needs: Vec::new(), unclear_after: usize::MAX, measured: 0 };
        let searched = search(&(0..8).map(name).collect::<Vec<_>>(), &mut Ending(made));
        assert_eq!((searched.finding, searched.steps.len()), (Err(()), 2));
        assert_eq!(searched.suspects, (0..4).map(name).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn a_single_culprit_is_always_found(n in 1usize..40, at in 0usize..40, needs in prop::collection::vec((0usize..40, 0usize..40), 0..6)) {
            let culprit = at % n;
            // A module needs one before it, so that there are no circles.
            let needs: Vec<(usize, usize)> = needs.into_iter().map(|(a, b)| (a % n, b % n)).filter(|(a, b)| a > b).collect();
            let (finding, steps) = found(n, &[&[culprit]], &needs);
            let Finding::Blamed(blames) = &finding else { panic!("{finding:?}") };
            prop_assert!(blames[0].modules.contains(&name(culprit)), "{:?} {:?}", finding, steps);
            if needs.is_empty() {
                prop_assert!(steps.len() <= most_steps(n));
            }
        }

        #[test]
        fn it_always_ends(n in 1usize..12, groups in prop::collection::vec(prop::collection::vec(0usize..12, 0..4), 0..5)) {
            let groups: Vec<Vec<usize>> = groups.into_iter().map(|g| g.into_iter().map(|m| m % n).collect()).collect();
            let borrowed: Vec<&[usize]> = groups.iter().map(|g| &g[..]).collect();
            let (_, steps) = found(n, &borrowed, &[]);
            prop_assert!(steps.len() <= 8 * n + 8, "{}", steps.len());
        }
    }
}
