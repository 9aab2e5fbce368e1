//! `completions` and `man`: made from the command line itself, so that they can't be out of date.

use super::output::tell;
use super::problem::Done;
use clap::Command;
use clap_complete::Shell;
use std::io::Write;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArguments {
    /// The shell that is to complete.
    shell: Shell,
}

/// Prints the script with which a shell completes `command`.
pub fn completions(arguments: &CompletionsArguments, mut command: Command) -> Done {
    // Made in memory: the generator panics if it can't write, as when the reader of a pipe has gone.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "seepage", &mut script);
    Ok(tell(&script))
}

/// Prints the manual page of `command`, with a section for each of its commands.
pub fn man(mut command: Command) -> Done {
    let mut page = Vec::new();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for subcommand in command.get_subcommands().filter(|c| c.get_name() != "help") {
        let name = subcommand.get_name().to_uppercase();
        writeln!(page, ".SH \"SEEPAGE {name}\"")?;
        let subpage = clap_mangen::Man::new(subcommand.clone());
        subpage.render_synopsis_section(&mut page)?;
        subpage.render_description_section(&mut page)?;
        subpage.render_options_section(&mut page)?;
    }
    Ok(tell(&page))
}
