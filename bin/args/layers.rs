//! Lays flags, environment and file over each other, in this order, before clap parses: what wins is written as one command line,
//! so that each value is checked by the same parser wherever it stands, and its origin is kept beside it. Within a layer our own
//! name wins over another node's name for the same thing, and two different values are a fault.

use crate::args::{
    aliases::{self, Alias, Translated},
    environment::Environment,
    file,
    given::{Fault, Given, Origin},
    setting::{self, Kind, Setting},
    words::{Arity, TypedFlag, Words},
};
use clap::Command;
use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    path::Path,
};

/// Names that were accepted and have no effect, with the reason they share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) names: Vec<String>,
    pub(crate) reason: &'static str,
}

/// All layers of one run.
#[derive(Debug)]
pub(crate) struct Layers {
    program: OsString,
    /// The subcommands, outermost first.
    path: Vec<String>,
    rest: Vec<OsString>,
    /// What wins, by flag.
    given: BTreeMap<String, Given>,
    /// Values that follow from what is given or not, as flags.
    implied: Vec<&'static str>,
    /// The settings of the command.
    pub(crate) settings: Vec<Setting>,
    pub(crate) notices: Vec<Notice>,
    pub(crate) faults: Vec<Fault>,
}

/// Reason for variables of other nodes that stand in no table.
const UNKNOWN_ELSEWHERE: &str = "no meaning of this name is known here";

impl Layers {
    /// Reads all layers for a built command.
    pub(crate) fn new(
        command: &Command,
        arguments: impl IntoIterator<Item = OsString>,
        environment: &Environment,
    ) -> Self {
        let arities = arities(command);
        let arity_of = |name: &str| {
            let own = arities.get(name).copied();
            own.or_else(|| aliases::of_flag(name).map(|alias| alias.arity))
        };
        let words = Words::new(arguments.into_iter().map(long_for_short), command, arity_of);
        if words.ask_for_help() {
            return Self::of_words_alone(words);
        }
        let here = descend(command, &words.path);
        let mut reader = Reader {
            settings: setting::settings_of(here),
            is_of_node: false,
            ignored: BTreeMap::new(),
            faults: environment.unknown(&variables(command)),
        };
        reader.is_of_node = reader.has("l2.follow.source");
        let mut rest = words.rest;
        let flags = reader.flags(words.flags, &mut rest);
        let variables = reader.variables(environment);
        let config = [&flags, &variables]
            .into_iter()
            .find_map(|layer| layer.get("config"));
        let known = setting::settings_of(descend(command, &["node".to_owned()]));
        let file = config.map_or_else(BTreeMap::new, |config| reader.file(&config.given, &known));
        let given = reader.lay_over([flags, variables, file]);
        reader.note_mode(&given);
        let implied = reader.implied(&given);
        Self {
            implied,
            program: words.program,
            path: words.path,
            rest,
            given,
            settings: reader.settings,
            notices: notices(reader.ignored),
            faults: reader.faults,
        }
    }

    fn of_words_alone(words: Words) -> Self {
        let as_typed = |flag: TypedFlag| {
            let mut word = OsString::from(format!("--{}", flag.name));
            if let Some(value) = flag.value {
                word.push("=");
                word.push(value);
            }
            word
        };
        let mut rest: Vec<_> = words.flags.into_iter().map(as_typed).collect();
        rest.extend(words.rest);
        Self {
            program: words.program,
            path: words.path,
            rest,
            implied: Vec::new(),
            given: BTreeMap::new(),
            settings: Vec::new(),
            notices: Vec::new(),
            faults: Vec::new(),
        }
    }

    /// Whether faults are what is asked for.
    pub(crate) fn ask_for_check(&self) -> bool {
        self.path == ["config", "check"] && !self.settings.is_empty()
    }

