//! The environment as a layer of configuration. An empty variable counts as unset, because compose files pass `NAME=${NAME:-}`;
//! an unknown `LIGHT_NODE_*` is a fault, because a misspelt variable would else be ignored in silence.

use crate::args::given::{Fault, nearest};
use std::{collections::BTreeMap, ffi::OsString};

/// Prefix of our own variables.
pub(crate) const PREFIX: &str = "LIGHT_NODE_";

/// Variables that no flag has: read while building.
const NO_FLAGS: [&str; 1] = ["LIGHT_NODE_GIT_SHA"];

/// Variables that are set and not empty, by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// Takes what is set. What Kubernetes sets for a Service named like us is left out.
    pub(crate) fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        let named = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok()?;
            let counts = !value.is_empty() && !is_service_link(&name, &value);
            counts.then_some((name, value))
        };
        Self(variables.into_iter().filter_map(named).collect())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&OsString> {
        self.0.get(name)
    }

    /// The variables with any of these prefixes.
    pub(crate) fn with_prefixes<'a>(
        &'a self,
        prefixes: &'a [&str],
    ) -> impl Iterator<Item = (&'a str, &'a OsString)> {
        let variables = self.0.iter().map(|(name, value)| (name.as_str(), value));
        variables.filter(|(name, _)| prefixes.iter().any(|prefix| name.starts_with(prefix)))
    }

    /// One fault for each variable of ours that no flag of any command has.
    pub(crate) fn unknown(&self, known: &[String]) -> Vec<Fault> {
        let ours = self.with_prefixes(&[PREFIX]).map(|(name, _)| name);
        let unknown = ours
            .filter(|name| !NO_FLAGS.contains(name) && !known.iter().any(|known| known == name));
        let words = known.iter().filter_map(|known| known.strip_prefix(PREFIX));
        unknown
            .map(|name| {
                let wrong = name.strip_prefix(PREFIX).unwrap_or(name);
                let hint = nearest(wrong, words.clone()).map_or_else(
                    || "`light-node node --help` names all of them".to_owned(),
                    |nearest| format!("did you mean {PREFIX}{nearest}?"),
                );
                Fault::configuration(format!(
                    "the environment variable {name} means nothing to light-node; {hint}"
                ))
            })
            .collect()
    }
}

/// Whether Kubernetes sets this in each pod beside a Service named `light-node` or `light-node-...`: `<SERVICE>_SERVICE_HOST`,
/// `<SERVICE>_SERVICE_PORT[_<NAME>]`, `<SERVICE>_PORT=tcp://...` and `<SERVICE>_PORT_<N>_<PROTOCOL>[_...]`.
fn is_service_link(name: &str, value: &OsString) -> bool {
    let Some(name) = name.strip_prefix("LIGHT_NODE") else {
        return false;
    };
    let is_of_port = |rest: &str| {
        let mut words = rest.split('_');
        let is_number = words.next().is_some_and(|word| word.parse::<u16>().is_ok());
        is_number && matches!(words.next(), Some("TCP" | "UDP" | "SCTP"))
    };
    let names_an_address = ["tcp://", "udp://", "sctp://"]
        .iter()
        .any(|scheme| value.as_encoded_bytes().starts_with(scheme.as_bytes()));
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && names_an_address)
        || name
            .split_once("_PORT_")
            .is_some_and(|(_, rest)| is_of_port(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let owned = |(name, value): &(&str, &str)| (OsString::from(name), OsString::from(value));
        Environment::new(variables.iter().map(owned))
    }

    fn known() -> Vec<String> {
        ["LIGHT_NODE_L1", "LIGHT_NODE_RPC_PORT"]
            .map(str::to_owned)
            .into()
    }

    #[test]
    fn an_unknown_variable_is_named_with_the_nearest() {
        let set = environment(&[
            ("LIGHT_NODE_RCP_PORT", "1"),
            ("LIGHT_NODE_RPC_PORT", "1"),
            ("LIGHT_NODE_GIT_SHA", "1"),
            ("HOME", "/"),
        ]);
        let faults = set.unknown(&known());
        assert_eq!(faults.len(), 1);
        let words = faults[0].to_string();
        assert!(
            words.contains("LIGHT_NODE_RCP_PORT") && words.contains("LIGHT_NODE_RPC_PORT?"),
            "{words}"
        );
    }

    #[test]
    fn an_empty_variable_is_unset() {
        let set = environment(&[("LIGHT_NODE_L1", ""), ("LIGHT_NODE_TYPO", "")]);
        assert!(set.get("LIGHT_NODE_L1").is_none());
        assert!(set.unknown(&known()).is_empty());
    }

    #[test]
    fn the_links_of_a_kubernetes_service_named_like_us_are_no_configuration() {
        let set = environment(&[
            ("LIGHT_NODE_SERVICE_HOST", "10.0.0.1"),
            ("LIGHT_NODE_SERVICE_PORT", "9545"),
            ("LIGHT_NODE_SERVICE_PORT_RPC", "9545"),
            ("LIGHT_NODE_PORT", "tcp://10.0.0.1:9545"),
            ("LIGHT_NODE_PORT_9545_TCP", "tcp://10.0.0.1:9545"),
            ("LIGHT_NODE_PORT_9545_TCP_PROTO", "tcp"),
            ("LIGHT_NODE_RPC_PORT", "tcp://10.0.0.1:9545"),
        ]);
        assert!(set.unknown(&known()).is_empty());
        assert!(set.get("LIGHT_NODE_RPC_PORT").is_none());
        let set = environment(&[("LIGHT_NODE_RPC_PORT", "9545")]);
        assert!(set.get("LIGHT_NODE_RPC_PORT").is_some());
    }
}
