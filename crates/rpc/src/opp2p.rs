//! The `opp2p` namespace, with op-node's exact JSON: this node among its peers. Anybody may look; what changes something is an
//! admin's. Answers come from the network actor, numbers from what it publishes.

mod json;
mod params;
#[cfg(test)]
mod tests;

use crate::{
    context::{Turns, TurnsByKind},
    error::{failed, not_available},
};
use futures::future::BoxFuture;
use jsonrpsee::{
    Methods, RpcModule,
    core::RegisterMethodError,
    types::{ErrorObjectOwned, Params},
};
use light_node_network::{NetworkHandle, NetworkRequestError, PeerDump};
use serde_json::Value;

/// What anybody may ask. The second last is kona-node's own.
const QUESTIONS: [&str; 8] = [
    "opp2p_self",
    "opp2p_peers",
    "opp2p_peerStats",
    "opp2p_discoveryTable",
    "opp2p_listBlockedPeers",
    "opp2p_listBlockedAddrs",
    "opp2p_listBlockedSubnets",
    "opp2p_peerCount",
];

/// What an admin may command.
const COMMANDS: [&str; 11] = [
    "opp2p_blockPeer",
    "opp2p_unblockPeer",
    "opp2p_blockAddr",
    // In kona-node's spelling.
    "opp2p_blocAddr",
    "opp2p_unblockAddr",
    "opp2p_blockSubnet",
    "opp2p_unblockSubnet",
    "opp2p_protectPeer",
    "opp2p_unprotectPeer",
    "opp2p_connectPeer",
    "opp2p_disconnectPeer",
];

/// What the methods answer from.
struct Opp2p {
    network: NetworkHandle,
    turns: TurnsByKind,
}

type Module = RpcModule<Opp2p>;
type Registered = Result<(), RegisterMethodError>;

/// What a command needs, as one of [`params`] reads it.
type Read<T> = fn(&Params<'_>) -> Result<T, ErrorObjectOwned>;
type Done = BoxFuture<'static, Result<(), NetworkRequestError>>;

/// The methods of the namespace. Those that are not served refuse and say why.
pub(crate) fn methods(
    network: Option<NetworkHandle>,
    turns: TurnsByKind,
    enable_admin: bool,
) -> Result<Methods, RegisterMethodError> {
    let Some(network) = network else {
        let mut module = RpcModule::new(());
        refuse(&mut module, &QUESTIONS, "p2p is disabled")?;
        refuse(&mut module, &COMMANDS, "p2p is disabled")?;
        return Ok(module.into());
    };
    let mut module = RpcModule::new(Opp2p { network, turns });
    register_numbers(&mut module)?;
    register_questions(&mut module)?;
    if enable_admin {
        register_blocks(&mut module)?;
        register_connections(&mut module)?;
    } else {
        refuse(&mut module, &COMMANDS, crate::admin::HINT)?;
    }
    Ok(module.into())
}

/// Registers methods that answer why they are not there.
pub(crate) fn refuse<T: Send + Sync + 'static>(
    module: &mut RpcModule<T>,
    names: &'static [&'static str],
    why: &'static str,
) -> Registered {
    for name in names {
        module.register_method(name, move |_, _, _| Err::<(), _>(not_available(name, why)))?;
    }
    Ok(())
}

/// Without a question to anybody.
fn register_numbers(module: &mut Module) -> Registered {
    module.register_method("opp2p_peerStats", |_, context, _| {
        json::peer_stats(&context.network.stats())
    })?;
    module.register_method("opp2p_peerCount", |_, context, _| {
        let has_discovery = context.network.local_node().discovery.is_some();
        json::peer_count(&context.network.stats(), has_discovery)
    })?;
    Ok(())
}

