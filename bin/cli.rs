//! The command line as a whole: no subcommand runs the node.

use crate::{
    args::{
        about::{CompletionsArgs, VersionArgs},
        config::{ConfigCommand, ConfigCommandArgs},
        doctor::DoctorArgs,
        given::Origin,
        healthcheck::HealthcheckArgs,
        jwt::JwtArgs,
        layers::Layers,
        log::LogArgs,
        node::{NodeArgs, RunArgs},
        setting,
    },
    commands,
};
use clap::{
    ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand,
    error::{ContextKind, ContextValue},
};
use std::process::ExitCode;

/// A rollup node for OP Stack chains. Without a subcommand it runs the node; `light-node node --help` lists its flags.
#[derive(Debug, Parser)]
#[command(
    name = "light-node",
    version,
    propagate_version = true,
    override_usage = "light-node [COMMAND] [OPTIONS]"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the node (also without a subcommand).
    Node(Box<RunArgs>),
    /// Run an L1, a sequencer, a batcher, a deriver and followers in this process.
    #[cfg(feature = "devnet")]
    Devnet(crate::args::devnet::DevnetArgs),
    /// Examine a set-up: configuration, ports, secret, clocks, and each endpoint. Takes the flags of `node`, changes nothing, and
    /// says what is wrong and how to mend it. Exit code 1 if anything is.
    Doctor(Box<DoctorArgs>),
    /// Ask a running node whether it is healthy; the exit code says it.
    Healthcheck(HealthcheckArgs),
    /// Make the secret that the node and its execution layer share.
    Jwt(JwtArgs),
    /// Show or check the node's configuration.
    Config(ConfigCommandArgs),
    /// Print a script by which a shell completes this command line.
    Completions(CompletionsArgs),
    /// Print the version and what this program was built from.
    Version(VersionArgs),
}

