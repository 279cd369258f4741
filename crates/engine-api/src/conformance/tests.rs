//! The checks must hold for the EL in memory, or tests that stand on it prove nothing about a real one.

use super::*;
use crate::memory::{ChainBuilder, MemoryEl, MemoryElKind};

#[tokio::test]
async fn the_execution_layer_in_memory_behaves_like_a_real_one() {
    let chain = ChainBuilder::new();
    for kind in [MemoryElKind::Reth, MemoryElKind::Geth] {
        let subject = MemoryEl::with_kind(&chain, kind);
        let fixture = Fixture::new(subject, MemoryEl::new(&chain), chain.config());
        fixture.check_all().await;
    }
}
