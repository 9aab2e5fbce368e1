//! Who was found to be the workers, in a sentence without its full stop.

use crate::model::{Choosing, Chosen, ChosenGroup, shown_command};

/// Which processes are judged as workers, and why.
pub fn chosen(chosen: &Chosen) -> String {
    let groups: Vec<String> = chosen.groups.iter().map(group).collect();
    format!("the workers are {}", groups.join("; and "))
}

fn group(group: &ChosenGroup) -> String {
    let one = group.count == 1;
    let (them, their, hold, use_) = if one { ("it", "its", "holds", "uses") } else { ("them", "their", "hold", "use") };
    let who = match &group.parent {
        Some(parent) => format!(
            "the {} of PID {} ({}) that {} {} ({})",
            if one { "child".to_owned() } else { format!("{} children", group.count) },
            parent.pid,
            shown_command(&parent.command),
            if one { "runs" } else { "run" },
            shown_command(&group.command),
            pids(group),
        ),
        None => format!("{} ({})", pids(group), shown_command(&group.command)),
    };
    let they = if one { "it" } else { "they" };
    let why = match group.because {
        Choosing::Named => format!("the log or the status page names {them}"),
        Choosing::Serving => format!("{they} {hold} the listening socket and {use_} the CPU"),
        Choosing::Listening => format!("{they} {hold} the listening socket"),
        Choosing::SameProgram => {
            format!(
                "{they} {} {their} parent's program, which leaves the work to {them}",
                if one { "runs" } else { "run" }
            )
        }
        Choosing::Outlives => format!(
            "{their} children, which do the work, live only for moments: what those leak ends with them, and what {they} {} stays",
            if one { "leaks" } else { "leak" }
        ),
        Choosing::Itself => "nothing else of the target seems to do its work".to_owned(),
    };
    format!("{who}, because {why}")
}

/// `PID 12`, `PIDs 12, 13`, `PIDs 12, 13 and 40 more`.
fn pids(group: &ChosenGroup) -> String {
    let told: Vec<String> = group.pids.iter().map(u32::to_string).collect();
    let more = match group.count.saturating_sub(group.pids.len() as u64) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} {}{more}", if group.count == 1 { "PID" } else { "PIDs" }, told.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ChosenParent;

    #[test]
    fn every_choice_has_a_sentence() {
        let parent = Some(ChosenParent { pid: 40, command: "gunicorn".into() });
        let of = |parent: &Option<ChosenParent>, pids: &[u32], count, because| ChosenGroup {
            command: "python3\u{1b}".into(),
            pids: pids.to_vec(),
            count,
            parent: parent.clone(),
            because,
        };
        let all = [
            Chosen { groups: vec![of(&parent, &[41, 42], 2, Choosing::Named)] },
            Chosen { groups: vec![of(&parent, &[41, 42, 43, 44], 90, Choosing::Serving)] },
            Chosen { groups: vec![of(&parent, &[41], 1, Choosing::Listening)] },
            Chosen { groups: vec![of(&parent, &[41, 42], 2, Choosing::SameProgram)] },
            Chosen { groups: vec![of(&None, &[41], 1, Choosing::Outlives)] },
            Chosen { groups: vec![of(&None, &[41], 1, Choosing::Itself), of(&parent, &[51], 1, Choosing::Serving)] },
        ];
        insta::assert_snapshot!(all.iter().map(chosen).collect::<Vec<_>>().join("\n"));
    }
}
