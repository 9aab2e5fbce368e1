//! `doctor`: what this machine and user can measure, and what to do about what is missing.

use super::output::{Printed, colours, columns, folded, tell};
use super::problem::Done;
use crate::probe::{Availability, Capability, HostProbe, examine};
use crate::report::hung;
use console::Style;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How it is printed.
    #[arg(long, value_enum, default_value = "terminal")]
    format: Printed,
}

/// Looks at everything and prints what was found. Exits with 0 whatever that is.
pub fn doctor(arguments: &Arguments) -> Done {
    let (host, found) = (HostProbe::describe(), examine());
    let text = match arguments.format {
        Printed::Terminal => folded(rendered(&host.kernel, &found, colours(), columns())),
        Printed::Json => {
            let json = serde_json::json!({
                "seepage": env!("CARGO_PKG_VERSION"),
                "host": host,
                "capabilities": found,
            });
            format!("{json:#}\n")
        }
    };
    Ok(tell(text.as_bytes()))
}

fn rendered(kernel: &str, found: &[Capability], colours: bool, columns: usize) -> String {
    let width = found.iter().map(|c| c.name.chars().count()).max().unwrap_or(0);
    let mut text = format!("What can be measured here, on Linux {kernel}:\n\n");
    for Capability { name, state, found, advice } in found {
        let (word, style) = match state {
            Availability::Ok => ("ok", Style::new().green()),
            Availability::Degraded => ("degraded", Style::new().yellow()),
            Availability::Missing => ("missing", Style::new().red()),
        };
        let word = style.force_styling(colours).apply_to(format!("{word:<8}"));
        text.push_str(&hung(&format!("  {word}  {name:<width$}  "), found, columns));
        if let Some(advice) = advice {
            text.push_str(&hung(&format!("  {:8}  {:width$}  ", "", ""), &format!("-> {advice}"), columns));
        }
    }
    let count = |state| found.iter().filter(|c| c.state == state).count();
    text.push_str(&format!(
        "\n{} ok, {} degraded, {} missing\n",
        count(Availability::Ok),
        count(Availability::Degraded),
        count(Availability::Missing)
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_is_told_with_its_advice() {
        let capability = |name, state, found: &str, advice| Capability { name, state, found: found.into(), advice };
        let found = [
            capability("anonymous memory", Availability::Ok, "RssAnon and VmSwap in /proc/PID/status", None),
            capability("user", Availability::Degraded, "user 1000", Some("run as root")),
            capability("apxs (for the examples)", Availability::Missing, "not found", Some("install apache2-dev")),
        ];
        insta::assert_snapshot!(rendered("6.12.3", &found, false, usize::MAX), @r"
        What can be measured here, on Linux 6.12.3:

          ok        anonymous memory         RssAnon and VmSwap in /proc/PID/status
          degraded  user                     user 1000
                                             -> run as root
          missing   apxs (for the examples)  not found
                                             -> install apache2-dev

        1 ok, 1 degraded, 1 missing
        ");
        assert!(rendered("6.12.3", &found, true, usize::MAX).contains("\x1b[31m"));
        let narrow = rendered("6.12.3", &found, false, 60);
        assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
    }
}
