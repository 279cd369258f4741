//! Names that op-node, kona-node and its relatives have for what we have, too, so that their units and compose files start this
//! node. One table says of each name what it means here: a flag of ours, nothing, or something that must not be ignored.

mod peers;
mod table;

use crate::args::words::Arity;
use peers::OF_PEERS;
use std::ffi::{OsStr, OsString};
use table::ALIASES;
pub(crate) use table::{
    NO_HISTORY, NO_SEQUENCING, OF_DERIVATION, OF_FOLLOWING, OF_SEQUENCER, OF_SEQUENCING,
};

/// Prefixes of other nodes' variables; the rest of the name is the same in all of them where they mean the same.
pub(crate) const NODE_PREFIXES: [&str; 3] = ["OP_NODE_", "KONA_NODE_", "BASE_NODE_"];

/// Prefixes of all variables of other nodes.
pub(crate) const FOREIGN_PREFIXES: [&str; 5] = [
    "OP_NODE_",
    "KONA_",
    "BASE_NODE_",
    "BASE_LOG_",
    "BASE_METRICS_",
];

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Alias {
    /// Flags without dashes. `p2p.*` stands for all that begin with `p2p.`.
    pub(crate) flags: &'static [&'static str],
    /// Variables, without the prefix of the node or, where prefixes differ, with it. `P2P_*` stands for all that begin so.
    pub(crate) envs: &'static [&'static str],
    pub(crate) arity: Arity,
    pub(crate) meaning: Meaning,
}

