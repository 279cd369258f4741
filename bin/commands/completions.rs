//! Prints a script by which a shell completes the command line.

use crate::{args::about::CompletionsArgs, cli};

/// The script.
pub(crate) fn script(args: CompletionsArgs) -> String {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::tree(), "light-node", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
