//! Answers about the configuration: what it is and where each value comes from, what is wrong with it, and which names of other
//! nodes it may be written in.

use crate::{
    args::{
        aliases::{self, Meaning},
        config::{Dump, ShowArgs},
        given::Origin,
        layers::{Layers, Notice},
        setting::{Kind, Setting},
        value,
    },
    cli, commands, telemetry,
};
use clap::ArgMatches;
use serde_json::{Value, json};
use std::{fmt::Write, process::ExitCode};

/// One setting as the node would use it.
struct Effective<'a> {
    setting: &'a Setting,
    values: Vec<String>,
    /// None for a default.
    origin: Option<&'a Origin>,
}

/// Whether URLs are shown as given.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Credentials {
    are_shown: bool,
}

/// Every setting of the command that was run.
fn effective<'a>(
    matches: &ArgMatches,
    layers: &'a Layers,
    credentials: Credentials,
) -> Vec<Effective<'a>> {
    let mut matches = matches;
    while let Some((_, inner)) = matches.subcommand() {
        matches = inner;
    }
    let of = |setting: &'a Setting| {
        let raw = matches.get_raw(&setting.id).into_iter().flatten();
        let mut values: Vec<_> = raw.map(|raw| raw.to_string_lossy().into_owned()).collect();
        match setting.kind {
            Kind::Bool => {
                let is_on = matches.get_one::<bool>(&setting.id).copied();
                values = vec![is_on.unwrap_or_default().to_string()];
            }
            Kind::Endpoint if !credentials.are_shown => {
                for value in &mut values {
                    *value = value::redacted(value);
                }
            }
            Kind::Secret if !credentials.are_shown => {
                values.fill(value::REDACTED.to_owned());
            }
            Kind::Endpoint | Kind::Secret | Kind::Number | Kind::Text => {}
        }
        // clap knows no default of it: other commands have another one.
        if values.is_empty() && setting.flag == "log.level" {
            values.push(telemetry::NODE_LEVEL.to_owned());
        }
        Effective {
            setting,
            values,
            origin: layers.origin(&setting.flag),
        }
    };
    layers.settings.iter().map(of).collect()
}

/// The effective configuration as a file for --config.
///
/// # Errors
/// None that could happen: every value is a word.
pub(crate) fn dump(dump: Dump, matches: &ArgMatches, layers: &Layers) -> eyre::Result<String> {
    let credentials = Credentials {
        are_shown: dump == Dump::WithCredentials,
    };
    let mut table = toml::Table::new();
    let mut is_redacted = false;
    for one in effective(matches, layers, credentials) {
        let Some(key) = &one.setting.key else {
            continue;
        };
        is_redacted |= one.values.iter().any(|value| value::is_redacted(value));
        if let Some(value) = toml_value(&one) {
            insert(&mut table, key, value);
        }
    }
    let mut text = format!(
        "# The configuration of light-node {}, for --config.\n",
        env!("CARGO_PKG_VERSION")
    );
    if is_redacted {
        text +=
            "# What may open an endpoint is left out: --dump-config=with-credentials shows it.\n";
    }
    text += &toml::to_string(&table)?;
    Ok(text)
}

fn toml_value(one: &Effective<'_>) -> Option<toml::Value> {
    let first = one.values.first()?;
    let text = || toml::Value::String(first.clone());
    Some(match one.setting.kind {
        Kind::Bool => toml::Value::Boolean(first == "true"),
        Kind::Number => first.parse().map_or_else(|_| text(), toml::Value::Integer),
        Kind::Endpoint | Kind::Secret | Kind::Text if one.setting.is_list => {
            let values = one.values.iter().cloned().map(toml::Value::String);
            toml::Value::Array(values.collect())
        }
        Kind::Endpoint | Kind::Secret | Kind::Text => text(),
    })
}

fn insert(table: &mut toml::Table, key: &str, value: toml::Value) {
    let Some((first, rest)) = key.split_once('.') else {
        table.insert(key.to_owned(), value);
        return;
    };
    let inner = table
        .entry(first)
        .or_insert_with(|| toml::Value::Table(toml::Table::new()));
    // No key is both a value and a table: a test says so.
    if let Some(inner) = inner.as_table_mut() {
        insert(inner, rest, value);
    }
}

