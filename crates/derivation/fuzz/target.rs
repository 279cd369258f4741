//! All targets: each is built under the name of the parser that it feeds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use light_node_derivation::fuzzing;

/// The parser of this target.
fn parser() -> fn(&[u8]) {
    match env!("CARGO_BIN_NAME") {
        "frames" => fuzzing::frames,
        "blob" => fuzzing::blob,
        "channel" => fuzzing::channel,
        "singular_batch" => fuzzing::singular_batch,
        "span_batch" => fuzzing::span_batch,
        "l1_info" => fuzzing::l1_info,
        "deposit_log" => fuzzing::deposit_log,
        "config_update_log" => fuzzing::config_update_log,
        other => panic!("no parser has the name {other}"),
    }
}

fuzz_target!(|data: &[u8]| parser()(data));
