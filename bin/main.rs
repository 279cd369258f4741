//! light-node: a rollup node for OP Stack chains.
fn main() {}
