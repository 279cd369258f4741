//! What the binary says of itself by `--help`, and the files that speak about it: so that the two can be compared.

use super::process::plain_command;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Flags and variables of every command, and which commands there are.
#[derive(Debug, Default)]
pub(crate) struct Manual {
    /// Flags with their dashes, by the command's words.
    flags: BTreeMap<Vec<String>, BTreeSet<String>>,
    envs: BTreeSet<String>,
    /// Commands that take the node's flags without listing them.
    like_node: BTreeSet<Vec<String>>,
}

impl Manual {
    /// Asks the binary for all its help.
    pub(crate) fn new() -> Self {
        let mut manual = Self::default();
        manual.read(&[]);
        assert!(manual.knows_env("LIGHT_NODE_L1"), "{manual:?}");
        manual
    }

    fn read(&mut self, command: &[String]) {
        let help = help(command);
        let mut flags = BTreeSet::new();
        let mut subcommands = Vec::new();
        let mut is_list_of_commands = false;
        for line in help.lines() {
            let text = line.trim();
            if !line.starts_with(' ') {
                is_list_of_commands = text == "Commands:";
            } else if is_list_of_commands {
                let name = text.split(' ').next().unwrap_or_default();
                // Deeper lines go on with a description.
                if line.starts_with("  ") && !line.starts_with("   ") && name != "help" {
                    subcommands.push(name.to_owned());
                }
            } else if text.starts_with('-') {
                flags.extend(
                    text.split([' ', ','])
                        .filter_map(flag_name)
                        .map(str::to_owned),
                );
            } else if let Some(env) = text.strip_prefix("[env: ") {
                self.envs
                    .extend(words_with("LIGHT_NODE_", env).map(str::to_owned));
            }
        }
        let words: Vec<_> = help.split_whitespace().collect();
        if words.join(" ").contains("Takes the flags of `node`") {
            self.like_node.insert(command.to_vec());
        }
        self.flags.insert(command.to_vec(), flags);
        for name in subcommands {
            self.read(&[command, &[name]].concat());
        }
    }

    pub(crate) fn knows_env(&self, name: &str) -> bool {
        self.envs.contains(name)
    }

    /// Whether the node has this flag, given with its dashes.
    pub(crate) fn knows_node_flag(&self, flag: &str) -> bool {
        self.flags[&vec!["node".to_owned()]].contains(flag)
    }

    /// What is wrong with a command line of ours, given its words after the program's name.
    pub(crate) fn faults(&self, words: &[&str]) -> Vec<String> {
        let mut command = Vec::new();
        let mut rest = words.iter().copied().peekable();
        rest.next_if_eq(&"light-node");
        while let Some(name) = rest.peek() {
            let longer = [command.as_slice(), &[(*name).to_owned()]].concat();
            if !self.flags.contains_key(&longer) {
                break;
            }
            command = longer;
            rest.next();
        }
        let is_flag = rest.peek().is_none_or(|word| word.starts_with('-'));
        let has_subcommands = self
            .flags
            .keys()
            .any(|other| other.len() > command.len() && other.starts_with(&command));
        if has_subcommands && !is_flag {
            return vec![format!("`{}` is no command", words.join(" "))];
        }
        if command.is_empty() {
            let is_question = ["--help", "--version", "-h", "-V"];
            if rest.peek().is_none_or(|word| is_question.contains(word)) {
                return Vec::new();
            }
            command.push("node".to_owned());
        }
        let known = &self.flags[&command];
        rest.filter_map(flag_name)
            .filter(|flag| !known.contains(*flag))
            .filter(|flag| !(self.like_node.contains(&command) && self.knows_node_flag(flag)))
            .map(|flag| format!("`{}` has no {flag}", command.join(" ")))
            .collect()
    }
}

fn help(command: &[String]) -> String {
    let output = plain_command(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// `--flag` of `--flag=value`, `--flag[=<VALUE>]` and `--flag`.
fn flag_name(word: &str) -> Option<&str> {
    let name = word.split(['=', '[']).next()?;
    (name.len() > 2 && name.starts_with("--")).then_some(name)
}

/// Every word of `text` that begins with `prefix` and goes on with letters, digits and underscores.
pub(crate) fn words_with<'a>(prefix: &str, text: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(move |word| word.starts_with(prefix))
}

/// A path below the root of the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The content of a file by its path below the root of the repository.
pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|cause| panic!("{name}: {cause}"))
}

/// All files below a folder of the repository whose name ends so, by their paths below the root.
pub(crate) fn files(folder: &str, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path(folder)).unwrap_or_else(|cause| panic!("{folder}: {cause}")) {
        let entry = entry.unwrap();
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(&name, ending));
        } else if name.ends_with(ending) {
            found.push(name);
        }
    }
    found.sort();
    found
}

/// The README and every page under docs/.
pub(crate) fn pages() -> Vec<String> {
    let mut pages = files("docs", ".md");
    pages.insert(0, "README.md".to_owned());
    pages
}
