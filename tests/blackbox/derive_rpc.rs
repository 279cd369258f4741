//! What a node that derives answers: as op-node, in its JSON and in its words of refusal; and derivation that begins anew on an
//! admin's command.

use crate::helpers::{
    chain::{Chain, Settings},
    deriving::{self, LIMIT, derives_up_to},
    process::NodeProcess,
    wait::until,
};
use light_node_protocol::Hardfork;
use serde_json::{Value, json};
use std::fs;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn derivation_begins_anew_on_command_and_goes_on() {
    let chain = Chain::start(Settings::by_clock(Hardfork::Jovian)).await;
    let flags = deriving::flags(&chain).with_switch("--rpc.enable-admin");
    let node = NodeProcess::start(&flags);
    let before = derives_up_to(&chain, &node, 4, 1).await;
    let rpc = node.rpc();
    let answer = rpc.call("admin_resetDerivationPipeline", json!([])).await;
    assert_eq!(answer, Ok(Value::Null));
    until("a new start", LIMIT, || async {
        let (_, page) = rpc.page("/status").await;
        let derivation = &page["derivation"];
        if derivation["resets"] == 1 && derivation["phase"] != "starting" {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;
    let after = derives_up_to(&chain, &node, before.safe_l2.number + 3, 2).await;
    assert!(after.finalized_l2.number >= before.finalized_l2.number);
    chain.has_the_sequencers_blocks(chain.spare_el(), after.safe_l2.number);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_derives_answers_and_refuses_as_op_node() {
    let chain = Chain::start(Settings::by_clock(Hardfork::Jovian)).await;
    let node = NodeProcess::start(&deriving::flags(&chain));
    let status = derives_up_to(&chain, &node, 4, 1).await;
    let rpc = node.rpc();
    let call = async |method: &str, params: Value| rpc.call(method, params).await;

    assert_eq!(status.pending_safe_l2, status.local_safe_l2);
    let file: Value = serde_json::from_slice(&fs::read(chain.rollup_config()).unwrap()).unwrap();
    assert_eq!(call("optimism_rollupConfig", json!([])).await, Ok(file));
    let version = json!(env!("CARGO_PKG_VERSION"));
    assert_eq!(call("optimism_version", json!([])).await, Ok(version));

    let l1_number = format!("{:#x}", status.safe_l2.l1_origin.number + 1);
    let answer = call("optimism_safeHeadAtL1Block", json!([l1_number])).await;
    let answer = answer.unwrap();
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&answer), ["l1Block", "safeHead"]);
    for block in ["l1Block", "safeHead"] {
        assert_eq!(keys(&answer[block]), ["hash", "number"]);
        assert!(answer[block]["number"].is_u64(), "{answer}");
    }
    let number = answer["safeHead"]["number"].as_u64().unwrap();
    let ours = chain.hash_on_sequencer_el(number);
    assert_eq!(answer["safeHead"]["hash"], json!(ours));

    let number = format!("{:#x}", status.safe_l2.number);
    let output = call("optimism_outputAtBlock", json!([number])).await;
    let output = output.unwrap();
    assert_eq!(output["blockRef"]["hash"], json!(status.safe_l2.hash));
    let missing = call("optimism_outputAtBlock", json!(["0xffffff"])).await;
    let words = "failed to get L2 block ref with sync status: not found";
    let error = json!({ "code": -32000, "message": words });
    assert_eq!(missing, Err(error));
    let before_all = call("optimism_safeHeadAtL1Block", json!(["0x0"])).await;
    if let Err(error) = before_all {
        assert_eq!(error, json!({ "code": -32000, "message": "not found" }));
    }
    for method in ["optimism_outputAtBlock", "optimism_safeHeadAtL1Block"] {
        let error = call(method, json!(["seven"])).await.unwrap_err();
        assert_eq!(error["code"], -32602, "{method}: {error}");
    }
    let error = call("admin_resetDerivationPipeline", json!([])).await;
    assert_eq!(error.unwrap_err()["code"], -32601, "admin is off");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_history_safe_heads_are_refused_in_op_nodes_words() {
    let chain = Chain::start(Settings::by_clock(Hardfork::Jovian)).await;
    let flags = deriving::flags(&chain)
        .without("--safedb.path")
        .with_switch("--safedb.disable");
    let node = NodeProcess::start(&flags);
    derives_up_to(&chain, &node, 2, 0).await;
    let rpc = node.rpc();
    let refused = rpc.call("optimism_safeHeadAtL1Block", json!(["0x5"])).await;
    let words = "failed to get safe head at l1 block 0x5: safe head database not enabled";
    let error = json!({ "code": -32000, "message": words });
    assert_eq!(refused, Err(error));
}
