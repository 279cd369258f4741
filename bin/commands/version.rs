//! Says what this binary is: its version, and what it was built from, by and for.

use crate::args::about::VersionArgs;
use serde::Serialize;

/// What a binary can say of itself.
#[derive(Debug, Serialize)]
struct Version {
    version: &'static str,
    /// Named by whoever built it with LIGHT_NODE_GIT_SHA set; a build needs no git.
    commit: Option<&'static str>,
    rustc: &'static str,
    target: &'static str,
    profile: &'static str,
    features: Vec<&'static str>,
}

fn this() -> Version {
    let features = if cfg!(feature = "devnet") {
        vec!["devnet"]
    } else {
        Vec::new()
    };
    Version {
        version: env!("CARGO_PKG_VERSION"),
        commit: option_env!("LIGHT_NODE_GIT_SHA").filter(|commit| !commit.is_empty()),
        rustc: env!("BUILT_RUSTC"),
        target: env!("BUILT_TARGET"),
        profile: env!("BUILT_PROFILE"),
        features,
    }
}

/// The answer, in one line or as JSON.
///
/// # Errors
/// None that could happen: what is written as JSON are plain words.
pub(crate) fn text(args: VersionArgs) -> eyre::Result<String> {
    let this = this();
    if args.json {
        return Ok(serde_json::to_string_pretty(&this)?);
    }
    let commit = this.commit.map(|commit| format!(" ({commit})"));
    let features = match this.features.join(", ") {
        none if none.is_empty() => "none".to_owned(),
        some => some,
    };
    Ok(format!(
        "light-node {}{}, {} build for {} by {}, features: {features}",
        this.version,
        commit.unwrap_or_default(),
        this.profile,
        this.target,
        this.rustc
    ))
}
