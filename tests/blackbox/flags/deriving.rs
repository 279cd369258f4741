//! Effects of the flags of derivation, each on a chain that only L1 brings.

use crate::helpers::{
    behaviours::post,
    chain::{Chain, Settings},
    deriving::{self, LIMIT, derives_up_to},
    flags::{DEAD, Flags},
    process::{NodeProcess, ends_saying},
    recorder::{Recorder, asks},
    rpc::Rpc,
    wait::until,
};
use light_node_l1::test_utils::real_data;
use light_node_protocol::{Hardfork, SyncStatus};
use serde_json::{Value, json};
use std::{fs, time::Duration};

/// A chain with safe blocks, on which nothing moves by itself.
async fn chain_with_safe_blocks() -> Chain {
    let chain = Chain::start(Settings::on_command()).await;
    chain.step_until(|status| status.safe_l2.number >= 3).await;
    chain
}

/// Waits until the node's heads are so.
async fn until_status(what: &str, rpc: &Rpc, is_so: impl Fn(&SyncStatus) -> bool) -> SyncStatus {
    until(what, LIMIT, || async {
        let status = rpc.sync_status().await?;
        if is_so(&status) {
            Ok(status)
        } else {
            Err(json!(status))
        }
    })
    .await
}

/// Waits until the node has printed a line with this word.
async fn until_printed(node: &NodeProcess, word: &str) {
    until(word, LIMIT, || async {
        let printed = node.printed();
        let is_there = printed.iter().any(|line| line.contains(word));
        if is_there { Ok(()) } else { Err(printed) }
    })
    .await;
}

