//! Prints a script by which a shell completes the command line.

use crate::{args::about::CompletionsArgs, cli};
use clap_complete::Shell;

/// The name under which a shell completes us.
const PROGRAM: &str = "light-node";

/// The script.
pub(crate) fn script(args: CompletionsArgs) -> String {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::tree(), PROGRAM, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match args.shell {
        Shell::Bash => with_one_root_name(&script),
        _ => script,
    }
}

/// The generator for bash writes the dash of the program's name in two ways, as `__` where it sets a subcommand and as `__subcmd__`
/// where it looks the subcommand's flags up, so that it would find none. No command of ours is named like the wrong form.
fn with_one_root_name(script: &str) -> String {
    let wrong = PROGRAM.replace('-', "__subcmd__");
    script.replace(&wrong, &PROGRAM.replace('-', "__"))
}