fn register_questions(module: &mut Module) -> Registered {
    module.register_async_method("opp2p_self", |_, context, _| async move {
        let network = context.network.clone();
        let this = async move { network.this().await.map_err(refused) };
        let this = context.turns.questions.ask(this).await?;
        Ok::<_, ErrorObjectOwned>(json::peer_info(&this))
    })?;
    module.register_async_method("opp2p_peers", |params, context, _| async move {
        let connected_only = params::connected(&params)?;
        let dump = dump(&context, connected_only).await?;
        Ok::<_, ErrorObjectOwned>(json::peer_dump(&dump))
    })?;
    module.register_async_method("opp2p_discoveryTable", |_, context, _| async move {
        if context.network.local_node().discovery.is_none() {
            return Err(failed("discovery disabled"));
        }
        let network = context.network.clone();
        let table = async move { network.discovery_table().await.map_err(refused) };
        context.turns.questions.ask(table).await
    })?;
    let lists: [(_, ToJson); 3] = [
        ("opp2p_listBlockedPeers", json::banned_peers),
        ("opp2p_listBlockedAddrs", json::banned_ips),
        ("opp2p_listBlockedSubnets", json::banned_subnets),
    ];
    for (name, list) in lists {
        module.register_async_method(name, move |_, context, _| async move {
            let dump = dump(&context, true).await?;
            Ok::<_, ErrorObjectOwned>(list(&dump))
        })?;
    }
    Ok(())
}

/// How a part of what is known of peers is written.
type ToJson = fn(&PeerDump) -> Value;

async fn dump(context: &Opp2p, connected_only: bool) -> Result<PeerDump, ErrorObjectOwned> {
    let network = context.network.clone();
    let dump = async move { network.peers(connected_only).await.map_err(refused) };
    context.turns.questions.ask(dump).await
}

fn register_blocks(module: &mut Module) -> Registered {
    command(module, "opp2p_blockPeer", params::peer, |network, peer| {
        Box::pin(async move { network.block_peer(peer).await })
    })?;
    command(
        module,
        "opp2p_unblockPeer",
        params::peer,
        |network, peer| Box::pin(async move { network.unblock_peer(peer).await }),
    )?;
    for name in ["opp2p_blockAddr", "opp2p_blocAddr"] {
        command(module, name, params::addr, |network, addr| {
            Box::pin(async move { network.block_addr(addr).await })
        })?;
    }
    command(
        module,
        "opp2p_unblockAddr",
        params::addr,
        |network, addr| Box::pin(async move { network.unblock_addr(addr).await }),
    )?;
    command(
        module,
        "opp2p_blockSubnet",
        params::subnet,
        |network, it| Box::pin(async move { network.block_subnet(it).await }),
    )?;
    command(
        module,
        "opp2p_unblockSubnet",
        params::subnet,
        |network, it| Box::pin(async move { network.unblock_subnet(it).await }),
    )
}

fn register_connections(module: &mut Module) -> Registered {
    command(
        module,
        "opp2p_protectPeer",
        params::peer,
        |network, peer| Box::pin(async move { network.protect_peer(peer).await }),
    )?;
    command(
        module,
        "opp2p_unprotectPeer",
        params::peer,
        |network, peer| Box::pin(async move { network.unprotect_peer(peer).await }),
    )?;
    command(
        module,
        "opp2p_disconnectPeer",
        params::peer,
        |network, peer| Box::pin(async move { network.disconnect(peer).await }),
    )?;
    let connects: fn(&TurnsByKind) -> &Turns = |turns| &turns.connects;
    command_in(
        module,
        "opp2p_connectPeer",
        params::address,
        |network, address| Box::pin(async move { network.connect(address).await }),
        connects,
    )
}

fn command<T: Send + 'static>(
    module: &mut Module,
    name: &'static str,
    read: Read<T>,
    act: fn(NetworkHandle, T) -> Done,
) -> Registered {
    command_in(module, name, read, act, |turns| &turns.commands)
}

/// A method that reads its parameter, takes its turn, and answers null when the network has done it.
fn command_in<T: Send + 'static>(
    module: &mut Module,
    name: &'static str,
    read: Read<T>,
    act: fn(NetworkHandle, T) -> Done,
    turns: fn(&TurnsByKind) -> &Turns,
) -> Registered {
    module.register_async_method(name, move |params, context, _| async move {
        let subject = read(&params)?;
        let done = act(context.network.clone(), subject);
        let done = async move { done.await.map_err(refused) };
        turns(&context.turns).ask(done).await
    })?;
    Ok(())
}

fn refused(error: NetworkRequestError) -> ErrorObjectOwned {
    failed(error.to_string())
}
