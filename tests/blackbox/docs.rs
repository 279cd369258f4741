//! Pages must stay true: links lead somewhere, everything that the node complains about has its place in
//! docs/troubleshooting.md, and metrics that are named exist.

use crate::helpers::manual::{files, pages, path, read, words_with};
use std::{collections::BTreeSet, path::Path};

const TROUBLESHOOTING: &str = "docs/troubleshooting.md";

/// The anchors that a page's headings have, in the way of the hosts that show Markdown.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut is_code = false;
    let mut anchors = BTreeSet::new();
    for line in page.lines() {
        is_code ^= line.starts_with("```");
        if let Some(title) = line.strip_prefix('#')
            && !is_code
        {
            let title = title.trim_start_matches('#').trim().to_lowercase();
            let kept = title
                .chars()
                .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
            anchors.insert(
                kept.map(|letter| if letter == ' ' { '-' } else { letter })
                    .collect(),
            );
        }
    }
    anchors
}

/// The targets of a page's links.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
}

#[test]
fn links_of_pages_lead_somewhere() {
    for name in pages() {
        let page = read(&name);
        let folder = Path::new(&name).parent().unwrap();
        for link in links(&page).filter(|link| !link.contains("://")) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                name.clone()
            } else {
                folder.join(file).display().to_string()
            };
            assert!(path(&target).exists(), "{name} links to {link}");
            if !anchor.is_empty() {
                assert!(
                    anchors(&read(&target)).contains(anchor),
                    "{name} links to {link}"
                );
            }
        }
    }
}

#[test]
fn runbooks_of_alerts_exist() {
    let anchors = anchors(&read(TROUBLESHOOTING));
    let mut seen = 0;
    for name in files("docs/grafana", ".yml") {
        for rest in read(&name).split("troubleshooting.md#").skip(1) {
            let anchor = rest
                .split(|letter: char| letter.is_whitespace() || letter == '"')
                .next();
            let anchor = anchor.unwrap_or_default();
            assert!(anchors.contains(anchor), "{name} links to #{anchor}");
            seen += 1;
        }
    }
    assert!(seen > 0, "no alert names its runbook");
}

/// The code of the node, without the devnet and without tests.
fn sources() -> Vec<(String, String)> {
    let mut names = files("bin", ".rs");
    for krate in [
        "actor",
        "derivation",
        "engine",
        "engine-api",
        "follow",
        "l1",
        "metrics",
        "network",
        "node",
        "protocol",
        "rpc",
        "safedb",
        "sequencer",
    ] {
        names.extend(files(&format!("crates/{krate}/src"), ".rs"));
    }
    let is_test = |name: &String| {
        [
            "/tests/",
            "/tests.rs",
            "test_utils",
            "testing",
            "bench_door",
            "test_chain",
            "/devnet.rs",
            "/memory",
            "/conformance",
        ]
        .iter()
        .any(|part| name.contains(part))
    };
    names.retain(|name| !is_test(name));
    let code = |name: String| {
        let text = read(&name);
        let code = text
            .split("#[cfg(test)]\n")
            .next()
            .unwrap_or_default()
            .to_owned();
        (name, code)
    };
    names.into_iter().map(code).collect()
}

/// The string literals in `code`, each with whether it is the value of a field (`name = "..."`).
fn literals(code: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some((before, after)) = rest.split_once('"') {
        let is_value = before.trim_end().ends_with('=');
        let mut literal = String::new();
        let mut letters = after.char_indices();
        let mut end = after.len();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    end = at + 1;
                    break;
                }
                // An escaped end of line takes the next line's indentation with it.
                '\\' => match letters.next() {
                    Some((_, '\n')) => {
                        let left = letters.as_str();
                        let spaces = left.len() - left.trim_start().len();
                        letters.by_ref().take(spaces).for_each(drop);
                    }
                    Some((_, escaped)) => literal.push(escaped),
                    None => {}
                },
                _ => literal.push(letter),
            }
        }
        found.push((literal, is_value));
        rest = &after[end..];
    }
    found
}

/// The messages of every call of the macro in `code`.
fn messages(code: &str, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for call in code.split(&format!("{name}!(")).skip(1) {
        // A call ends with its statement or its match arm.
        let end = call
            .find(");")
            .or_else(|| call.find("),"))
            .unwrap_or(call.len());
        let arm = call.find("),\n").unwrap_or(end);
        let call = &call[..end.min(arm).min(600)];
        found.extend(
            literals(call)
                .into_iter()
                .rev()
                .find(|(_, is_value)| !is_value)
                .map(|(text, _)| text),
        );
    }
    found
}