/// What a name means here.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Meaning {
    /// A flag of ours, with the same values.
    Flag(&'static str),
    /// A duration flag of ours; the value is a number of seconds, 0 leaves our default.
    Seconds(&'static str),
    /// A duration flag of ours; the value is a duration, or a number of seconds.
    Duration(&'static str),
    /// A duration flag of ours; the value is a number of minutes.
    Minutes(&'static str),
    /// Whether the node sequences; the value is `Sequencer` or `Validator`.
    Mode,
    /// --log.level; the value is a number from 1 (error) to 5 (trace), or a name.
    Level,
    /// A flag of ours, unless another is given, which says it better.
    FlagUnless(&'static str, &'static str, &'static str),
    /// What this node always does: one of these values changes nothing, others are not followed, and said so.
    Always(&'static [&'static str], &'static str),
    /// Has no effect here, and that is said once with the reason.
    Ignored(&'static str),
    /// Must be one of these values, because doing otherwise than asked would be dangerous.
    Only(&'static [&'static str], &'static str),
    /// Would be dangerous to ignore. A switch that is off asks for nothing.
    Refused(&'static str),
}

/// What a name with a value comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Translated {
    /// A value for a flag of ours.
    Given {
        flag: &'static str,
        value: OsString,
        /// A flag of ours beside which this one means nothing, and why.
        unless: Option<(&'static str, &'static str)>,
    },
    /// What is done anyhow.
    AsItIs,
    /// No effect, for this reason.
    Ignored(&'static str),
    /// Not possible, for this reason.
    Refused(String),
}

/// The row of a flag.
pub(crate) fn of_flag(flag: &str) -> Option<&'static Alias> {
    best(flag, |alias| alias.flags)
}

/// The row of a variable.
pub(crate) fn of_env(env: &str) -> Option<&'static Alias> {
    let suffix = NODE_PREFIXES
        .iter()
        .find_map(|prefix| env.strip_prefix(prefix));
    best(env, |alias| alias.envs).or_else(|| best(suffix?, |alias| alias.envs))
}

/// The row that names it, or else the one whose `*` covers it.
fn best(name: &str, names: fn(&Alias) -> &'static [&'static str]) -> Option<&'static Alias> {
    let covers = |pattern: &&str| {
        let prefix = pattern.strip_suffix('*');
        prefix.is_some_and(|prefix| name.starts_with(prefix))
    };
    let exact = rows().find(|alias| names(alias).contains(&name));
    exact.or_else(|| rows().find(|alias| names(alias).iter().any(covers)))
}

/// The whole table.
pub(crate) fn rows() -> impl Iterator<Item = &'static Alias> {
    ALIASES.iter().chain(OF_PEERS)
}

impl Alias {
    /// What this name with this value comes to.
    pub(crate) fn translate(&self, value: Option<&OsStr>) -> Translated {
        let value = match (value, self.arity) {
            (Some(value), _) => value,
            (None, Arity::Switch) => OsStr::new("true"),
            (None, Arity::Value) => return Translated::Refused("a value is missing".to_owned()),
        };
        let given = |flag, value: &OsStr, unless| Translated::Given {
            flag,
            value: value.to_owned(),
            unless,
        };
        match self.meaning {
            Meaning::Flag(flag) => given(flag, value, None),
            Meaning::FlagUnless(flag, other, why) => given(flag, value, Some((other, why))),
            Meaning::Seconds(flag) => seconds(flag, value),
            Meaning::Duration(flag) if is_number(value) => with_unit(flag, value, "s"),
            Meaning::Minutes(flag) if is_number(value) => with_unit(flag, value, "m"),
            Meaning::Duration(flag) | Meaning::Minutes(flag) => given(flag, value, None),
            Meaning::Mode => mode(value),
            Meaning::Level => level(value),
            Meaning::Always(values, _) if is_one_of(value, values) => Translated::AsItIs,
            Meaning::Always(_, why) | Meaning::Ignored(why) => Translated::Ignored(why),
            Meaning::Only(values, _) if is_one_of(value, values) => Translated::AsItIs,
            Meaning::Refused(_) if self.arity == Arity::Switch && is_one_of(value, OFF) => {
                Translated::AsItIs
            }
            Meaning::Only(_, why) | Meaning::Refused(why) => Translated::Refused(why.to_owned()),
        }
    }
}

/// How a switch is off.
const OFF: &[&str] = &["false", "f", "0", "no", "off"];

/// Whether a switch is given as off.
pub(crate) fn is_off(value: Option<&OsString>) -> bool {
    value.is_some_and(|value| is_one_of(value, OFF))
}

fn is_one_of(value: &OsStr, values: &[&str]) -> bool {
    let value = value.to_str().unwrap_or_default();
    values.iter().any(|known| known.eq_ignore_ascii_case(value))
}

fn is_number(value: &OsStr) -> bool {
    let digits = value.as_encoded_bytes();
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn with_unit(flag: &'static str, value: &OsStr, unit: &str) -> Translated {
    let mut value = value.to_owned();
    value.push(unit);
    Translated::Given {
        flag,
        value,
        unless: None,
    }
}

fn mode(value: &OsStr) -> Translated {
    if is_one_of(value, &["validator"]) {
        return Translated::AsItIs;
    }
    if is_one_of(value, &["sequencer"]) {
        return Translated::Given {
            flag: "sequencer.enabled",
            value: "true".into(),
            unless: None,
        };
    }
    Translated::Refused("it must be Validator or Sequencer".to_owned())
}

fn seconds(flag: &'static str, value: &OsStr) -> Translated {
    match value.to_str().and_then(|value| value.parse::<u64>().ok()) {
        Some(0) => Translated::AsItIs,
        Some(seconds) => Translated::Given {
            flag,
            value: format!("{seconds}s").into(),
            unless: None,
        },
        None => Translated::Refused("it must be a whole number of seconds".to_owned()),
    }
}

/// kona's levels are numbers.
const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

fn level(value: &OsStr) -> Translated {
    let number = value.to_str().and_then(|value| value.parse::<usize>().ok());
    let level = match number {
        None => value.to_owned(),
        Some(number) => match LEVELS.get(number.wrapping_sub(1)) {
            Some(level) => level.into(),
            None => {
                return Translated::Refused("it must be from 1 (error) to 5 (trace)".to_owned());
            }
        },
    };
    Translated::Given {
        flag: "log.level",
        value: level,
        unless: None,
    }
}

#[cfg(test)]
mod tests;