    /// The command line that says what all layers say together.
    pub(crate) fn command_line(&self) -> Vec<OsString> {
        let mut line = vec![self.program.clone()];
        line.extend(self.path.iter().map(OsString::from));
        for given in self.given.values() {
            line.extend(given.values.iter().map(|value| {
                let mut word = OsString::from(format!("--{}=", given.flag));
                word.push(value);
                word
            }));
        }
        line.extend(self.implied.iter().map(OsString::from));
        line.extend(self.rest.iter().cloned());
        line
    }

    /// Where the value of a flag comes from; none for a default.
    pub(crate) fn origin(&self, flag: &str) -> Option<&Origin> {
        self.given.get(flag).map(|given| &given.origin)
    }

    /// Takes a flag out, so that the others can be judged without it. Whether it was there.
    pub(crate) fn forget(&mut self, flag: &str) -> bool {
        let is_flag = |word: &OsString| {
            let name = word.to_str().and_then(|word| word.strip_prefix("--"));
            name.is_some_and(|word| word.split('=').next() == Some(flag))
        };
        let before = self.rest.len();
        self.rest.retain(|word| !is_flag(word));
        self.given.remove(flag).is_some() || self.rest.len() < before
    }
}

/// Short flags of other nodes, written out.
fn long_for_short(word: OsString) -> OsString {
    match word.to_str() {
        Some("-c" | "-n") => "--chain".into(),
        Some("-q") => "--logs.stdout.quiet".into(),
        Some(count)
            if count.starts_with("-v") && count[1..].bytes().all(|letter| letter == b'v') =>
        {
            "--v".into()
        }
        _ => word,
    }
}

/// Each flag of each command with its arity.
fn arities(command: &Command) -> BTreeMap<String, Arity> {
    let own = command.get_arguments().filter_map(|arg| {
        let name = arg.get_long()?.to_owned();
        let is_question = matches!(name.as_str(), "help" | "version");
        (!is_question).then(|| (name, setting::arity_of(arg)))
    });
    own.chain(command.get_subcommands().flat_map(arities))
        .collect()
}

/// Every variable of every command.
fn variables(command: &Command) -> Vec<String> {
    let own = setting::settings_of(command)
        .into_iter()
        .map(|setting| setting.env);
    let all: BTreeSet<_> = own
        .chain(command.get_subcommands().flat_map(variables))
        .collect();
    all.into_iter().collect()
}

fn descend<'a>(command: &'a Command, path: &[String]) -> &'a Command {
    path.iter().fold(command, |here, name| {
        here.find_subcommand(name).unwrap_or(here)
    })
}

/// One flag's value within a layer.
#[derive(Debug)]
struct Entry {
    given: Given,
    is_own: bool,
    /// A flag beside which it means nothing, and why.
    unless: Option<(&'static str, &'static str)>,
}

type Layer = BTreeMap<String, Entry>;

/// Reads the layers of one command.
struct Reader {
    settings: Vec<Setting>,
    /// The command configures a node, so that other nodes' names matter even where they mean nothing.
    is_of_node: bool,
    /// Names without effect by reason.
    ignored: BTreeMap<&'static str, Vec<String>>,
    faults: Vec<Fault>,
}

impl Reader {
    fn has(&self, flag: &str) -> bool {
        self.settings.iter().any(|setting| setting.flag == flag)
    }

