//! `light-node jwt generate`: a secret that only its user reads, and that is never lost by mistake.

use crate::helpers::process::plain_command;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Output};

fn generate(dir: &Path, args: &[&str]) -> Output {
    plain_command(&["jwt", "generate"])
        .args(args)
        .current_dir(dir)
        .output()
        .unwrap()
}

fn is_secret(text: &str) -> bool {
    text.len() == 65 && text.trim().bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[test]
fn a_new_secret_is_for_its_user_alone_and_its_path_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    for (args, name) in [(vec![], "jwt.hex"), (vec!["other.hex"], "other.hex")] {
        let output = generate(dir.path(), &args);
        assert!(output.status.success());
        let path = dir.path().join(name).canonicalize().unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap().trim(),
            path.to_str().unwrap()
        );
        assert!(is_secret(&fs::read_to_string(&path).unwrap()));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        2,
        "something is left over"
    );
}

#[test]
fn an_existing_file_is_replaced_by_force_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jwt.hex");
    fs::write(&path, "precious").unwrap();
    let output = generate(dir.path(), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("--force")
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    assert!(generate(dir.path(), &["--force"]).status.success());
    assert!(is_secret(&fs::read_to_string(&path).unwrap()));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn a_dash_prints_the_secret_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let output = generate(dir.path(), &["-"]);
    assert!(output.status.success());
    assert!(is_secret(&String::from_utf8(output.stdout).unwrap()));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let output = generate(dir.path(), &["no/such/jwt.hex"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("no/such/jwt.hex")
    );
}
