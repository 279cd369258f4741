//! The accounts of the devnet: the first ten of the well-known development mnemonic, funded on both layers. Some have a role.

use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
use alloy_eips::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, U256, address, b256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;

/// The mnemonic that every Ethereum development tool knows. Never fund these accounts on a public chain.
pub const MNEMONIC: &str = "test test test test test test test test test test test junk";

/// Balance of every account on L1 and on L2, in ether.
pub const BALANCE_ETHER: u64 = 10_000;

/// Fees that are high enough for an L1 on which hardly anything happens, in wei per gas.
pub(crate) const L1_MAX_FEE_PER_GAS: u128 = 100_000_000_000;
pub(crate) const L1_MAX_PRIORITY_FEE_PER_GAS: u128 = 1_000_000_000;

/// An account with its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevAccount {
    /// Address on both layers.
    pub address: Address,
    /// Private key.
    pub private_key: B256,
    /// What the devnet itself uses the account for.
    pub role: Option<&'static str>,
}

const fn account(address: Address, private_key: B256) -> DevAccount {
    DevAccount {
        address,
        private_key,
        role: None,
    }
}

const fn with_role(role: &'static str, address: Address, private_key: B256) -> DevAccount {
    DevAccount {
        address,
        private_key,
        role: Some(role),
    }
}

/// Accounts 0 to 9 of [`MNEMONIC`] (path `m/44'/60'/0'/0/n`).
pub const DEV_ACCOUNTS: [DevAccount; 10] = [
    account(
        address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
        b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"),
    ),
    account(
        address!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8"),
        b256!("0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"),
    ),
    account(
        address!("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
        b256!("0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"),
    ),
    account(
        address!("0x90F79bf6EB2c4f870365E785982E1f101E93b906"),
        b256!("0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6"),
    ),
    account(
        address!("0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65"),
        b256!("0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a"),
    ),
    account(
        address!("0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc"),
        b256!("0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba"),
    ),
    with_role(
        "signer of unsafe blocks",
        address!("0x976EA74026E726554dB657fA54763abd0C3a0aa9"),
        b256!("0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e"),
    ),
    with_role(
        "owner of the SystemConfig",
        address!("0x14dC79964da2C08b23698B3D3cc7Ca32193d9955"),
        b256!("0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356"),
    ),
    with_role(
        "batcher",
        address!("0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f"),
        b256!("0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97"),
    ),
    with_role(
        "sender of the traffic",
        address!("0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"),
        b256!("0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6"),
    ),
];

/// Signs the blocks of the sequencer for gossip.
pub const UNSAFE_BLOCK_SIGNER: DevAccount = DEV_ACCOUNTS[6];
/// May change the system config on L1.
pub const SYSTEM_CONFIG_OWNER: DevAccount = DEV_ACCOUNTS[7];
/// Sends the batches.
pub const BATCHER: DevAccount = DEV_ACCOUNTS[8];
/// Sends the traffic.
pub const TRAFFIC: DevAccount = DEV_ACCOUNTS[9];

impl DevAccount {
    /// Who signs with its key.
    pub(crate) fn signer(&self) -> PrivateKeySigner {
        PrivateKeySigner::from_bytes(&self.private_key)
            .expect("the key of a development account is a valid key")
    }

    /// Signs a hash.
    pub fn sign_hash(&self, hash: &B256) -> Signature {
        self.signer()
            .sign_hash_sync(hash)
            .expect("a key in memory can always sign")
    }

    /// Signs a transaction and encodes it for the network of either layer (EIP-2718).
    pub fn sign(&self, transaction: TxEip1559) -> Bytes {
        let signature = self.sign_hash(&transaction.signature_hash());
        TxEnvelope::from(transaction.into_signed(signature))
            .encoded_2718()
            .into()
    }
}

/// An amount of ether in wei.
pub(crate) fn ether(amount: u64) -> U256 {
    U256::from(amount) * U256::from(1_000_000_000_000_000_000_u64)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_address() {
        for account in DEV_ACCOUNTS {
            let signer = PrivateKeySigner::from_bytes(&account.private_key).unwrap();
            assert_eq!(signer.address(), account.address);
        }
    }
}