/// A question of derivation for a block.
fn is_whole_block(request: &Value) -> bool {
    asks(request, "eth_getBlockByNumber", "true")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_that_no_beacon_gives_come_from_a_fallback() {
    let chain = chain_with_safe_blocks().await;
    let flags = deriving::flags(&chain).with("--l1.beacon", DEAD);
    let node = NodeProcess::start(&flags);
    until_printed(&node, "beacon_unreachable").await;
    assert_eq!(node.rpc().sync_status().await.unwrap().safe_l2.number, 0);
    drop(node);
    let flags = flags.with("--l1.beacon-fallbacks", &chain.endpoints().beacon);
    let node = NodeProcess::start(&flags);
    derives_up_to(&chain, &node, 3, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_blocks_of_l1_are_asked_for_at_once_as_said() {
    let chain = Chain::start(Settings::on_command()).await;
    chain.l1().mine(40).unwrap();
    let is_head = |request: &Value| asks(request, "eth_getBlockByNumber", "latest");
    // Without the block at which derivation starts it asks for no other.
    let is_held = |request: &Value| {
        is_whole_block(request) && !asks(request, "eth_getBlockByNumber", "\"0x0\"")
    };
    for requests in [2, 5] {
        let l1 = Recorder::holding(&chain.endpoints().l1, is_held).await;
        let flags = deriving::flags(&chain)
            .with("--l1", l1.url())
            .with("--l1.max-concurrency", requests);
        let _node = NodeProcess::start(&flags);
        l1.until_asked(requests, LIMIT, is_held).await;
        // While the head is looked at three times, one more would have been asked for.
        let heads = l1.count(is_head);
        l1.until_asked(heads + 3, LIMIT, is_head).await;
        assert_eq!(l1.count(is_held), requests);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocks_of_l1_are_asked_for_as_slowly_as_said() {
    let chain = Chain::start(Settings::on_command()).await;
    chain.l1().mine(60).unwrap();
    let l1 = Recorder::new(&chain.endpoints().l1, |_, answer| answer).await;
    let flags = deriving::flags(&chain).with("--l1", l1.url());
    let _node = NodeProcess::start(&flags.with("--l1.rpc-rate-limit", 5));
    let asked = l1.until_asked(21, LIMIT, is_whole_block).await;
    // 20 calls after the first one. Without a limit all of them come at once.
    let after = asked[20] - asked[0];
    assert!(after > Duration::from_secs(3), "{after:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn derivation_stays_as_far_below_the_l1_head_as_said() {
    const CONFIRMATIONS: u64 = 4;
    let chain = chain_with_safe_blocks().await;
    let flags = deriving::flags(&chain).with("--verifier.l1-confs", CONFIRMATIONS);
    let node = NodeProcess::start(&flags);
    for blocks in [0, 3, 1] {
        chain.l1().mine(blocks).unwrap();
        let head = chain.l1().heads().latest.number;
        let rpc = node.rpc();
        until_status("the confirmed block", &rpc, |status| {
            let read = status.current_l1.number;
            assert!(
                read == 0 || read + CONFIRMATIONS <= head,
                "{read} of {head}"
            );
            status.head_l1.number == head && read + CONFIRMATIONS == head
        })
        .await;
    }
}

/// The answer of `optimism_safeHeadAtL1Block`.
async fn safe_head_at(node: &NodeProcess, l1_number: u64) -> Result<Value, Value> {
    let params = json!([format!("{l1_number:#x}")]);
    let rpc = node.rpc();
    rpc.call("optimism_safeHeadAtL1Block", params).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_of_safe_heads_is_kept_where_it_was_asked_to() {
    let chain = chain_with_safe_blocks().await;
    let flags = deriving::flags(&chain);
    let node = NodeProcess::start(&flags);
    let head = chain.l1().heads().latest;
    let status = until_status("all of L1", &node.rpc(), |status| status.current_l1 == head).await;
    let number = head.number;
    let known = until("the safe head in the history", LIMIT, || async {
        let answer = safe_head_at(&node, number).await?;
        if answer["safeHead"]["number"] == status.safe_l2.number {
            Ok(answer)
        } else {
            Err(answer)
        }
    })
    .await;
    drop(node);
    // Without L1 nothing is derived: what is known was kept.
    let flags = flags.with("--l1", DEAD);
    let node = NodeProcess::start(&flags);
    assert_eq!(safe_head_at(&node, number).await, Ok(known));
    drop(node);
    let node = NodeProcess::start(&flags.without("--safedb.path"));
    let refused = safe_head_at(&node, number).await.unwrap_err();
    assert_eq!(refused["message"], "not found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_history_of_safe_heads_is_kept_where_it_is_switched_off() {
    let chain = chain_with_safe_blocks().await;
    let flags = deriving::flags(&chain).with_switch("--safedb.disable");
    let node = NodeProcess::start(&flags);
    let status = derives_up_to(&chain, &node, 3, 0).await;
    let number = status.current_l1.number;
    let refused = safe_head_at(&node, number).await.unwrap_err();
    // In op-node's words.
    assert_eq!(refused["code"], -32000);
    assert_eq!(
        refused["message"],
        format!("failed to get safe head at l1 block {number:#x}: safe head database not enabled")
    );
    assert!(!chain.dir().join("safedb").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_execution_layer_syncs_by_itself_and_what_is_old_enough_is_safe() {
    const TIP: u64 = 30;
    let chain = Chain::start(Settings::on_command()).await;
    chain.batcher().pause();
    chain.build_up_to(TIP).await;
    let flags = deriving::flags(&chain)
        .with_switch("--rpc.enable-admin")
        .with("--syncmode", "execution-layer")
        .with("--syncmode.offset-el-safe", "10s");
    let node = NodeProcess::start(&flags);
    let rpc = node.rpc();
    until_status("the L1 head", &rpc, |status| {
        status.head_l1.number > 0 || status.head_l1 == chain.l1().heads().latest
    })
    .await;
    post(&rpc, &chain, TIP).await;
    let status = until_status("the labels behind the head", &rpc, |status| {
        // Never the head itself, and nothing above what is old enough.
        assert!(status.finalized_l2.number <= TIP - 10, "{status:?}");
        status.safe_l2.number == TIP - 10 && status.finalized_l2.number == TIP - 10
    })
    .await;
    assert_eq!(status.unsafe_l2.number, TIP);
    chain.has_the_sequencers_blocks(chain.spare_el(), TIP);
    // Derivation goes on from there.
    chain.batcher().resume();
    chain.settle().await;
    derives_up_to(&chain, &node, TIP, TIP - 10).await;
}

/// Jovian is activated by this block.
const ACTIVATION: u64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fork_is_derived_across_with_its_upgrade_bundle_and_not_without() {
    let chain = Chain::start(Settings {
        fork: Hardfork::Isthmus,
        ..Settings::on_command()
    })
    .await;
    chain
        .step_until(|status| status.safe_l2.number > ACTIVATION)
        .await;
    let mut rollup: Value =
        serde_json::from_slice(&fs::read(chain.rollup_config()).unwrap()).unwrap();
    let time = rollup["genesis"]["l2_time"].as_u64().unwrap() + ACTIVATION;
    rollup["jovian_time"] = json!(time);
    let file = chain.dir().join("upgraded.json");
    fs::write(&file, rollup.to_string()).unwrap();
    let (el, authrpc) = chain.another_el_with(|genesis| {
        let fields = &mut genesis.config.extra_fields;
        fields.insert("jovianTime".to_owned(), json!(time));
    });
    let flags = deriving::flags(&chain)
        .with("--rollup.config", file.display())
        .with("--l2", format!("http://{authrpc}"));

    let node = NodeProcess::start(&flags);
    until_printed(&node, "an upgrade bundle is missing").await;
    until_printed(&node, "give --rollup.upgrade-bundle=FILE").await;
    let rpc = node.rpc();
    until_status("the block before the fork", &rpc, |status| {
        status.safe_l2.number == ACTIVATION - 1
    })
    .await;
    let (_, page) = rpc.page("/readyz").await;
    assert!(
        page.to_string().contains("missing_upgrade_bundle"),
        "{page}"
    );
    drop(node);

    let Some(bundle) = real_data("derivation/upgrades/jovian.json") else {
        return;
    };
    let _node = NodeProcess::start(&flags.with("--rollup.upgrade-bundle", bundle.display()));
    until("the first block of the fork", LIMIT, || async {
        let head = el.view().head().number();
        if head >= ACTIVATION {
            Ok(())
        } else {
            Err(head)
        }
    })
    .await;
    let block = el.view().block_by_number(ACTIVATION).unwrap().clone();
    let bundle: Value = serde_json::from_slice(&fs::read(&bundle).unwrap()).unwrap();
    let upgrades = bundle["transactions"].as_array().unwrap();
    let transactions = &block.block.body.transactions;
    // The L1-info deposit comes first.
    assert_eq!(transactions.len(), 1 + upgrades.len());
    for (transaction, upgrade) in transactions[1..].iter().zip(upgrades) {
        let hash = transaction.tx_hash().to_string();
        assert_eq!(upgrade["txHash"], hash);
    }
}

#[test]
fn what_is_no_upgrade_bundle_bit_for_bit_is_refused_at_start() {
    let (dir, flags) = Flags::lonely();
    let flags = flags
        .without("--l2.follow.source")
        .with("--l1.beacon", DEAD);
    let file = dir.path().join("bundle.json");
    let flags = flags.with("--rollup.upgrade-bundle", file.display());
    let name = format!("--rollup.upgrade-bundle={}", file.display());
    ends_saying(&flags, &["cannot read", &name, "No such file"]);
    for (content, words) in [
        ("{", "not an upgrade bundle"),
        (
            r#"{"transactions": [{"raw": "0x7e00", "gasLimit": 1}]}"#,
            "sha-256 0x",
        ),
        (
            r#"{"metadata": {"version": "2.0.0"}, "transactions": []}"#,
            "version 2.0.0",
        ),
    ] {
        fs::write(&file, content).unwrap();
        ends_saying(&flags, &[&name, "is refused", words]);
    }
}
