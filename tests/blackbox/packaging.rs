//! Dockerfile, compose files, systemd unit and pages name flags, variables and commands: the binary must know each of them.

use crate::helpers::{
    manual::{Manual, files, pages, path, read, words_with},
    process::plain_command,
};

/// What is no flag: the first is read at build time, the others by tests and benches.
const NO_FLAGS: [&str; 3] = [
    "LIGHT_NODE_GIT_SHA",
    "LIGHT_NODE_TEST_EL_OP_GETH",
    "LIGHT_NODE_TEST_EL_OP_RETH",
];

/// Fails with every variable in `text` that no flag has. `LIGHT_NODE_...` with a placeholder ends in an underscore.
fn check_variables(manual: &Manual, name: &str, text: &str) {
    let unknown: Vec<_> = words_with("LIGHT_NODE_", text)
        .filter(|word| !word.ends_with('_') && !NO_FLAGS.contains(word))
        .filter(|word| !manual.knows_env(word))
        .collect();
    assert!(unknown.is_empty(), "{name} names {unknown:?}");
}

fn check_command(manual: &Manual, name: &str, words: &[&str]) {
    let faults = manual.faults(words);
    assert!(faults.is_empty(), "{name}: {words:?}: {faults:?}");
}

/// The words of a list in brackets: `["jwt", "generate"]`.
fn bracketed(text: &str) -> Vec<&str> {
    let (_, list) = text.split_once('[').unwrap();
    let (list, _) = list.rsplit_once(']').unwrap();
    list.split(',')
        .map(|word| word.trim().trim_matches('"'))
        .filter(|word| !word.is_empty())
        .collect()
}

#[test]
fn the_dockerfile_names_what_the_binary_knows() {
    let manual = Manual::new();
    let dockerfile = read("Dockerfile");
    check_variables(&manual, "Dockerfile", &dockerfile);
    let health = dockerfile
        .lines()
        .find(|line| line.starts_with("HEALTHCHECK"));
    let words = bracketed(health.unwrap());
    assert_eq!(words[0], "light-node");
    check_command(&manual, "Dockerfile", &words);
    for needed in [
        "USER 65532:65532",
        "STOPSIGNAL SIGTERM",
        "EXPOSE 9545 7300",
        "EXPOSE 9222/tcp 9222/udp",
        "STATE_DIRECTORY=/data",
        "ENTRYPOINT [\"light-node\"]",
    ] {
        assert!(dockerfile.contains(needed), "{needed}");
    }
}

/// The blocks of a compose file's services: name and lines.
fn services(compose: &str) -> Vec<(&str, Vec<&str>)> {
    let mut services: Vec<(&str, Vec<&str>)> = Vec::new();
    let lines = compose
        .lines()
        .skip_while(|line| *line != "services:")
        .skip(1);
    for line in lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#'])) {
        let is_name = line.starts_with("  ") && !line[2..].starts_with([' ', '#']);
        match line.trim().strip_suffix(':') {
            Some(name) if is_name => services.push((name, Vec::new())),
            _ => services
                .last_mut()
                .map_or((), |(_, block)| block.push(line)),
        }
    }
    services
}

#[test]
fn compose_files_name_what_the_binary_knows() {
    let manual = Manual::new();
    let composes = files("docs/compose", "compose.yml");
    assert_eq!(composes.len(), 2, "{composes:?}");
    for name in composes {
        let compose = read(&name);
        check_variables(&manual, &name, &compose);
        let services = services(&compose);
        let of_node = services.iter().filter(|(_, block)| {
            block
                .iter()
                .any(|line| line.contains("image: ${NODE_IMAGE"))
        });
        let mut seen = Vec::new();
        for (service, block) in of_node {
            seen.push(*service);
            if let Some(line) = block
                .iter()
                .find(|line| line.trim().starts_with("command:"))
            {
                check_command(&manual, &format!("{name} {service}"), &bracketed(line));
            }
        }
        assert_eq!(seen, ["jwt", "light-node"], "{name}");
    }
}

