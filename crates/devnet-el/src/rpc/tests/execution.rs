use super::*;
use crate::{
    MESSAGE_PASSER,
    predeploys::selector,
    testing::{RECIPIENT, sign_1559, transfer, transfer_fields, wallet, withdrawal_calldata},
};
use alloy_consensus::TxEip1559;
use alloy_primitives::{Address, Bytes, TxKind, U256, hex as hex_bytes};
use light_node_protocol::l1_info::L1_BLOCK_ADDRESS;

/// Code of a contract creation that reverts with `Error("no")`.
fn reverting() -> Bytes {
    // Copies what follows these twelve bytes to memory and reverts with it.
    let mut code = hex_bytes!("6064600c60003960646000fd").to_vec();
    code.extend(selector("Error(string)"));
    code.extend(U256::from(32).to_be_bytes::<32>());
    code.extend(U256::from(2).to_be_bytes::<32>());
    code.extend(*b"no");
    code.resize(12 + 100, 0);
    code.into()
}

fn parse(quantity: &Value) -> u64 {
    u64::from_str_radix(&quantity.as_str().unwrap()[2..], 16).unwrap()
}

#[tokio::test]
async fn calls_read_the_state_of_their_block() {
    let served = Served::new(Hardfork::Jovian);
    for _ in 0..6 {
        served.chain.extend();
    }
    let request = json!({ "to": L1_BLOCK_ADDRESS, "data": selector("number()") });
    for (id, l1_number) in [("0x5", 100), ("latest", 101)] {
        let answer = served.call("eth_call", json!([request, id])).await;
        assert_eq!(
            answer,
            json!(alloy_primitives::B256::from(U256::from(l1_number))),
            "{id}"
        );
    }
    // The block is the latest by default, and calldata may be called input, too.
    let request = json!({ "to": L1_BLOCK_ADDRESS, "input": selector("number()") });
    let answer = served.call("eth_call", json!([request])).await;
    assert_eq!(parse(&answer), 101);
}

#[tokio::test]
async fn a_call_needs_no_money_no_nonce_and_no_key() {
    let served = Served::new(Hardfork::Jovian);
    served.chain.extend();
    // A contract calls, with a nonce that is not its own, and the account pays nothing for gas or L1 data.
    let request = json!({
        "from": MESSAGE_PASSER, "to": L1_BLOCK_ADDRESS, "data": selector("basefee()"), "nonce": "0x99",
    });
    let answer = served.call("eth_call", json!([request, "latest"])).await;
    assert_eq!(parse(&answer), 1_000_000_000);
    // But it cannot send what it does not have.
    let request = json!({ "from": RECIPIENT, "to": Address::ZERO, "value": "0x1" });
    assert_eq!(
        served
            .failure("eth_call", json!([request, "latest"]))
            .await
            .0,
        -32000
    );
}

#[tokio::test]
async fn a_revert_is_error_3_with_reason_and_data() {
    let served = Served::new(Hardfork::Jovian);
    let request = json!({ "data": reverting() });
    for method in ["eth_call", "eth_estimateGas"] {
        let (code, message) = served.failure(method, json!([request])).await;
        assert_eq!(code, 3);
        assert!(
            message.starts_with("execution reverted: no\"0x08c379a0"),
            "{message}"
        );
    }
    let bare = json!({ "to": MESSAGE_PASSER, "data": "0x12345678" });
    let failure = served.failure("eth_call", json!([bare])).await;
    assert_eq!(failure, (3, "execution reverted\"0x\"".to_owned()));
}

#[tokio::test]
async fn overrides_that_would_be_ignored_are_refused() {
    let served = Served::new(Hardfork::Jovian);
    let overrides =
        json!([{ "to": RECIPIENT }, "latest", { RECIPIENT.to_string(): { "balance": "0x1" } }]);
    assert_eq!(served.failure("eth_call", overrides).await.0, -32602);
    served
        .call("eth_call", json!([{ "to": RECIPIENT }, "latest", null]))
        .await;
    served
        .call("eth_call", json!([{ "to": RECIPIENT }, "latest", {}]))
        .await;
}

