//! An execution layer that answers with another block than it was asked for: nobody ever gets it.

use super::*;
use alloy_primitives::Bytes;
use el::{Hooked, Hooks, Sealed};
use op_alloy_rpc_types_engine::OpExecutionPayload;
use std::sync::atomic::{AtomicBool, Ordering};

/// It adds a deposit that nobody made on L1, while it is told to.
#[derive(Debug)]
struct Tampered(Arc<AtomicBool>);

impl Hooks for Tampered {
    fn sealed(&self, answer: Sealed) -> Sealed {
        let mut envelope = answer?;
        if self.0.load(Ordering::Relaxed)
            && let OpExecutionPayload::V4(payload) = &mut envelope.execution_payload
        {
            let inner = &mut payload.payload_inner.payload_inner.payload_inner;
            inner.transactions.push(Bytes::from_static(&[0x7e, 1]));
        }
        Ok(envelope)
    }
}

#[tokio::test(start_paused = true)]
async fn a_block_that_was_not_asked_for_reaches_neither_conductor_nor_execution_layer_nor_peers() {
    let (mut settings, conductor) = Settings::conducted();
    let lies = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&lies);
    let hooks = Tampered(told);
    settings.wrap = Box::new(|el| Arc::new(Hooked { el, hooks }));
    let world = World::start(settings).await;
    world.sequencer.start(None).await.unwrap();
    world.waits_for(Wait::Attributes).await;
    world.pass(Duration::from_secs(20)).await;
    assert!(conductor.lock().offered.is_empty());
    assert!(world.so_far().is_empty());
    assert_eq!(world.engine.state().unsafe_head.number, 0);
    lies.store(false, Ordering::Relaxed);
    world.published(3).await;
    world.stop().await;
}
