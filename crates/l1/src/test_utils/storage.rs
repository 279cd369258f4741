//! The one storage slot that an endpoint of the L1 in memory has: whatever a test wants it to answer.

use super::{Chain, Endpoint, MemoryL1};
use alloy_primitives::{Address, B256};
use serde_json::{Value, json};

impl MemoryL1 {
    /// From now on answers `eth_getStorageAt` by this address, whatever contract and slot are asked for.
    pub fn store_address(&self, address: Address) {
        self.store(json!(B256::from(address.into_word())));
    }

    /// The same with any JSON.
    pub fn store(&self, value: Value) {
        self.endpoint().storage = Some(value);
    }

    /// Requests for storage so far.
    pub fn storage_reads(&self) -> usize {
        let is_storage = |methods: &&Vec<String>| methods.iter().any(|it| it == "eth_getStorageAt");
        self.calls().iter().filter(is_storage).count()
    }
}

impl Chain {
    /// Storage is asked for at the hash of a block that the endpoint must have.
    pub(super) fn storage_of(
        &self,
        params: &Value,
        endpoint: &Endpoint,
    ) -> Result<Value, &'static str> {
        let visible = endpoint.visible(self.headers.len());
        let mut blocks = self.headers.iter().take(visible);
        if !blocks.any(|(_, hash)| json!(hash) == params[2]["blockHash"]) {
            return Err("header not found");
        }
        let storage = endpoint.storage.clone();
        storage.ok_or("the method does not exist")
    }
}