#[test]
fn every_warning_and_error_of_the_log_is_explained() {
    let page = read(TROUBLESHOOTING);
    let mut missing = Vec::new();
    let mut seen = 0;
    for (name, code) in sources() {
        for message in [messages(&code, "warn"), messages(&code, "error")].concat() {
            seen += 1;
            if !page.contains(&message) {
                missing.push(format!("{name}: {message}"));
            }
        }
    }
    assert!(seen > 20, "only {seen} messages were found");
    assert!(missing.is_empty(), "not in {TROUBLESHOOTING}: {missing:#?}");
}

/// Whether this is an implementation that gives reasons of `/readyz` their names.
fn names_reasons(code: &str) -> bool {
    [
        "NotReady {",
        "IdentityError {",
        "L1Trouble {",
        "DerivationTrouble {",
    ]
    .iter()
    .any(|name| code.starts_with(name))
}

/// The words for reasons in the code that names them.
fn reasons() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (name, code) in sources() {
        let is_reason = |word: &str| {
            word.contains('_')
                && word.chars().all(|letter| {
                    letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_'
                })
        };
        if name == "crates/rpc/src/readiness.rs" {
            found.extend(
                literals(&code)
                    .into_iter()
                    .map(|(word, _)| word)
                    .filter(|word| is_reason(word)),
            );
        }
        for naming in code
            .split("impl ")
            .skip(1)
            .filter(|code| names_reasons(code))
        {
            let body = naming
                .split("fn name(")
                .nth(1)
                .and_then(|body| body.split("\n    }\n").next());
            found.extend(
                literals(body.unwrap_or_default())
                    .into_iter()
                    .map(|(word, _)| word),
            );
        }
    }
    found
}

#[test]
fn every_reason_of_readyz_has_its_place() {
    let anchors = anchors(&read(TROUBLESHOOTING));
    let reasons = reasons();
    assert!(
        reasons.contains("source_stale") && reasons.contains("el_unreachable"),
        "{reasons:?}"
    );
    let missing: Vec<_> = reasons
        .iter()
        .filter(|reason| !anchors.contains(*reason))
        .collect();
    assert!(
        missing.is_empty(),
        "no heading in {TROUBLESHOOTING}: {missing:?}"
    );
}

/// The ids of the doctor's findings: the variants of the type that names them.
fn ids_of_findings() -> BTreeSet<String> {
    let code = read("bin/commands/doctor/finding.rs");
    let body = code.split("enum Check {").nth(1).unwrap_or_default();
    let variants = body.lines().take_while(|line| *line != "}");
    let variants = variants.filter_map(|line| line.trim().strip_suffix(','));
    let id = |variant: &str| {
        let mut id = String::new();
        for letter in variant.chars() {
            if letter.is_uppercase() && !id.is_empty() {
                id.push('_');
            }
            id.push(letter.to_ascii_uppercase());
        }
        id
    };
    variants.map(id).collect()
}

#[test]
fn every_finding_of_doctor_is_explained() {
    let page = read(TROUBLESHOOTING);
    let ids = ids_of_findings();
    assert!(ids.contains("EL_JWT") && ids.contains("L1_HEAD"), "{ids:?}");
    let missing: Vec<_> = ids
        .iter()
        .filter(|id| !page.contains(&format!("`{id}`")))
        .collect();
    assert!(missing.is_empty(), "not in {TROUBLESHOOTING}: {missing:?}");
}

#[test]
fn metrics_that_pages_name_exist() {
    let listed = read("docs/metrics.md");
    let is_crate = |word: &str| {
        let krate = word.trim_start_matches("light_node_").replace('_', "-");
        path(&format!("crates/{krate}")).exists()
    };
    for name in pages() {
        let page = read(&name);
        let words = words_with("light_node_", &page).chain(words_with("op_node_default_", &page));
        for word in words.filter(|word| !word.ends_with('_') && !is_crate(word)) {
            let base = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|ending| word.strip_suffix(ending));
            let is_listed = |word: &str| words_with(word, &listed).any(|listed| listed == word);
            assert!(
                is_listed(word) || base.is_some_and(is_listed),
                "{name} names {word}"
            );
        }
    }
}
