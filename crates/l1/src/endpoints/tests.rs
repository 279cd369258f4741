//! Endpoints that turn bad after they were good, seen through the watcher.
#![allow(clippy::unwrap_used)]

use crate::{
    BoxTransport, L1Config, L1Watcher,
    test_utils::{Fault, MemoryL1},
};
use light_node_actor::CancellationToken;
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn an_l1_refused_as_another_chain_is_unreachable_by_name_and_soon_found_again() {
    let memory = MemoryL1::new(900, 100);
    let config = L1Config::new(Vec::new(), 900, memory.id(0));
    let transport: BoxTransport = Box::new(memory.clone());
    let (watcher, l1) = L1Watcher::with_transports(config, vec![transport]).unwrap();
    let token = CancellationToken::new();
    let task = tokio::spawn(watcher.run(token.clone()));
    sleep(Duration::from_secs(1)).await;
    assert!(l1.status().reachable);

    memory.set_fault(Fault::Refused);
    sleep(Duration::from_secs(60)).await;
    memory.set_fault(Fault::None);
    memory.set_chain_id(901);
    // At any moment from the first refusal on, between two questions too.
    sleep(Duration::from_secs(60)).await;
    for _ in 0..60 {
        let status = l1.status();
        let cause = status.last_error.unwrap_or_default();
        assert!(!status.reachable, "{cause}");
        assert!(cause.contains("its chain id is 901"), "{cause}");
        sleep(Duration::from_secs(1)).await;
    }

    // Right after a refusal, when the whole pause lies ahead.
    let refusals = memory.requests();
    while memory.requests() == refusals {
        sleep(Duration::from_millis(100)).await;
    }
    sleep(Duration::from_secs(1)).await;
    memory.set_chain_id(900);
    sleep(Duration::from_secs(17)).await;
    let status = l1.status();
    assert!(status.reachable, "{status:?}");
    token.cancel();
    task.await.unwrap().unwrap();
}
