//! `completions` and `man`: made from the command line itself, so that they can't be out of date.

use super::output::tell;
use super::{Cli, Done};
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
pub struct CompletionsArguments {
    /// The shell that is to complete.
    shell: Shell,
}

/// Prints the script with which a shell completes `seepage`.
pub fn completions(arguments: &CompletionsArguments) -> Done {
    // Made in memory: the generator panics if it can't write, as when the reader of a pipe has gone.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "seepage", &mut script);
    Ok(tell(&script))
}

/// Prints the manual page, with a section for each command.
pub fn man() -> Done {
    let mut page = Vec::new();
    let mut command = Cli::command();
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
