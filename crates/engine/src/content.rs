//! What derived attributes say of a block, and what the block says of itself: two values that are equal if the block is the
//! derived one. Small, so that the engine remembers it of each block instead of the payload. Pure.

use alloy_primitives::{Address, B256, Bytes, Keccak256};
use light_node_protocol::{ChainOpConfig, RollupConfig};
use op_alloy_rpc_types_engine::{
    OpExecutionPayload, OpExecutionPayloadEnvelope, OpPayloadAttributes,
};

/// Parameters of EIP-1559 where the rollup config names none: those with which the OP Stack began.
const DEFAULT_ELASTICITY: u64 = 6;
const DEFAULT_DENOMINATOR: u64 = 250;

/// The fields of a block that its attributes decide. The others follow from these and from the parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    timestamp: u64,
    prev_randao: B256,
    fee_recipient: Address,
    gas_limit: u64,
    parent_beacon_block_root: Option<B256>,
    /// How many, if the block has the field.
    withdrawals: Option<usize>,
    extra_data: Bytes,
    /// A digest of all transactions in their order.
    transactions: B256,
}

impl Content {
    /// What the block of a payload says.
    pub(crate) fn of(envelope: &OpExecutionPayloadEnvelope) -> Self {
        let payload = &envelope.execution_payload;
        let withdrawals = match payload {
            OpExecutionPayload::V1(_) => None,
            OpExecutionPayload::V2(payload) => Some(payload.withdrawals.len()),
            OpExecutionPayload::V3(payload) => Some(payload.payload_inner.withdrawals.len()),
            OpExecutionPayload::V4(payload) => {
                Some(payload.payload_inner.payload_inner.withdrawals.len())
            }
        };
        let payload = payload.as_v1();
        Self {
            timestamp: payload.timestamp,
            prev_randao: payload.prev_randao,
            fee_recipient: payload.fee_recipient,
            gas_limit: payload.gas_limit,
            parent_beacon_block_root: envelope.parent_beacon_block_root,
            withdrawals,
            extra_data: payload.extra_data.clone(),
            transactions: digest(&payload.transactions),
        }
    }

    /// What the block of `attributes` must say. A missing gas limit is one that no block has.
    pub(crate) fn expected(config: &RollupConfig, attributes: &OpPayloadAttributes) -> Self {
        let common = &attributes.payload_attributes;
        Self {
            timestamp: common.timestamp,
            prev_randao: common.prev_randao,
            fee_recipient: common.suggested_fee_recipient,
            gas_limit: attributes.gas_limit.unwrap_or_default(),
            parent_beacon_block_root: common.parent_beacon_block_root,
            withdrawals: common.withdrawals.as_ref().map(Vec::len),
            extra_data: extra_data(config, attributes),
            transactions: digest(attributes.transactions.as_deref().unwrap_or_default()),
        }
    }

    /// True if just the same transactions are in both.
    pub(crate) fn has_transactions_of(&self, other: &Self) -> bool {
        self.transactions == other.transactions
    }

    /// The first field in which two differ, for the log.
    pub(crate) fn difference(&self, other: &Self) -> Option<&'static str> {
        let differs = [
            (self.timestamp != other.timestamp, "timestamp"),
            (self.transactions != other.transactions, "transactions"),
            (self.prev_randao != other.prev_randao, "prev_randao"),
            (self.fee_recipient != other.fee_recipient, "fee_recipient"),
            (self.gas_limit != other.gas_limit, "gas_limit"),
            (self.extra_data != other.extra_data, "extra_data"),
            (self.withdrawals != other.withdrawals, "withdrawals"),
            (
                self.parent_beacon_block_root != other.parent_beacon_block_root,
                "parent_beacon_block_root",
            ),
        ];
        differs
            .into_iter()
            .find_map(|(differs, field)| differs.then_some(field))
    }
}

/// What the execution layer writes into the header for these parameters
/// (`specs/protocol/holocene/exec-engine.md#eip-1559-parameters-in-block-header`, from Jovian on with the minimum base fee).
fn extra_data(config: &RollupConfig, attributes: &OpPayloadAttributes) -> Bytes {
    let Some(params) = attributes.eip_1559_params else {
        return Bytes::new();
    };
    let (denominator, elasticity) = params.split_at(4);
    // Zero: the system config has not set them.
    let (denominator, elasticity) = if denominator == [0; 4] {
        let (denominator, elasticity) = defaults(config.chain_op_config);
        (denominator.to_be_bytes(), elasticity.to_be_bytes())
    } else {
        let four = |bytes: &[u8]| bytes.try_into().unwrap_or_default();
        (four(denominator), four(elasticity))
    };
    let version = u8::from(attributes.min_base_fee.is_some());
    let mut data = Vec::with_capacity(17);
    data.push(version);
    data.extend(denominator);
    data.extend(elasticity);
    if let Some(min_base_fee) = attributes.min_base_fee {
        data.extend(min_base_fee.to_be_bytes());
    }
    data.into()
}

