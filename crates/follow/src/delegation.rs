//! What is said at the start: whom this node trusts.

use tracing::{info, warn};
use url::{Host, Url};

/// Says that heads are delegated. It is worth a warning where somebody else may run the source, or may come in between.
pub(crate) fn tell(source: &str) {
    if is_on_this_machine(source) {
        info!(
            source,
            "safe and finalized heads are delegated to a follow source on this machine"
        );
        return;
    }
    warn!(
        source,
        "safe and finalized heads are delegated to the follow source; they are as right as it is"
    );
}

fn is_on_this_machine(source: &str) -> bool {
    let Ok(url) = Url::parse(source) else {
        return false;
    };
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_on_this_machine_if_its_address_is() {
        for source in [
            "http://127.0.0.1:9545",
            "http://[::1]:9545/901",
            "https://localhost",
        ] {
            assert!(is_on_this_machine(source), "{source}");
        }
        for source in [
            "http://10.0.0.2:9545",
            "https://op-node.example",
            "http://localhost.example",
            "a script",
        ] {
            assert!(!is_on_this_machine(source), "{source}");
        }
    }
}
