//! Every flag of every command has a test that proves its effect. A table names it; a flag that stands nowhere in it, a row whose
//! test is gone, and a flag of which only the way into the configuration is tested, fail here. Effects that have no other home are
//! tested in the files below.

use crate::helpers::process::plain_command;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

mod deriving;
mod devnet;
mod effects;
mod peers;
mod peers_judged;
mod proofs;
mod sequencing;
mod values;

/// The commands below `path`, as the help lists them.
pub(crate) fn commands(path: &str) -> Vec<String> {
    let help = help(path);
    let listed = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| {
        let is_name = line.starts_with("  ") && !line.starts_with("   ");
        is_name.then(|| line.split_whitespace().next()).flatten()
    });
    let names = names.filter(|name| *name != "help");
    let inner: Vec<_> = names
        .map(|name| format!("{path} {name}").trim().to_owned())
        .collect();
    let deeper = inner.iter().flat_map(|path| commands(path));
    let mut all = inner.clone();
    all.extend(deeper);
    all
}

fn help(path: &str) -> String {
    let args: Vec<_> = path.split_whitespace().chain(["--help"]).collect();
    let output = plain_command(&args).output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The flags in the help of a command.
fn flags(path: &str) -> BTreeSet<String> {
    let help = help(path);
    let flag = |line: &str| {
        let line = line.trim_start();
        let flag = line
            .split(&[' ', ',', '[', '='][..])
            .find(|word| word.starts_with("--"))?;
        (line.starts_with('-') && !matches!(flag, "--help" | "--version")).then(|| flag.to_owned())
    };
    help.lines().filter_map(flag).collect()
}

/// The text of every source and test.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            *text += &fs::read_to_string(&path).unwrap();
        }
    }
}

/// Every flag that there is, with its command.
fn found() -> BTreeSet<(String, String)> {
    let global = flags("");
    let mut found: BTreeSet<(String, String)> = global
        .iter()
        .map(|flag| (String::new(), flag.clone()))
        .collect();
    for command in commands("") {
        let own = flags(&command);
        let own = own.difference(&global);
        found.extend(own.map(|flag| (command.clone(), flag.clone())));
    }
    // Doctor takes the node's flags as the node does.
    let node = flags("node");
    found.retain(|(command, flag)| command != "doctor" || !node.contains(flag));
    found
}

/// The tests of each flag.
fn tested() -> BTreeMap<(String, String), BTreeSet<&'static str>> {
    let mut tested: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (command, flags, test) in proofs::PROOFS {
        for flag in *flags {
            let flag = ((*command).to_owned(), format!("--{flag}"));
            let is_new = tested.entry(flag.clone()).or_default().insert(*test);
            assert!(is_new, "{flag:?} stands twice for {test}");
        }
    }
    tested
}

#[test]
fn every_flag_has_a_test_of_its_effect() {
    let (found, tested) = (found(), tested());
    let untested: Vec<_> = found
        .iter()
        .filter(|flag| !tested.contains_key(*flag))
        .collect();
    assert!(untested.is_empty(), "flags without a test: {untested:?}");
    let gone: Vec<_> = tested
        .keys()
        .filter(|flag| !found.contains(*flag))
        .collect();
    assert!(gone.is_empty(), "flags that do not exist: {gone:?}");
    let is_carried_alone =
        |tests: &BTreeSet<&str>| tests.iter().all(|test| proofs::CARRIED.contains(test));
    let carried: Vec<_> = tested
        .iter()
        .filter(|(_, tests)| is_carried_alone(tests))
        .map(|(flag, _)| flag)
        .collect();
    assert!(carried.is_empty(), "flags without an effect: {carried:?}");
}

#[test]
fn every_test_that_proves_a_flag_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut text = String::new();
    for folder in ["tests", "bin", "crates"] {
        sources(&root.join(folder), &mut text);
    }
    let tests: BTreeSet<_> = proofs::PROOFS.iter().map(|(.., test)| *test).collect();
    for test in &tests {
        assert!(
            text.contains(&format!("fn {test}(")),
            "this test is gone: {test}"
        );
    }
    for test in proofs::CARRIED {
        assert!(tests.contains(test), "nothing is proved by {test}");
    }
}
