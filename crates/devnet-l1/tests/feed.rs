//! The node's L1 feed reads the embedded L1 over real sockets: batches as calldata and as blobs, deposits, a reorg. What the
//! feed checks (hashes, roots, commitments) is what this L1 must get exactly right.
#![allow(clippy::unwrap_used)]

use alloy_consensus::{
    EthereumTxEnvelope, SignableTransaction, TxEip1559, TxEip4844, TxEip4844WithSidecar,
};
use alloy_eips::{
    eip2718::Encodable2718,
    eip4844::{Blob, BlobTransactionSidecar},
    eip7594::BlobTransactionSidecarVariant,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use light_node_actor::CancellationToken;
use light_node_devnet_l1::{EmbeddedL1, L1SimConfig};
use light_node_l1::{
    BeaconClient, BlobError, InboxData, L1Config, L1Feed, L1FeedConfig, L1FeedHandle, L1Heads,
    L1Source, L1Watcher,
};
use light_node_protocol::BlockNumHash;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

type Envelope = EthereumTxEnvelope<TxEip4844WithSidecar<BlobTransactionSidecarVariant>>;

fn batcher() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(1)).unwrap()
}

fn signed<T>(tx: T) -> Bytes
where
    T: SignableTransaction<alloy_primitives::Signature>,
    Envelope: From<alloy_consensus::Signed<T>>,
{
    let signature = batcher().sign_hash_sync(&tx.signature_hash()).unwrap();
    Envelope::from(tx.into_signed(signature))
        .encoded_2718()
        .into()
}

fn call(nonce: u64, to: Address, value: u64, input: &'static [u8]) -> Bytes {
    signed(TxEip1559 {
        chain_id: 900,
        nonce,
        gas_limit: 1_000_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: TxKind::Call(to),
        value: U256::from(value),
        input: Bytes::from_static(input),
        ..TxEip1559::default()
    })
}

/// A transaction with blobs of one repeated byte each, and their versioned hashes.
fn blobs(nonce: u64, to: Address, bytes: &[u8]) -> (Bytes, Vec<B256>) {
    let mut blobs: Vec<Blob> = Vec::new();
    for byte in bytes {
        blobs.push(Blob::repeat_byte(*byte));
    }
    let settings = c_kzg::ethereum_kzg_settings(0);
    let commitment = |blob: &Blob| {
        let blob = c_kzg::Blob::from_bytes(blob.as_slice()).unwrap();
        let commitment = settings.blob_to_kzg_commitment(&blob).unwrap();
        alloy_eips::eip4844::Bytes48::from_slice(commitment.as_slice())
    };
    let sidecar = BlobTransactionSidecar::new(
        blobs.clone(),
        blobs.iter().map(commitment).collect(),
        vec![alloy_eips::eip4844::Bytes48::ZERO; bytes.len()],
    );
    let hashes: Vec<B256> = sidecar.versioned_hashes().collect();
    let tx = TxEip4844 {
        chain_id: 900,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 100_000_000_000,
        max_priority_fee_per_gas: 1,
        to,
        max_fee_per_blob_gas: 1_000,
        blob_versioned_hashes: hashes.clone(),
        ..TxEip4844::default()
    };
    let variant = BlobTransactionSidecarVariant::Eip4844(sidecar);
    let tx = TxEip4844WithSidecar::from_tx_and_sidecar(tx, variant);
    let signature = batcher().sign_hash_sync(&tx.signature_hash()).unwrap();
    let bytes = Envelope::from(tx.into_signed(signature)).encoded_2718();
    (bytes.into(), hashes)
}

/// An L1 that mines on command, with the batcher's account.
async fn start_l1(token: &CancellationToken) -> EmbeddedL1 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut config = L1SimConfig::new(now.as_secs() - 600);
    config.mining = false;
    let wealth = U256::from(10).pow(U256::from(24));
    config.accounts = vec![(batcher().address(), wealth)];
    EmbeddedL1::start(config, token.clone()).await.unwrap()
}

