//! Every method through the dispatcher, without sockets: parameters as clients send them, answers as they read them.

mod blocks;
mod engine;
mod execution;
mod state;

use super::*;
use crate::testing::TestChain;
use jsonrpsee::core::server::MethodsError;
use light_node_protocol::Hardfork;
use serde_json::{Value, json};

/// A chain behind its methods.
struct Served {
    chain: TestChain,
    module: RpcModule<RpcContext>,
}

impl Served {
    fn new(fork: Hardfork) -> Self {
        let chain = TestChain::new(fork);
        let context = RpcContext::new(chain.el.clone(), CancellationToken::new());
        let mut module = RpcModule::new(context);
        register_public(&mut module).unwrap();
        register_engine(&mut module).unwrap();
        Self { chain, module }
    }

    /// The result of a call that succeeds.
    async fn call(&self, method: &str, params: Value) -> Value {
        self.try_call(method, params)
            .await
            .unwrap_or_else(|(code, error)| panic!("{method} fails with {code}: {error}"))
    }

    /// Code and message (with data, if there is some) of a call that fails.
    async fn failure(&self, method: &str, params: Value) -> (i32, String) {
        match self.try_call(method, params).await {
            Ok(result) => panic!("{method} succeeds: {result}"),
            Err(failure) => failure,
        }
    }

    async fn try_call(&self, method: &str, params: Value) -> Result<Value, (i32, String)> {
        let Value::Array(params) = params else {
            panic!("parameters are an array");
        };
        match self.module.call::<Vec<Value>, Value>(method, params).await {
            Ok(result) => Ok(result),
            Err(MethodsError::JsonRpc(error)) => {
                let data = error.data().map(|data| data.get()).unwrap_or_default();
                Err((error.code(), format!("{}{data}", error.message())))
            }
            Err(error) => panic!("{method}: {error}"),
        }
    }
}

fn hex(number: u64) -> Value {
    json!(format!("{number:#x}"))
}
