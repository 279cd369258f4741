//! The settings of a command, read from clap's own description of its flags, so that environment, file and documentation cannot
//! disagree with the flags. A flag with an environment variable is a setting; the others are orders for one run.

use crate::args::{
    value::{Endpoint, Secret},
    words::Arity,
};
use clap::{Arg, ArgAction, Command, builder::BoolishValueParser};
use std::any::TypeId;

/// Environment variable of the configuration file.
pub(crate) const CONFIG_ENV: &str = "LIGHT_NODE_CONFIG";

/// Key of an endpoint whose flag's name is also the first word of others: TOML cannot have a value and a table of one name.
const ENDPOINT_LEAF: &str = "url";

/// The same for any other flag.
const LEAF: &str = "mode";

/// One setting.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// clap's id.
    pub(crate) id: String,
    /// Name of the flag, without dashes.
    pub(crate) flag: String,
    /// Environment variable.
    pub(crate) env: String,
    /// Dotted key in the configuration file; none for what a file cannot say.
    pub(crate) key: Option<String>,
    pub(crate) arity: Arity,
    /// Takes several values.
    pub(crate) is_list: bool,
    pub(crate) kind: Kind,
}

/// What a value is, for writing it as TOML and for hiding it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Number,
    Text,
    /// May hold credentials.
    Endpoint,
    /// A key.
    Secret,
}

/// The settings of a built command.
pub(crate) fn settings_of(command: &Command) -> Vec<Setting> {
    let flags: Vec<&str> = command.get_arguments().filter_map(Arg::get_long).collect();
    let setting = |arg: &Arg| {
        let flag = arg.get_long()?.to_owned();
        let env = arg.get_env()?.to_str()?.to_owned();
        let kind = kind_of(arg);
        Some(Setting {
            id: arg.get_id().to_string(),
            key: (env != CONFIG_ENV).then(|| key_of(&flag, &flags, kind)),
            arity: arity_of(arg),
            is_list: matches!(arg.get_action(), ArgAction::Append),
            flag,
            env,
            kind,
        })
    };
    command.get_arguments().filter_map(setting).collect()
}

/// Whether the flag's value may stand in the next word.
pub(crate) fn arity_of(arg: &Arg) -> Arity {
    let is_attached = arg.is_require_equals_set();
    if arg.get_action().takes_values() && !is_attached {
        Arity::Value
    } else {
        Arity::Switch
    }
}

fn key_of(flag: &str, flags: &[&str], kind: Kind) -> String {
    let is_table = |other: &&str| {
        other
            .strip_prefix(flag)
            .is_some_and(|rest| rest.starts_with('.'))
    };
    if flags.iter().any(is_table) {
        let leaf = match kind {
            Kind::Endpoint => ENDPOINT_LEAF,
            Kind::Bool | Kind::Number | Kind::Text | Kind::Secret => LEAF,
        };
        format!("{flag}.{leaf}")
    } else {
        flag.to_owned()
    }
}

fn kind_of(arg: &Arg) -> Kind {
    let parser = arg.get_value_parser().type_id();
    let numbers = [
        TypeId::of::<u16>(),
        TypeId::of::<u32>(),
        TypeId::of::<u64>(),
        TypeId::of::<usize>(),
    ];
    if parser == TypeId::of::<bool>() {
        Kind::Bool
    } else if parser == TypeId::of::<Endpoint>() {
        Kind::Endpoint
    } else if parser == TypeId::of::<Secret>() {
        Kind::Secret
    } else if numbers.into_iter().any(|number| parser == number) {
        Kind::Number
    } else {
        Kind::Text
    }
}

/// Gives every switch that is a setting an optional value, so that a flag can take back what the environment or the file says:
/// `--rpc.enable-admin=false`.
pub(crate) fn with_values_for_switches(command: Command) -> Command {
    command
        .mut_args(|arg| {
            let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
            if !is_switch || arg.get_env().is_none() {
                return arg;
            }
            arg.action(ArgAction::Set)
                .num_args(0..=1)
                .require_equals(true)
                .value_name("BOOL")
                .value_parser(BoolishValueParser::new())
                .hide_possible_values(true)
                .default_value("false")
                .default_missing_value("true")
        })
        .mut_subcommands(with_values_for_switches)
}

/// Takes the environment out of clap's hands: [`super::layers`] has read it.
pub(crate) fn without_environment(command: Command) -> Command {
    command
        .mut_args(|arg| arg.env(None::<&str>))
        .mut_subcommands(without_environment)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::cli;

    fn node() -> Vec<Setting> {
        let command = cli::command();
        settings_of(command.find_subcommand("node").unwrap())
    }

    #[test]
    fn variables_and_keys_follow_from_the_flag() {
        for setting in node() {
            let env = format!("LIGHT_NODE_{}", setting.flag.to_uppercase());
            assert_eq!(setting.env, env.replace(['.', '-'], "_"));
            let key = match setting.flag.as_str() {
                "l1" => Some("l1.url".to_owned()),
                "l2" => Some("l2.url".to_owned()),
                "syncmode" => Some("syncmode.mode".to_owned()),
                "config" => None,
                other => Some(other.to_owned()),
            };
            assert_eq!(setting.key, key);
        }
    }

    #[test]
    fn kinds_come_from_the_parsers() {
        let kind = |flag: &str| {
            let settings = node();
            settings.iter().find(|one| one.flag == flag).unwrap().kind
        };
        assert_eq!(kind("l1"), Kind::Endpoint);
        assert_eq!(kind("l2"), Kind::Endpoint);
        assert_eq!(kind("l2.follow.source"), Kind::Endpoint);
        assert_eq!(kind("l1.beacon"), Kind::Endpoint);
        assert_eq!(kind("syncmode"), Kind::Text);
        assert_eq!(kind("l1.trust-rpc"), Kind::Bool);
        assert_eq!(kind("rpc.port"), Kind::Number);
        assert_eq!(kind("rpc.addr"), Kind::Text);
    }
}