impl Cli {
    /// Runs the chosen command to its end. A command that answers a question says "no" by its exit code.
    pub(crate) fn run(self, matches: &ArgMatches, layers: &Layers) -> eyre::Result<ExitCode> {
        match self.command {
            Command::Node(args) => match args.dump_config {
                Some(dump) => commands::print_line(&commands::config::dump(dump, matches, layers)?),
                None => commands::node::run(&args.node, &self.log, &layers.notices)?,
            },
            #[cfg(feature = "devnet")]
            Command::Devnet(args) => commands::devnet::run(&args, &self.log)?,
            Command::Doctor(args) => {
                return commands::doctor::run(&args, &self.log, &layers.notices);
            }
            Command::Healthcheck(args) => return commands::healthcheck::run(&args),
            Command::Jwt(args) => commands::jwt::run(&args)?,
            Command::Config(args) => match args.command {
                ConfigCommand::Show(args) => {
                    commands::print_line(&commands::config::show(&args, matches, layers)?);
                }
                // Judged before: what is wrong may be what keeps the command line from being parsed.
                ConfigCommand::Check(_) => {}
                ConfigCommand::Aliases => {
                    commands::print_line(&commands::config::table_of_aliases())
                }
            },
            Command::Completions(args) => {
                commands::print_line(&commands::completions::script(args));
            }
            Command::Version(args) => commands::print_line(&commands::version::text(args)?),
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The configuration that `config check` is asked about.
    pub(crate) fn checked_node(&self) -> Option<(&NodeArgs, &LogArgs)> {
        match &self.command {
            Command::Config(args) => match &args.command {
                ConfigCommand::Check(args) => Some((&args.node, &self.log)),
                ConfigCommand::Show(_) | ConfigCommand::Aliases => None,
            },
            _ => None,
        }
    }
}

/// The command line as clap knows it, for help and for reading it.
pub(crate) fn tree() -> clap::Command {
    let tree = setting::with_values_for_switches(Cli::command());
    // The help of `node` shows them; here they would hide what is particular.
    tree.mut_subcommand("config", |config| {
        config.mut_subcommands(|question| {
            question.mut_args(|arg| {
                let is_setting = arg.get_env().is_some();
                arg.hide(is_setting)
            })
        })
    })
}

/// [`tree`], with what clap itself adds to it.
pub(crate) fn command() -> clap::Command {
    let mut tree = tree();
    tree.build();
    tree
}

/// Parses what all layers say together.
///
/// # Errors
/// Clap's, also for the answer to `--help` and `--version`.
pub(crate) fn parse(layers: &Layers) -> Result<(Cli, ArgMatches), clap::Error> {
    let tree = match layers.settings.is_empty() {
        // A question about the program, whose answer shows the environment.
        true => tree(),
        false => setting::without_environment(tree()),
    };
    let matches = tree.try_get_matches_from(layers.command_line())?;
    let cli = Cli::from_arg_matches(&matches)?;
    Ok((cli, matches))
}

/// A parser's error in our words.
#[derive(Debug)]
pub(crate) struct Explained {
    /// What is wrong, and where the value comes from if not from the flag named.
    pub(crate) message: String,
    /// The flag, without dashes.
    pub(crate) flag: Option<String>,
    /// Not the command line is wrong but what lies below it.
    pub(crate) is_configuration: bool,
    /// Where the values come from, one sentence each.
    pub(crate) origins: Vec<String>,
}

/// Says of a parser's error where the values come from: the parser has seen flags only.
pub(crate) fn explain(error: &clap::Error, layers: &Layers) -> Explained {
    let concerned = [ContextKind::InvalidArg, ContextKind::PriorArg];
    let flags: Vec<String> = concerned
        .into_iter()
        .filter_map(|kind| error.get(kind))
        .flat_map(flags_of)
        .collect();
    let foreign = |flag: &String| {
        let origin = layers.origin(flag)?;
        let is_typed = *origin == Origin::Flag(format!("--{flag}"));
        (!is_typed).then(|| (origin, format!("--{flag} comes from {origin}")))
    };
    let found: Vec<_> = flags.iter().filter_map(foreign).collect();
    let is_configuration = found
        .iter()
        .any(|(origin, _)| !matches!(origin, Origin::Flag(_)));
    let origins: Vec<_> = found.into_iter().map(|(_, words)| words).collect();
    let rendered = error.render().to_string();
    let lines: Vec<_> = rendered
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let mut message = lines.join(" ").trim_start_matches("error: ").to_owned();
    if !origins.is_empty() {
        message += &format!(" ({})", origins.join(", "));
    }
    Explained {
        message,
        flag: flags.into_iter().next(),
        is_configuration,
        origins,
    }
}

/// The names in `--l1.slot-duration <DURATION>` and the like.
fn flags_of(value: &ContextValue) -> Vec<String> {
    let name = |shown: &String| {
        let rest = shown.strip_prefix("--")?;
        rest.split([' ', '=', '[']).next().map(str::to_owned)
    };
    match value {
        ContextValue::String(shown) => name(shown).into_iter().collect(),
        ContextValue::Strings(all) => all.iter().filter_map(name).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }
    #[cfg(feature = "devnet")]
    #[test]
    #[allow(clippy::unwrap_used)]
    fn a_devnets_flags_reach_its_configuration() {
        use light_node_devnet::DevnetConfig;
        let line = "light-node devnet --stable-ports --el-sync-delay=3s --el-sync-batch=5 --el-behaviour=op-geth";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Command::Devnet(args) = cli.command else {
            panic!("another command");
        };
        let default = DevnetConfig::new("dir".into());
        let config = args.config("dir".into());
        assert!(config.stable_ports && !default.stable_ports);
        assert_eq!(config.el_sync_delay.as_secs(), 3);
        assert_eq!(config.el_sync_batch, 5);
        assert_ne!(config.el_behaviour, default.el_behaviour);
    }
}
