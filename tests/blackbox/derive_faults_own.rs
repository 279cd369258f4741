//! What is wrong is the node's own: its rollup.json, or the directory of its history. It says what, and does what can be done.

use crate::helpers::{
    chain::{Chain, Settings},
    derived::Derived,
    deriving::LIMIT,
    flags::Flags,
    wait::until,
};
use alloy_primitives::Address;
use serde_json::{Value, json};
use std::fs;

/// The flags with a rollup.json that is not quite the chain's.
fn with_rollup(chain: &Chain, flags: Flags, change: impl FnOnce(&mut Value)) -> Flags {
    let file = fs::read(chain.rollup_config()).unwrap();
    let mut rollup: Value = serde_json::from_slice(&file).unwrap();
    change(&mut rollup);
    let changed = chain.dir().join("changed.json");
    fs::write(&changed, rollup.to_string()).unwrap();
    flags.with("--rollup.config", changed.display())
}

async fn chain() -> Chain {
    let chain = Chain::start(Settings::on_command()).await;
    chain.step_until(|status| status.safe_l2.number >= 4).await;
    chain
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollup_json_without_a_fork_of_the_chain_is_named() {
    let it = Derived::begin(chain().await, |chain, flags| {
        with_rollup(chain, flags, |rollup| {
            rollup.as_object_mut().unwrap().remove("jovian_time");
        })
    });
    let detail = it.until_unready("rollup_config_mismatch").await;
    assert!(detail.contains("jovian_time"), "{detail}");
    assert_eq!(it.status().await.safe_l2.number, 0);
    it.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_time_of_another_chain_is_named() {
    let it = Derived::begin(chain().await, |_, flags| flags);
    it.in_step().await;
    let chain = it.stop().await;
    let it = Derived::begin(chain, |chain, flags| {
        with_rollup(chain, flags, |rollup| rollup["block_time"] = json!(2))
    });
    let detail = it.until_unready("rollup_config_mismatch").await;
    assert!(detail.contains("block_time"), "{detail}");
    it.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inbox_at_which_nobody_posts_is_named_when_the_window_has_passed() {
    const WINDOW: u64 = 30;
    let it = Derived::begin(chain().await, |chain, flags| {
        with_rollup(chain, flags, |rollup| {
            rollup["batch_inbox_address"] = json!(Address::repeat_byte(0xbb));
            rollup["seq_window_size"] = json!(WINDOW);
        })
    });
    it.chain.l1().mine(WINDOW).unwrap();
    let detail = it.until_unready("no_valid_batch").await;
    assert!(
        detail.contains("refused since the node started: nothing"),
        "{detail}"
    );
    let said = it.node.printed();
    let warning = "nothing that the batcher posts becomes a block";
    let warnings = said.iter().filter(|line| line.contains(warning)).count();
    assert_eq!(warnings, 1);
    it.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_history_of_safe_heads_is_noticed_and_a_new_one_begins() {
    let it = Derived::start(Settings::on_command(), |_, flags| flags).await;
    let directory = it.chain.dir().join("safedb");
    fs::remove_dir_all(&directory).unwrap();
    it.goes_on().await;
    it.goes_on().await;
    until("word that it goes on", LIMIT, || async {
        let printed = it.node.printed();
        let says = |words: &str| printed.iter().any(|line| line.contains(words));
        let is_said = says("the history of safe heads cannot be written")
            && says("history of safe heads is gone; a new one begins")
            && says("the history of safe heads is written again");
        is_said.then_some(()).ok_or(printed)
    })
    .await;
    assert!(directory.exists());
    let ours = it.in_step().await;
    let number = format!("{:#x}", ours.current_l1.number);
    let rpc = it.rpc();
    let answer = rpc.call("optimism_safeHeadAtL1Block", json!([number]));
    assert_eq!(
        answer.await.unwrap()["safeHead"]["hash"],
        json!(ours.safe_l2.hash)
    );
    it.finish().await;
}
