//! Tells the program what it was built by and for. `light-node version` shows it.

use std::{env, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=LIGHT_NODE_GIT_SHA");
    // Names without our prefix: cargo hands them to what it runs, too, where a variable of ours must be a flag.
    for name in ["TARGET", "PROFILE"] {
        println!(
            "cargo:rustc-env=BUILT_{name}={}",
            env::var(name).unwrap_or_default()
        );
    }
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let version = Command::new(rustc).arg("--version").output();
    let version = version.map_or_else(|_| Vec::new(), |output| output.stdout);
    let version = String::from_utf8_lossy(&version);
    println!("cargo:rustc-env=BUILT_RUSTC={}", version.trim());
}