fn defaults(config: Option<ChainOpConfig>) -> (u32, u32) {
    let denominator = config.and_then(|config| config.eip1559_denominator_canyon);
    let elasticity = config.map(|config| config.eip1559_elasticity);
    let narrow = |value: u64| u32::try_from(value).unwrap_or(u32::MAX);
    (
        narrow(denominator.unwrap_or(DEFAULT_DENOMINATOR)),
        narrow(elasticity.unwrap_or(DEFAULT_ELASTICITY)),
    )
}

/// Lengths go in, too: no two lists have the same bytes.
fn digest(transactions: &[Bytes]) -> B256 {
    let mut hasher = Keccak256::new();
    for transaction in transactions {
        hasher.update((transaction.len() as u64).to_be_bytes());
        hasher.update(transaction);
    }
    hasher.finalize()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use alloy_primitives::{B64, hex};
    use light_node_engine_api::memory::ChainBuilder;

    fn pair() -> (OpPayloadAttributes, OpExecutionPayloadEnvelope) {
        let builder = ChainBuilder::new();
        let genesis = builder.genesis();
        let attributes = builder.attributes(&genesis, genesis.block_ref().l1_origin, 3);
        let block = builder.child(&genesis, genesis.block_ref().l1_origin, 3);
        (attributes, block.envelope)
    }

    #[test]
    fn the_block_of_the_attributes_has_their_content() {
        let (attributes, envelope) = pair();
        let expected = Content::expected(&ChainBuilder::new().config(), &attributes);
        assert_eq!(Content::of(&envelope), expected);
        assert_eq!(Content::of(&envelope).difference(&expected), None);
    }

    #[test]
    fn each_field_of_another_block_is_told() {
        type Change = fn(&mut OpPayloadAttributes);
        let changes: [(&str, Change); 8] = [
            ("timestamp", |a| a.payload_attributes.timestamp += 1),
            ("transactions", |a| {
                let transactions = a.transactions.as_mut().unwrap();
                transactions.push(Bytes::from_static(&[2, 7]));
            }),
            ("prev_randao", |a| {
                a.payload_attributes.prev_randao.0[0] ^= 1
            }),
            ("fee_recipient", |a| {
                a.payload_attributes.suggested_fee_recipient.0[0] ^= 1;
            }),
            ("gas_limit", |a| a.gas_limit = Some(1)),
            ("extra_data", |a| a.min_base_fee = Some(7)),
            ("withdrawals", |a| a.payload_attributes.withdrawals = None),
            ("parent_beacon_block_root", |a| {
                a.payload_attributes.parent_beacon_block_root = None;
            }),
        ];
        let config = ChainBuilder::new().config();
        for (field, change) in changes {
            let (mut attributes, envelope) = pair();
            change(&mut attributes);
            let expected = Content::expected(&config, &attributes);
            assert_eq!(Content::of(&envelope).difference(&expected), Some(field));
        }
    }

    #[test]
    fn transactions_that_are_cut_otherwise_are_others() {
        let list = |parts: &[&'static [u8]]| -> Vec<Bytes> {
            parts.iter().map(|part| Bytes::from_static(part)).collect()
        };
        assert_ne!(
            digest(&list(&[&[1, 2], &[3]])),
            digest(&list(&[&[1], &[2, 3]]))
        );
        assert_ne!(digest(&list(&[&[]])), digest(&list(&[])));
    }

    #[test]
    fn extra_data_has_the_form_of_its_fork() {
        let config = RollupConfig {
            chain_op_config: Some(ChainOpConfig {
                eip1559_elasticity: 10,
                eip1559_denominator: 50,
                eip1559_denominator_canyon: Some(251),
            }),
            ..Default::default()
        };
        let of = |params: Option<B64>, min_base_fee| {
            let attributes = OpPayloadAttributes {
                eip_1559_params: params,
                min_base_fee,
                ..Default::default()
            };
            hex::encode(extra_data(&config, &attributes))
        };
        let set = B64::from(hex!("000000fa00000006"));
        assert_eq!(of(None, None), "");
        assert_eq!(of(Some(set), None), "00000000fa00000006");
        assert_eq!(of(Some(B64::ZERO), None), "00000000fb0000000a");
        assert_eq!(
            of(Some(set), Some(256)),
            "01000000fa000000060000000000000100"
        );
    }
}
