//! Takes the words of the command line apart before clap sees them: which command, which flags with which values, and the rest.
//! Needed to know what was typed, for the layers below the command line and for the names of other nodes.

use clap::Command;
use std::ffi::OsString;

/// A flag as typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TypedFlag {
    /// Without dashes.
    pub(crate) name: String,
    /// After `=`, or the next word.
    pub(crate) value: Option<OsString>,
}

/// The words of one command line.
#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(crate) program: OsString,
    /// The subcommands, outermost first: `["config", "show"]`.
    pub(crate) path: Vec<String>,
    /// Flags that somebody knows, in the order typed.
    pub(crate) flags: Vec<TypedFlag>,
    /// Everything else in the order typed: positional words, short flags, what nobody knows.
    pub(crate) rest: Vec<OsString>,
}

/// Whether a flag's value may be the next word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arity {
    /// `--flag=value` or `--flag value`.
    Value,
    /// `--flag` or `--flag=value`.
    Switch,
}

impl Words {
    /// Takes the arguments apart. `command` is built; `arity_of` says which flags exist. Flags may stand before the subcommand, no
    /// subcommand means `node`, and a program name as first argument, as container images pass it, is dropped.
    pub(crate) fn new(
        given: impl IntoIterator<Item = OsString>,
        command: &Command,
        arity_of: impl Fn(&str) -> Option<Arity>,
    ) -> Self {
        let mut given = given.into_iter();
        let program = given.next().unwrap_or_else(|| "light-node".into());
        let mut words = Self {
            program,
            ..Self::default()
        };
        let mut given = given.peekable();
        given.next_if(|first| first == "light-node");
        let mut here = command;
        while let Some(word) = given.next() {
            if word == "--" {
                words.rest.push(word);
                words.rest.extend(given.by_ref());
            } else if let Some((name, arity, value)) = flag(&word, &arity_of) {
                let may_follow = value.is_none() && arity == Arity::Value;
                let next = || given.next_if(|next| !looks_like_flag(next));
                let value = value.or_else(|| may_follow.then(next).flatten());
                words.flags.push(TypedFlag { name, value });
            } else if let Some(inner) = word.to_str().and_then(|word| here.find_subcommand(word)) {
                words.path.push(inner.get_name().to_owned());
                here = inner;
            } else {
                words.rest.push(word);
            }
        }
        words.put_in_default_command();
        words
    }

    fn put_in_default_command(&mut self) {
        let asks_of_the_program = self.flags.is_empty() && self.rest.iter().any(is_help);
        let names_what_is_no_command = self.rest.iter().any(|word| !looks_like_flag(word));
        if self.path.is_empty() && !asks_of_the_program && !names_what_is_no_command {
            self.path.push("node".to_owned());
        }
    }

    /// Whether this is a question about the program, which nothing but the words may answer.
    pub(crate) fn ask_for_help(&self) -> bool {
        let first = self.path.first().map(String::as_str);
        matches!(first, None | Some("help" | "completions" | "version"))
            || self.rest.iter().any(is_help)
    }
}

/// Name, arity and attached value of a word that is a known flag.
fn flag(
    word: &OsString,
    arity_of: impl Fn(&str) -> Option<Arity>,
) -> Option<(String, Arity, Option<OsString>)> {
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    let bytes = word.as_bytes().strip_prefix(b"--")?;
    let split = bytes.iter().position(|byte| *byte == b'=');
    let (name, value) = match split {
        Some(at) => (&bytes[..at], Some(bytes[at + 1..].to_vec())),
        None => (bytes, None),
    };
    let name = std::str::from_utf8(name).ok()?;
    let arity = arity_of(name)?;
    Some((name.to_owned(), arity, value.map(OsString::from_vec)))
}

fn looks_like_flag(word: &OsString) -> bool {
    word.as_encoded_bytes().starts_with(b"-")
}

fn is_help(word: &OsString) -> bool {
    ["--help", "-h", "--version", "-V"]
        .iter()
        .any(|known| word == known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::CommandFactory;

    fn words(given: &[&str]) -> Words {
        let mut command = Cli::command();
        command.build();
        let arity_of = |name: &str| match name {
            "l1" | "log.level" | "chain" => Some(Arity::Value),
            "l1.trust-rpc" => Some(Arity::Switch),
            _ => None,
        };
        Words::new(given.iter().map(OsString::from), &command, arity_of)
    }

    fn typed(name: &str, value: Option<&str>) -> TypedFlag {
        TypedFlag {
            name: name.to_owned(),
            value: value.map(OsString::from),
        }
    }

    #[test]
    fn no_subcommand_means_node() {
        assert_eq!(words(&["ln"]).path, ["node"]);
        assert_eq!(words(&["ln", "--l1=x"]).path, ["node"]);
        assert_eq!(words(&["ln", "--l1=x", "--help"]).path, ["node"]);
        assert_eq!(words(&["ln", "--unknown"]).path, ["node"]);
        assert_eq!(words(&["ln", "config", "show"]).path, ["config", "show"]);
        for given in ["--version", "--help", "-h", "nod"] {
            assert!(words(&["ln", given]).path.is_empty(), "{given}");
        }
    }

    #[test]
    fn flags_stand_before_or_after_the_subcommand() {
        let before = words(&["ln", "--chain", "10", "--log.level=debug", "node"]);
        let after = words(&["ln", "node", "--chain=10", "--log.level", "debug"]);
        for words in [before, after] {
            assert_eq!(words.path, ["node"]);
            let debug = typed("log.level", Some("debug"));
            assert_eq!(words.flags, [typed("chain", Some("10")), debug]);
            assert!(words.rest.is_empty());
        }
    }

    #[test]
    fn a_switch_takes_no_word_and_a_flag_no_flag() {
        let words = words(&["ln", "--l1.trust-rpc", "node", "--l1", "--chain=1"]);
        assert_eq!(words.path, ["node"]);
        let chain = typed("chain", Some("1"));
        let switch = typed("l1.trust-rpc", None);
        assert_eq!(words.flags, [switch, typed("l1", None), chain]);
    }

    #[test]
    fn a_leading_program_name_is_dropped() {
        let words = words(&["ln", "light-node", "--l1=x"]);
        assert_eq!(words.path, ["node"]);
        assert!(words.rest.is_empty());
    }
}
