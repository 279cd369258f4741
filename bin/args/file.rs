//! The configuration file as a layer: TOML whose keys are the names of the flags, dots between tables. What it says wrongly is
//! reported with line and key, all of it at once, and without repeating a line: it may hold a URL with a key in it.

use crate::args::{
    given::{Fault, Given, Origin, nearest},
    setting::{Kind, Setting},
};
use std::{ffi::OsString, path::Path, sync::Arc};
use toml::de::{DeTable, DeValue};

/// No configuration is longer; a device or a log given by mistake is not read to its end.
const MAX_BYTES: u64 = 1 << 20;

/// Reads a file for the command with these settings. `known` are the settings of the node: a file may say more than a
/// command wants to know.
pub(crate) fn read(path: &Path, known: &[Setting]) -> (Vec<Given>, Vec<Fault>) {
    match read_text(path) {
        Ok(text) => parse(path, &text, known),
        Err(cause) => {
            let path = path.display();
            let fault = Fault::configuration(format!("cannot read --config={path}: {cause}"));
            (Vec::new(), vec![fault])
        }
    }
}

fn read_text(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

/// What the text says, and what is wrong with it.
fn parse(path: &Path, text: &str, known: &[Setting]) -> (Vec<Given>, Vec<Fault>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        path: path.into(),
        text,
        known,
        given: Vec::new(),
        faults: Vec::new(),
    };
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        reader.fault(at, error.message());
    }
    reader.table("", table.get_ref());
    // The parser has no order but the alphabet's.
    reader.given.sort_by_key(|given| match given.origin {
        Origin::File { line, .. } => line,
        _ => 0,
    });
    (reader.given, reader.faults)
}

struct Reader<'a> {
    path: Arc<Path>,
    text: &'a str,
    known: &'a [Setting],
    given: Vec<Given>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = match prefix {
                "" => name.get_ref().to_string(),
                prefix => format!("{prefix}.{}", name.get_ref()),
            };
            let at = name.span().start;
            match value.get_ref() {
                DeValue::Table(inner) if self.is_table(&key) => self.table(&key, inner),
                value => self.value(at, key, value),
            }
        }
    }

    fn is_table(&self, key: &str) -> bool {
        let mut keys = self
            .known
            .iter()
            .filter_map(|setting| setting.key.as_deref());
        keys.any(|known| {
            known
                .strip_prefix(key)
                .is_some_and(|rest| rest.starts_with('.'))
        })
    }

    fn value(&mut self, at: usize, key: String, value: &DeValue<'_>) {
        let known = self.known;
        let of_key = |setting: &&Setting| setting.key.as_deref() == Some(key.as_str());
        let Some(setting) = known.iter().find(of_key) else {
            let hint = self.hint(&key);
            return self.fault(
                at,
                &format!("the key `{key}` means nothing to light-node; {hint}"),
            );
        };
        match values(setting, value) {
            Ok(values) => {
                let origin = Origin::File {
                    path: self.path.clone(),
                    line: self.line(at),
                    key,
                };
                self.given.push(Given {
                    flag: setting.flag.clone(),
                    values,
                    origin,
                });
            }
            Err(expected) => self.fault(at, &format!("`{key}` must be {expected}")),
        }
    }

    fn hint(&self, key: &str) -> String {
        // Somebody who writes `l1 = "..."` has the flag's name in mind.
        if self.is_table(key) {
            let leaf = self.known.iter().find(|setting| setting.flag == key);
            return match leaf.and_then(|setting| setting.key.as_deref()) {
                Some(leaf) => format!("the flag --{key} is `{leaf}` here"),
                None => format!("it is the table [{key}]"),
            };
        }
        let keys = self
            .known
            .iter()
            .filter_map(|setting| setting.key.as_deref());
        nearest(key, keys).map_or_else(
            || "`light-node config show` names all of them".to_owned(),
            |nearest| format!("did you mean `{nearest}`?"),
        )
    }

    fn line(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(self.text);
        before.matches('\n').count() + 1
    }

    fn fault(&mut self, at: usize, what: &str) {
        let line = self.line(at);
        let path = self.path.display();
        self.faults
            .push(Fault::configuration(format!("{path}:{line}: {what}")));
    }
}

/// The values of a key as words of the command line, or what they should have been.
fn values(setting: &Setting, value: &DeValue<'_>) -> Result<Vec<OsString>, &'static str> {
    match value {
        DeValue::Array(items) if setting.is_list => items
            .iter()
            .map(|item| word(setting, item.get_ref()).ok_or("a list of strings"))
            .collect(),
        value if setting.is_list => word(setting, value)
            .map(|word| vec![word])
            .ok_or("a string or a list of strings"),
        value => word(setting, value)
            .map(|word| vec![word])
            .ok_or("one string, number or boolean"),
    }
}

fn word(setting: &Setting, value: &DeValue<'_>) -> Option<OsString> {
    let word = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.to_string(),
        // Which numbers may have a fraction is known where they are parsed.
        DeValue::Float(number) if setting.kind == Kind::Number => number.to_string(),
        DeValue::Boolean(is) => is.to_string(),
        DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
            return None;
        }
    };
    Some(word.into())
}

#[cfg(test)]
mod tests;