/// Every setting with its value and its origin.
///
/// # Errors
/// None that could happen: what is written as JSON are plain words.
pub(crate) fn show(args: &ShowArgs, matches: &ArgMatches, layers: &Layers) -> eyre::Result<String> {
    let credentials = Credentials {
        are_shown: args.with_credentials,
    };
    let all = effective(matches, layers, credentials);
    if args.json {
        let all: Vec<_> = all.iter().map(as_json).collect();
        return Ok(serde_json::to_string_pretty(&all)?);
    }
    let width = |text: fn(&Effective<'_>) -> usize| all.iter().map(text).max().unwrap_or_default();
    let flags = width(|one| one.setting.flag.len()) + 2;
    let values = width(|one| one.values.join(",").len()).min(60);
    let mut text = String::new();
    for one in &all {
        let flag = format!("--{}", one.setting.flag);
        let value = one.values.join(",");
        let origin = match one.origin {
            Some(origin) => origin.to_string(),
            None if one.values.is_empty() => "not set".to_owned(),
            None => "default".to_owned(),
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{flag:flags$}  {value:values$}  {origin}");
    }
    text += &notices_as_text(&layers.notices);
    Ok(text.trim_end().to_owned())
}

fn as_json(one: &Effective<'_>) -> Value {
    let value = match one.values.as_slice() {
        [] => Value::Null,
        [value] if !one.setting.is_list => json!(value),
        values => json!(values),
    };
    let origin = match one.origin {
        Some(Origin::Flag(name)) => json!({"kind": "flag", "name": name}),
        Some(Origin::Env(name)) => json!({"kind": "env", "name": name}),
        Some(Origin::File { path, line, key }) => {
            json!({"kind": "file", "name": key, "file": path, "line": line})
        }
        None if one.values.is_empty() => json!({"kind": "unset"}),
        None => json!({"kind": "default"}),
    };
    json!({
        "flag": format!("--{}", one.setting.flag),
        "key": one.setting.key,
        "env": one.setting.env,
        "value": value,
        "origin": origin,
    })
}

fn notices_as_text(notices: &[Notice]) -> String {
    let line = |notice: &Notice| {
        let names = notice.names.join(", ");
        format!("warning: {names}: no effect, {}\n", notice.reason)
    };
    notices.iter().map(line).collect()
}

/// Judges the whole configuration, and prints every fault.
pub(crate) fn check(mut layers: Layers) -> ExitCode {
    let mut faults: Vec<_> = layers.faults.iter().map(ToString::to_string).collect();
    // Clap stops at its first error; without the flag concerned it finds the next.
    let parsed = loop {
        match cli::parse(&layers) {
            Ok(parsed) => break Some(parsed),
            Err(error) => {
                let explained = cli::explain(&error, &layers);
                faults.push(explained.message);
                let flag = explained.flag;
                if !flag.is_some_and(|flag| layers.forget(&flag)) {
                    break None;
                }
            }
        }
    };
    if let Some((args, log)) = parsed.as_ref().and_then(|(cli, _)| cli.checked_node()) {
        let filter = telemetry::filter(log, telemetry::NODE_LEVEL);
        faults.extend(filter.err().map(|fault| format!("{fault:#}")));
        let (_, more) = commands::node::judge(args);
        faults.extend(more.iter().map(|fault| format!("{fault:#}")));
    }
    for warning in notices_as_text(&layers.notices).lines() {
        commands::print_line(warning);
    }
    for fault in &faults {
        commands::print_line(&format!("fault: {fault}"));
    }
    match faults.len() {
        0 => {
            commands::print_line(
                "ok: nothing is wrong with the configuration itself; `light-node doctor` asks the endpoints, too",
            );
            ExitCode::SUCCESS
        }
        _ => ExitCode::FAILURE,
    }
}

/// The table of other nodes' names, as Markdown.
pub(crate) fn table_of_aliases() -> String {
    let mut text = String::from("| flag | variable | here |\n|---|---|---|\n");
    for alias in aliases::rows() {
        let flags: Vec<_> = alias.flags.iter().map(|flag| dashed(flag)).collect();
        let envs: Vec<_> = alias.envs.iter().map(|env| format!("`{env}`")).collect();
        let (flags, envs) = (flags.join(" "), envs.join(" "));
        let _ = writeln!(text, "| {flags} | {envs} | {} |", meaning(alias.meaning));
    }
    text.trim_end().to_owned()
}

fn dashed(flag: &str) -> String {
    match flag.len() {
        1 => format!("`-{flag}`"),
        _ => format!("`--{flag}`"),
    }
}

fn meaning(meaning: Meaning) -> String {
    match meaning {
        Meaning::Flag(flag) => format!("`--{flag}`"),
        Meaning::FlagUnless(flag, other, why) => {
            format!("`--{flag}`; no effect beside `--{other}`: {why}")
        }
        Meaning::Seconds(flag) => format!("`--{flag}`, as a number of seconds"),
        Meaning::Duration(flag) => format!("`--{flag}`, also as a number of seconds"),
        Meaning::Minutes(flag) => format!("`--{flag}`, as a number of minutes"),
        Meaning::Mode => "`Sequencer`: `--sequencer.enabled`; `Validator`: as it is".to_owned(),
        Meaning::Level => "`--log.level`, also as a number from 1 (error) to 5 (trace)".to_owned(),
        Meaning::Always(values, why) => {
            format!("`{}`: as it is; else no effect: {why}", values[0])
        }
        Meaning::Ignored(why) => format!("no effect: {why}"),
        Meaning::Only(values, why) => format!("`{}`: as it is; else refused: {why}", values[0]),
        Meaning::Refused(why) => format!("refused: {why}"),
    }
}
