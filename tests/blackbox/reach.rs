//! How endpoints are reached: by names that nobody knows, over IPv6 alone, by a proxy of the environment.

use crate::helpers::{
    chain::{Chain, Settings},
    door::Door,
    flags::DEAD,
    followed::{Followed, LIMIT, in_step},
    process::{NodeProcess, command},
    rpc::Rpc,
    wait::until,
};
use light_node_devnet::ElBehaviour;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_do_not_resolve_are_named_and_end_nothing() {
    let chain = Chain::start(Settings::on_command()).await;
    let flags = chain
        .flags()
        .with("--l1", "http://l1.invalid:8545")
        .with("--l2", "http://el.invalid:8551")
        .with("--l2.follow.source", "http://source.invalid:9545");
    let node = NodeProcess::start(&flags);
    for (reason, word) in [
        ("l1_unreachable", "l1.invalid"),
        ("el_unreachable", "el.invalid"),
        ("source_unreachable", "lookup"),
    ] {
        until_unready(&node.rpc(), reason, word).await;
    }
}

/// Waits until `/readyz` names a reason with `word` in its detail.
async fn until_unready(node: &Rpc, reason: &str, word: &str) {
    until(reason, LIMIT, || async {
        let (code, page) = node.page("/readyz").await;
        let reasons = page["reasons"].as_array().cloned().unwrap_or_default();
        let is_named = |it: &Value| {
            let detail = it["detail"].as_str().unwrap_or_default();
            it["reason"] == reason && detail.contains(word)
        };
        if code == 503 && reasons.iter().any(is_named) {
            Ok(())
        } else {
            Err(page)
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_there_is_only_ipv6_it_is_spoken() {
    let mut doors = [Door::on_ipv6(), Door::on_ipv6(), Door::on_ipv6()];
    let it = Followed::start_with(ElBehaviour::OpReth, |chain, flags| {
        let targets = [
            chain.l1().address(),
            chain.spare_el_authrpc(),
            chain.source().address(),
        ];
        for (door, target) in doors.iter_mut().zip(targets) {
            door.lead_to(target);
        }
        flags
            .with("--l1", doors[0].url())
            .with("--l2", doors[1].url())
            .with("--l2.follow.source", doors[2].url())
            .with("--rpc.addr", "::1")
            .with("--metrics.addr", "::1")
    })
    .await;
    assert!(it.node.addr().is_ipv6());
    it.follows_again().await;
    it.finish().await;
}

/// The node with a proxy in its environment that answers nobody.
fn behind_a_dead_proxy(chain: &Chain, exceptions: Option<&str>) -> NodeProcess {
    let mut command = command(&chain.flags().args());
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(name, DEAD);
    }
    for name in ["NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    if let Some(exceptions) = exceptions {
        command.env("NO_PROXY", exceptions);
    }
    NodeProcess::spawn(command)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_of_the_environment_is_between_us_and_l1_and_source_and_never_the_execution_layer()
{
    let chain = Chain::start(Settings::on_command()).await;
    let theirs = chain.step_until(|status| status.safe_l2.number >= 2).await;
    let node = behind_a_dead_proxy(&chain, None);
    until_unready(&node.rpc(), "l1_unreachable", "cannot connect").await;
    until_unready(&node.rpc(), "source_unreachable", "cannot connect").await;
    let (_, page) = node.rpc().page("/status").await;
    assert_eq!(page["execution_layer"]["answering"], true, "{page:#}");
    drop(node);
    let node = behind_a_dead_proxy(&chain, Some("127.0.0.1"));
    in_step(&node.rpc(), &theirs).await;
}