/// The node's watcher and feed over it.
fn start_feed(
    l1: &EmbeddedL1,
    trust_rpc: bool,
    token: &CancellationToken,
) -> (L1FeedHandle, watch::Receiver<L1Heads>) {
    let url: url::Url = l1.url().parse().unwrap();
    let genesis = l1.block_by_number(0).unwrap();
    let id = BlockNumHash {
        number: 0,
        hash: genesis.hash(),
    };
    let mut config =
        L1Config::new(vec![url.clone()], 900, id).with_block_time(Duration::from_millis(100));
    config.trust_rpc = trust_rpc;
    let (watcher, handle) = L1Watcher::new(config).unwrap();
    let contracts = l1.with_chain(|chain| chain.config().contracts);
    let config = L1FeedConfig::of_contracts(
        contracts.batch_inbox,
        contracts.portal,
        contracts.system_config,
    );
    let beacons = BeaconClient::new(&[url], None).unwrap();
    let (feed, data) = L1Feed::new(config, &handle, beacons);
    tokio::spawn(watcher.run(token.clone()));
    tokio::spawn(feed.run(token.clone()));
    (data, handle.watch())
}

#[tokio::test]
async fn the_feed_reads_calldata_blobs_and_deposits_and_follows_a_reorg() {
    let token = CancellationToken::new();
    let l1 = start_l1(&token).await;
    let contracts = l1.with_chain(|chain| chain.config().contracts);
    l1.mine(3).unwrap();
    l1.submit(&call(0, contracts.batch_inbox, 0, b"batch"))
        .unwrap();
    let (transaction, hashes) = blobs(1, contracts.batch_inbox, &[1, 2]);
    l1.submit(&transaction).unwrap();
    l1.submit(&call(2, contracts.portal, 77, b"")).unwrap();
    let block = l1.mine(1).unwrap();
    l1.mine(5).unwrap();
    for trust_rpc in [false, true] {
        let (feed, mut heads) = start_feed(&l1, trust_rpc, &token);
        heads
            .wait_for(|heads| heads.head.number == 9)
            .await
            .unwrap();
        let cursor = l1.block_by_number(1).unwrap();
        let cursor = BlockNumHash {
            number: 1,
            hash: cursor.hash(),
        };
        feed.advance(cursor, batcher().address());
        let data = feed.block(block.number).await.unwrap().unwrap();
        assert_eq!(data.hash, block.hash);
        assert_eq!(
            data.inbox[0].data,
            InboxData::Calldata(Bytes::from_static(b"batch"))
        );
        let with_blobs = InboxData::Blobs {
            hashes: hashes.clone(),
            input: Bytes::new(),
        };
        assert_eq!(data.inbox[1].data, with_blobs);
        assert!(
            data.inbox
                .iter()
                .all(|one| one.sender == batcher().address())
        );
        assert_eq!((data.logs.len(), data.logs[0].0), (1, 0));
        let root = data.header.parent_beacon_block_root;
        let asked = [hashes[1], hashes[0]];
        let time = data.header.timestamp;
        let blobs = feed.blobs(data.id(), time, root, &asked).await.unwrap();
        for (blob, byte) in blobs.iter().zip([2, 1]) {
            assert!(blob.iter().all(|one| *one == byte));
        }
        // The beacon says whose the next slot is.
        let absent = feed.blobs(data.id(), time + 2, root, &[B256::ZERO]).await;
        assert!(
            matches!(absent, Err(BlobError::Reorged { .. })),
            "{absent:?}"
        );
    }

    let (feed, mut heads) = start_feed(&l1, false, &token);
    heads
        .wait_for(|heads| heads.head.number == 9)
        .await
        .unwrap();
    let old = feed.block(8).await.unwrap().unwrap();
    let reorg = l1.reorg(3, Some(4), false).unwrap();
    heads
        .wait_for(|heads| heads.head.hash == reorg.new_head.hash)
        .await
        .unwrap();
    let new = feed.block(8).await.unwrap().unwrap();
    assert_ne!(new.hash, old.hash);
    assert_eq!(new.hash, l1.block_by_number(8).unwrap().hash());
    token.cancel();
}