#[tokio::test]
async fn a_transfer_is_estimated_at_21000() {
    let served = Served::new(Hardfork::Jovian);
    let from = wallet(0).address();
    let request = json!({ "from": from, "to": RECIPIENT, "value": "0x1" });
    assert_eq!(
        parse(&served.call("eth_estimateGas", json!([request])).await),
        21_000
    );
    let request = json!({
        "from": from, "to": RECIPIENT, "value": "0x1", "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1",
    });
    assert_eq!(
        parse(
            &served
                .call("eth_estimateGas", json!([request, "latest"]))
                .await
        ),
        21_000
    );
}

#[tokio::test]
async fn a_transaction_with_the_estimated_gas_succeeds_in_every_fork() {
    for fork in [
        Hardfork::Ecotone,
        Hardfork::Isthmus,
        Hardfork::Jovian,
        Hardfork::Karst,
    ] {
        let served = Served::new(fork);
        let from = wallet(0).address();
        let input = withdrawal_calldata(RECIPIENT, &[1; 100]);
        let request = json!({ "from": from, "to": MESSAGE_PASSER, "data": input });
        let gas_limit = parse(&served.call("eth_estimateGas", json!([request])).await);
        let transaction = TxEip1559 {
            to: TxKind::Call(MESSAGE_PASSER),
            value: U256::ZERO,
            gas_limit,
            input,
            ..transfer_fields(0, 1_000_000)
        };
        let hash = served.chain.submit(&sign_1559(&wallet(0), transaction));
        served.chain.extend();
        let receipt = served
            .call("eth_getTransactionReceipt", json!([hash]))
            .await;
        assert_eq!(receipt["status"], json!("0x1"), "{fork:?}");
        assert!(
            parse(&receipt["gasUsed"]) * 2 > gas_limit,
            "{fork:?}: {gas_limit}"
        );
    }
}

#[tokio::test]
async fn estimates_are_bounded_by_gas_and_by_money() {
    let served = Served::new(Hardfork::Jovian);
    let input = withdrawal_calldata(RECIPIENT, &[]);
    let poor = json!({
        "from": RECIPIENT, "to": MESSAGE_PASSER, "data": input, "gasPrice": "0x77359400",
    });
    let (code, message) = served.failure("eth_estimateGas", json!([poor])).await;
    assert_eq!(code, -32000);
    assert!(
        message.contains("gas required exceeds allowance (0)"),
        "{message}"
    );
    let tight = json!({ "to": MESSAGE_PASSER, "data": input, "gas": "0x7530" });
    let (_, message) = served.failure("eth_estimateGas", json!([tight])).await;
    assert!(
        message.contains("gas required exceeds allowance (30000)"),
        "{message}"
    );
    // An endless loop: JUMPDEST, PUSH0, JUMP. It ends with the block's gas.
    let endless = json!({ "data": "0x5b5f56" });
    let (code, _) = served.failure("eth_call", json!([endless])).await;
    assert_eq!(code, -32000);
}

#[tokio::test]
async fn a_batcher_throttles_the_sequencer_by_the_size_of_its_data() {
    let served = Served::new(Hardfork::Jovian);
    for from in 0..3 {
        served.chain.submit(&transfer(from, 0));
    }
    let limits = json!(["0x0", "0xc8"]);
    assert_eq!(served.call("miner_setMaxDASize", limits).await, json!(true));
    // Two of a hundred bytes each, after the L1-info deposit.
    assert_eq!(served.chain.extend().receipts.len(), 3);
    served
        .call("miner_setMaxDASize", json!(["0x0", "0x0"]))
        .await;
    assert_eq!(served.chain.extend().receipts.len(), 2);
}
