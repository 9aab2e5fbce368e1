//! Who else on the host used the CPU, in a sentence.

use super::doubts::named;
use super::steps::joined;
use crate::answer::{Named, Neighbours, Slower};
use crate::model::{format_seconds, shown_command, whole_percent};

/// Programs that the sentence names.
const MOST: usize = 3;

/// Who it was, how much, and what it cost: PID 77 (backup) took 98 % of a core; meanwhile p95 was 40 ms, and else 10 ms.
pub fn sentence(neighbours: &Neighbours) -> String {
    let mut groups: Vec<(Vec<&Named>, f64)> = Vec::new();
    for (who, cpu) in &neighbours.who {
        match groups.iter_mut().find(|(group, _)| group[0].command == who.command) {
            Some((group, sum)) => {
                group.push(who);
                *sum += cpu;
            }
            None => groups.push((vec![who], *cpu)),
        }
    }
    groups.sort_by(|a, b| b.1.total_cmp(&a.1));
    let told = |(group, cpu): &(Vec<&Named>, f64)| {
        let who = match &group[..] {
            [first, _, ..] => {
                let name = shown_command(&first.command);
                format!("{name} ({} processes, the first PID {})", group.len(), first.pid)
            }
            group => group.iter().map(|who| named(who)).collect(),
        };
        format!("{who} took {} of a core", whole_percent(cpu / neighbours.watched))
    };
    let mut who: Vec<String> = groups.iter().take(MOST).map(told).collect();
    if groups.len() > MOST {
        who.push(format!("{} more took less", groups.len() - MOST));
    }
    let cost = neighbours.slower.map_or_else(String::new, |Slower { loud, quiet }| {
        format!("; p95 of the requests was {} meanwhile, and {} else", format_seconds(loud), format_seconds(quiet))
    });
    format!("on this host, beside the target, {}{cost}", joined(&who, "and"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_burns_is_said_with_what_it_cost() {
        let who = (Named { pid: 77, command: "backup".into() }, 9.8);
        let slower = Some(Slower { loud: 0.04, quiet: 0.01 });
        let one = Neighbours { watched: 10.0, who: vec![who.clone()], slower };
        assert_eq!(
            sentence(&one),
            "on this host, beside the target, PID 77 (backup) took 98 % of a core; p95 of the requests was 40 ms meanwhile, and \
             10 ms else"
        );
        let twice = Neighbours { who: vec![who.clone(), who], slower: None, ..one.clone() };
        let said = sentence(&twice);
        assert!(said.ends_with("backup (2 processes, the first PID 77) took 196 % of a core"), "{said}");
        let named = |pid: u32| (Named { pid, command: format!("p{pid}") }, 2.0);
        let many = Neighbours { who: (1..6).map(named).collect(), slower: None, ..one };
        assert!(sentence(&many).ends_with("and 2 more took less"), "{}", sentence(&many));
    }
}