    fn setting(&self, flag: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.flag == flag)
    }

    /// The layer of the command line. What is no setting goes to the `rest`.
    fn flags(&mut self, typed: Vec<TypedFlag>, rest: &mut Vec<OsString>) -> Layer {
        let mut layer = Layer::new();
        for TypedFlag { name, value } in typed {
            let dashed = format!("--{name}");
            let own = self.setting(&name).map(|setting| setting.arity);
            let alias = aliases::of_flag(&name).filter(|_| self.is_of_node);
            match (own, alias, value) {
                (Some(Arity::Switch), _, None) => {
                    self.own(&mut layer, &name, "true".into(), Origin::Flag(dashed));
                }
                (Some(_), _, Some(value)) => {
                    self.own(&mut layer, &name, value, Origin::Flag(dashed));
                }
                (None, Some(alias), value) => {
                    self.alias(&mut layer, alias, value.as_deref(), Origin::Flag(dashed));
                }
                // Clap knows what is wrong with it, if anything is.
                (_, _, None) => rest.push(dashed.into()),
                (_, _, Some(value)) => {
                    let mut word = OsString::from(dashed + "=");
                    word.push(value);
                    rest.push(word);
                }
            }
        }
        layer
    }

    /// The layer of the environment.
    fn variables(&mut self, environment: &Environment) -> Layer {
        let mut layer = Layer::new();
        for setting in self.settings.clone() {
            if let Some(value) = environment.get(&setting.env) {
                let origin = Origin::Env(setting.env);
                self.own(&mut layer, &setting.flag, value.clone(), origin);
            }
        }
        for (name, value) in environment.with_prefixes(&aliases::FOREIGN_PREFIXES) {
            let origin = Origin::Env(name.to_owned());
            match aliases::of_env(name) {
                Some(alias) => self.alias(&mut layer, alias, Some(value), origin),
                None => self.ignore(&origin, UNKNOWN_ELSEWHERE),
            }
        }
        layer
    }

    /// The layer of the file that --config names, as far as this command wants to know it.
    fn file(&mut self, config: &Given, known: &[Setting]) -> Layer {
        let Some(path) = config.values.last() else {
            return Layer::new();
        };
        let (given, faults) = file::read(Path::new(path), known);
        self.faults.extend(faults);
        let entry = |given: Given| {
            let flag = given.flag.clone();
            let entry = Entry {
                given,
                is_own: true,
                unless: None,
            };
            (flag, entry)
        };
        let wanted = given.into_iter().filter(|given| self.has(&given.flag));
        wanted.map(entry).collect()
    }

    fn own(&mut self, layer: &mut Layer, flag: &str, value: OsString, origin: Origin) {
        if let Some(entry) = layer.get_mut(flag)
            && entry.is_own
        {
            entry.given.values.push(value);
            return;
        }
        let entry = Entry {
            given: Given {
                flag: flag.to_owned(),
                values: vec![value],
                origin,
            },
            is_own: true,
            unless: None,
        };
        if let Some(other) = layer.insert(flag.to_owned(), entry) {
            self.compare(&layer[flag], &other);
        }
    }

    fn alias(&mut self, layer: &mut Layer, alias: &Alias, value: Option<&OsStr>, origin: Origin) {
        match alias.translate(value) {
            Translated::AsItIs => {}
            Translated::Ignored(reason) => self.ignore(&origin, reason),
            Translated::Refused(reason) if self.is_of_node => {
                let fault = Fault::at(&origin, format!("{origin} cannot be followed: {reason}"));
                self.faults.push(fault);
            }
            Translated::Refused(_) => {}
            Translated::Given { flag, .. } if !self.has(flag) => {}
            Translated::Given {
                flag,
                value,
                unless,
            } => {
                let entry = Entry {
                    given: Given {
                        flag: flag.to_owned(),
                        values: vec![value],
                        origin,
                    },
                    is_own: false,
                    unless,
                };
                self.put_alias(layer, entry);
            }
        }
    }

    /// Another node's name stands behind ours, and behind an earlier one for the same thing.
    fn put_alias(&mut self, layer: &mut Layer, entry: Entry) {
        let flag = entry.given.flag.clone();
        let is_list = self.setting(&flag).is_some_and(|setting| setting.is_list);
        match layer.get_mut(&flag) {
            None => {
                layer.insert(flag, entry);
            }
            // The same name again is one more value, of which clap says whether there may be several.
            Some(first) if first.given.origin == entry.given.origin && is_list => {
                first.given.values.extend(entry.given.values);
            }
            Some(first) => {
                let first = std::mem::replace(first, entry);
                self.compare(&first, &layer[&flag]);
                layer.insert(flag, first);
            }
        }
    }

    /// Two names for the same thing must say the same.
    fn compare(&mut self, one: &Entry, other: &Entry) {
        let (one, other) = (&one.given, &other.given);
        if one.values == other.values {
            return;
        }
        let kind = self.setting(&one.flag).map(|setting| setting.kind);
        let values = match kind {
            // They may hold credentials.
            Some(Kind::Endpoint | Kind::Secret) | None => String::new(),
            Some(_) => format!(" ({} and {})", shown(&one.values), shown(&other.values)),
        };
        let message = format!(
            "{} and {} say different things for --{}{values}: give one of them",
            one.origin, other.origin, one.flag
        );
        self.faults.push(Fault::at(&one.origin, message));
    }

    fn ignore(&mut self, origin: &Origin, reason: &'static str) {
        if self.is_of_node {
            let names = self.ignored.entry(reason).or_default();
            let name = origin.to_string();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }

    /// A node that knows no peer and is told nothing of any would only open ports.
    fn implied(&self, given: &BTreeMap<String, Given>) -> Vec<&'static str> {
        let is_of_peers = |flag: &String| flag.starts_with("p2p.");
        let has_peers = given.keys().any(is_of_peers) || is_on(given, "sequencer.enabled");
        if self.has("p2p.disable") && !has_peers {
            vec!["--p2p.disable=true"]
        } else {
            Vec::new()
        }
    }

    /// Flags of the mode that the node is not in have no effect.
    fn note_mode(&mut self, given: &BTreeMap<String, Given>) {
        let without_effect = if given.contains_key("l2.follow.source") {
            aliases::OF_DERIVATION
        } else {
            aliases::OF_FOLLOWING
        };
        let is_sequencing = is_on(given, "sequencer.enabled");
        for (flag, reason) in without_effect {
            if is_sequencing && aliases::OF_SEQUENCING.contains(flag) {
                continue;
            }
            if let Some(given) = given.get(*flag) {
                self.ignore(&given.origin, reason);
            }
        }
        let of_sequencer = aliases::OF_SEQUENCER.iter().filter(|_| !is_sequencing);
        for given in of_sequencer.filter_map(|flag| given.get(*flag)) {
            if !aliases::is_off(given.values.last()) {
                self.ignore(&given.origin, aliases::NO_SEQUENCING);
            }
        }
        if is_on(given, "safedb.disable")
            && let Some(path) = given.get("safedb.path")
        {
            self.ignore(&path.origin, aliases::NO_HISTORY);
        }
    }

    /// The highest layer that says something, for each flag.
    fn lay_over(&mut self, layers: [Layer; 3]) -> BTreeMap<String, Given> {
        let mut all = Layer::new();
        for layer in layers {
            for (flag, entry) in layer {
                all.entry(flag).or_insert(entry);
            }
        }
        let is_given: BTreeSet<String> = all.keys().cloned().collect();
        let mut winners = BTreeMap::new();
        for (flag, entry) in all {
            match entry.unless {
                Some((other, why)) if is_given.contains(other) => {
                    self.ignore(&entry.given.origin, why);
                }
                _ => {
                    winners.insert(flag, entry.given);
                }
            }
        }
        winners
    }
}

/// Whether a switch is given and not off.
fn is_on(given: &BTreeMap<String, Given>, flag: &str) -> bool {
    let switch = given.get(flag);
    switch.is_some_and(|given| !aliases::is_off(given.values.last()))
}

fn shown(values: &[OsString]) -> String {
    let words: Vec<_> = values.iter().map(|value| value.to_string_lossy()).collect();
    words.join(",")
}

fn notices(ignored: BTreeMap<&'static str, Vec<String>>) -> Vec<Notice> {
    let notice = |(reason, names)| Notice { names, reason };
    ignored.into_iter().map(notice).collect()
}

#[cfg(test)]
mod tests;
