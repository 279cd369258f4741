//! The node's command line as a test changes it: every flag once.

use std::{collections::BTreeMap, fmt::Display, fs};
use tempfile::TempDir;

/// Flags by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags(BTreeMap<String, Option<String>>);

impl Flags {
    /// A node of `--network=op-sepolia` at whose endpoints nothing listens, with the secret in the file `jwt`.
    pub(crate) fn dead(jwt: impl Display) -> Self {
        Self::default()
            .with("--network", "op-sepolia")
            .with("--l1", DEAD)
            .with("--l2", DEAD)
            .with("--l2.jwt-secret", jwt)
            .with("--l2.follow.source", DEAD)
            .with("--rpc.port", 0)
            .with("--metrics.port", 0)
    }

    /// The same with a secret of its own, and the directory in which that is.
    pub(crate) fn lonely() -> (TempDir, Self) {
        let dir = tempfile::tempdir().unwrap();
        let jwt = dir.path().join("jwt.hex");
        fs::write(&jwt, "5c".repeat(32)).unwrap();
        let flags = Self::dead(jwt.display());
        (dir, flags)
    }

    pub(crate) fn with(mut self, flag: &str, value: impl Display) -> Self {
        self.0.insert(flag.to_owned(), Some(value.to_string()));
        self
    }

    /// A flag without value.
    pub(crate) fn with_switch(mut self, flag: &str) -> Self {
        self.0.insert(flag.to_owned(), None);
        self
    }

    pub(crate) fn without(mut self, flag: &str) -> Self {
        self.0.remove(flag);
        self
    }

    /// The arguments to give to the binary.
    pub(crate) fn args(&self) -> Vec<String> {
        let arg = |(flag, value): (&String, &Option<String>)| match value {
            Some(value) => format!("{flag}={value}"),
            None => flag.clone(),
        };
        self.0.iter().map(arg).collect()
    }
}

/// A URL at which nothing listens: the port needs privileges that no test has.
pub(crate) const DEAD: &str = "http://127.0.0.1:1";