#[test]
fn every_variable_of_a_compose_file_stands_in_its_example() {
    for name in files("docs/compose", "compose.yml") {
        let example = read(&name.replace("compose.yml", ".env.example"));
        let compose = read(&name);
        let used = compose.split("${").skip(1).map(|rest| {
            rest.split(|letter: char| {
                !letter.is_ascii_uppercase() && !letter.is_ascii_digit() && letter != '_'
            })
            .next()
            .unwrap_or_default()
        });
        for variable in used {
            let stands = example
                .lines()
                .any(|line| line.trim_start_matches('#').split('=').next() == Some(variable));
            assert!(stands, "{variable} of {name} is missing in .env.example");
        }
    }
}

#[test]
fn files_that_compose_mounts_exist() {
    for name in files("docs/compose", "compose.yml") {
        let folder = name.trim_end_matches("compose.yml");
        for line in read(&name).lines() {
            let Some(source) = line.trim().strip_prefix("- .") else {
                continue;
            };
            let source = source.split(':').next().unwrap_or_default();
            let path = path(&format!("{folder}.{source}"));
            assert!(path.exists(), "{name} mounts {}", path.display());
        }
    }
}

#[test]
fn the_systemd_unit_names_what_the_binary_knows() {
    let manual = Manual::new();
    let name = "docs/systemd/light-node.service";
    let unit = read(name);
    check_variables(&manual, name, &unit);
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let words: Vec<_> = start.unwrap().split(' ').skip(1).collect();
    check_command(&manual, name, &words);
}

#[test]
fn compose_keeps_the_secret_of_the_first_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jwt.hex");
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let made = plain_command(&["jwt", "generate", "--if-missing"])
            .arg(&file)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        secrets.push(std::fs::read_to_string(&file).unwrap());
    }
    assert_eq!(secrets[0], secrets[1]);
}

/// Command lines of ours in a page: in its code blocks, with what a backslash continues, and in its text.
fn command_lines(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (index, part) in page.split("```").enumerate() {
        if index % 2 == 0 {
            let spans = part.split('`').skip(1).step_by(2);
            found.extend(
                spans
                    .filter(|span| span.starts_with("light-node "))
                    .map(str::to_owned),
            );
            continue;
        }
        let (language, code) = part.split_once('\n').unwrap_or_default();
        if language == "sh" {
            found.extend(code.replace("\\\n", " ").lines().map(str::to_owned));
        }
    }
    found
}

/// The words after the program's name, if the line runs the program.
fn of_program(line: &str) -> Option<Vec<&str>> {
    let words: Vec<_> = line.split_whitespace().collect();
    let is_program = |word: &&str| *word == "light-node" || word.ends_with("/light-node");
    let is_other = [
        "docker build",
        "cargo build",
        "cargo bench",
        "install",
        "systemctl",
        "journalctl",
        "#",
    ];
    if is_other.iter().any(|other| line.trim().starts_with(other)) {
        return None;
    }
    let start = match words.as_slice() {
        ["cargo", "run", ..] => words.iter().position(|word| *word == "--")?,
        _ => words.iter().rposition(is_program)?,
    };
    let is_end = |word: &&&str| ["|", ">", ">>", "&&", "#", ";"].contains(*word);
    Some(
        words[start + 1..]
            .iter()
            .take_while(|word| !is_end(word))
            // It stands for flags that are said elsewhere.
            .filter(|word| **word != "...")
            .copied()
            .collect(),
    )
}

#[test]
fn pages_show_only_commands_that_exist() {
    let manual = Manual::new();
    let mut seen = 0;
    for name in pages() {
        let page = read(&name);
        // The help itself and the tables of other nodes' names are generated.
        if name != "docs/cli.md" {
            check_variables(&manual, &name, &page);
        }
        for line in command_lines(&page) {
            if let Some(words) = of_program(&line) {
                check_command(&manual, &format!("{name}: {line}"), &words);
                seen += 1;
            }
        }
    }
    assert!(seen > 10, "only {seen} command lines were found");
}

#[test]
fn the_check_of_pages_can_fail() {
    let manual = Manual::new();
    let page = "text `light-node healthcheck --alive` and\n```sh\nlight-node \\\n  --l3=x | cat --y\ndocker exec n light-node jwt make\n```\n";
    let lines = command_lines(page);
    let faults: Vec<_> = lines
        .iter()
        .filter_map(|line| of_program(line))
        .flat_map(|words| manual.faults(&words))
        .collect();
    assert_eq!(
        faults,
        [
            "`healthcheck` has no --alive",
            "`node` has no --l3",
            "`jwt make` is no command",
        ]
    );
}
