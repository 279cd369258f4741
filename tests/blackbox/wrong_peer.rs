//! Endpoints of another chain, and a node that follows itself, at once or by way of others. Before the first success they end
//! the process with 1 and words that name cause and remedy; afterwards nothing does.

use crate::helpers::{
    chain::{Chain, Settings},
    door::Door,
    flags::{DEAD, Flags},
    followed::{Followed, followed, in_step},
    process::{NodeProcess, ends_saying},
    rpc::Rpc,
    wait::until,
};
use light_node_devnet::ElBehaviour;
use light_node_protocol::Hardfork;
use serde_json::{Value, json};
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(30);

/// Isthmus has another genesis than Jovian, also when both start in the same second.
async fn other_chain() -> Chain {
    Chain::start(Settings {
        fork: Hardfork::Isthmus,
        ..Settings::on_command()
    })
    .await
}

/// Writes the chain's rollup config with one value changed, and returns flags that name it. Only one endpoint lives, so
/// that it is this one that ends the node.
fn with_config(chain: &Chain, living: &str, pointer: &str, value: Value) -> Flags {
    let mut config: Value =
        serde_json::from_slice(&fs::read(chain.rollup_config()).unwrap()).unwrap();
    *config.pointer_mut(pointer).unwrap() = value;
    let path = chain
        .dir()
        .join(format!("other{}.json", pointer.replace('/', "-")));
    fs::write(&path, config.to_string()).unwrap();
    ["--l1", "--l2", "--l2.follow.source"]
        .into_iter()
        .filter(|flag| *flag != living)
        .fold(chain.flags(), |flags, flag| flags.with(flag, DEAD))
        .with("--rollup.config", path.display())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_execution_layer_of_another_chain_ends_the_node() {
    let chain = Chain::start(Settings::on_command()).await;
    let flags = with_config(&chain, "--l2", "/l2_chain_id", json!(902));
    ends_saying(
        &flags,
        &[
            "execution layer runs chain 901",
            "configured for chain 902",
            "point --l2 at",
        ],
    );
    let hash = "0x".to_owned() + &"12".repeat(32);
    let flags = with_config(&chain, "--l2", "/genesis/l2/hash", json!(hash));
    ends_saying(
        &flags,
        &[
            "genesis block of the execution layer",
            &hash,
            "genesis file of this chain",
        ],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_l1_of_another_chain_ends_the_node() {
    let chain = Chain::start(Settings::on_command()).await;
    let flags = with_config(&chain, "--l1", "/l1_chain_id", json!(1));
    ends_saying(
        &flags,
        &[
            "no l1 endpoint is of the configured chain 1",
            "900",
            "check --l1",
        ],
    );
    let hash = "0x".to_owned() + &"34".repeat(32);
    let flags = with_config(&chain, "--l1", "/genesis/l1/hash", json!(hash));
    ends_saying(&flags, &["no l1 endpoint", &hash, "genesis.l1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_of_another_chain_ends_the_node() {
    let chain = Chain::start(Settings::on_command()).await;
    let other = other_chain().await;
    let url = other.source().url();
    let flags = chain.flags().with("--l2.follow.source", &url);
    ends_saying(
        &flags,
        &[
            "cannot follow",
            &url,
            "genesis",
            "a node of the chain of --rollup.config",
        ],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_follows_itself_ends() {
    let chain = Chain::start(Settings::on_command()).await;
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}");
    let flags = chain
        .flags()
        .with("--rpc.port", port)
        .with("--l2.follow.source", &url);
    ends_saying(
        &flags,
        &[
            "cannot follow",
            &url,
            "it is this node itself",
            "a node that derives from l1",
        ],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_first_success_a_source_of_another_chain_is_not_fatal() {
    let chain = Chain::start(Settings::on_command()).await;
    let other = other_chain().await;
    let theirs = chain.step_until(|status| status.safe_l2.number >= 2).await;
    let mut source = Door::new();
    source.lead_to(chain.source().address());
    let node = NodeProcess::start(&chain.flags().with("--l2.follow.source", source.url()));
    let rpc = node.rpc();
    rpc.until_ready(LIMIT).await;

    source.close();
    until("the loss of the source", LIMIT, || async {
        let (_, page) = rpc.page("/status").await;
        if page["source"]["last_poll"] == "source_error" {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;
    source.lead_to(other.source().address());
    until("the foreign source's refusal", LIMIT, || async {
        let (status, page) = rpc.page("/readyz").await;
        let is_named = page["reasons"][0]["reason"] == "wrong_chain";
        if status == 503 && is_named {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;
    assert_eq!(
        rpc.sync_status().await.unwrap().safe_l2,
        theirs.safe_l2,
        "heads hold"
    );

    source.lead_to(chain.source().address());
    rpc.until_ready(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_the_first_success_an_l1_of_another_chain_is_not_fatal() {
    let chain = Chain::start(Settings::by_clock(Hardfork::Jovian)).await;
    let control = Rpc::url(&chain.endpoints().l1);
    let mut l1 = Door::new();
    l1.lead_to(chain.l1().address());
    let node = NodeProcess::start(&chain.flags().with("--l1", l1.url()));
    let rpc = node.rpc();
    rpc.until_ready(LIMIT).await;

    // An endpoint that failed is asked again of which chain it is.
    l1.close();
    until("the loss of L1", LIMIT, || async {
        let (_, page) = rpc.page("/status").await;
        if page["l1"]["endpoints"][0]["verdict"] == "unchecked" {
            Ok(())
        } else {
            Err(page["l1"].clone())
        }
    })
    .await;
    let fault = json!([{ "kind": "otherChain" }]);
    control.call("dev_fault", fault).await.unwrap();
    l1.lead_to(chain.l1().address());
    until("the foreign L1's refusal", LIMIT, || async {
        let (status, page) = rpc.page("/readyz").await;
        if status == 503 && page["reasons"][0]["reason"] == "l1_wrong_chain" {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;

    control.call("dev_clearFault", json!([])).await.unwrap();
    rpc.until_ready(LIMIT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ring_of_three_that_forms_later_is_named_and_looks_fresh_to_nobody() {
    let mut door = Door::new();
    let it = Followed::start_with(ElBehaviour::OpReth, |chain, flags| {
        door.lead_to(chain.source().address());
        flags.with("--l2.follow.source", door.url())
    })
    .await;
    let second = behind(&it, it.node.addr());
    let third = behind(&it, second.addr());
    let before = in_step(&third.rpc(), &it.status().await).await;

    // A source is asked whom it follows when it comes back, and now and then.
    let errors = it.polls("source_error").await;
    door.close();
    it.until_polls_above("source_error", errors).await;
    door.lead_to(third.addr());
    it.until_unready("cycle").await;
    it.source_goes_on().await;
    for node in [&second, &third] {
        until("a source that stands still", LIMIT, || async {
            let (code, page) = node.rpc().page("/readyz").await;
            if code == 503 { Ok(()) } else { Err(page) }
        })
        .await;
        let now = node.rpc().sync_status().await.unwrap();
        assert_eq!(followed(&now), followed(&before));
    }
    assert_eq!(followed(&it.status().await), followed(&before));

    door.lead_to(it.chain.source().address());
    it.follows_again().await;
    for node in [&second, &third] {
        in_step(&node.rpc(), &it.status().await).await;
        node.rpc().until_ready(LIMIT).await;
    }
    it.finish().await;
}

/// One more node, which follows the one at `source` and has an execution layer of its own.
fn behind(it: &Followed, source: SocketAddr) -> NodeProcess {
    let (_, authrpc) = it.chain.another_el();
    let flags = it
        .chain
        .flags()
        .with("--l2.follow.max-age", "3s")
        .with("--l2.follow.source", format!("http://{source}"))
        .with("--l2", format!("http://{authrpc}"));
    NodeProcess::start(&flags)
}
