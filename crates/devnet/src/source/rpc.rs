//! The source's JSON-RPC server, and the handle by which tests stop it and start it again on the same port.

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{Address, address};
use jsonrpsee::{
    Methods, RpcModule,
    core::RegisterMethodError,
    server::{Server, ServerHandle},
    types::{
        ErrorObjectOwned, Params,
        error::{INTERNAL_ERROR_CODE, INVALID_PARAMS_CODE},
    },
};
use light_node_engine_api::{ElBlock, ElError, ElReader};
use light_node_protocol::{
    MissingWithdrawalsRoot, OutputResponse, RollupConfig, SyncStatus, WithdrawalsRoot,
};
use serde::Serialize;
use std::{net::SocketAddr, sync::Arc};
use thiserror::Error;
use tokio::{
    net::TcpListener,
    sync::{Mutex, watch},
};

/// The `L2ToL1MessagePasser`, whose storage root commits to all withdrawals.
const MESSAGE_PASSER: Address = address!("0x4200000000000000000000000000000000000016");

/// JSON-RPC code of op-node's own errors.
const SERVER_ERROR_CODE: i32 = -32000;

/// Why the source does not serve.
#[derive(Debug, Error)]
pub enum SourceRpcError {
    /// The address cannot be bound.
    #[error("cannot serve the source on {listen}")]
    Listen {
        /// The address asked for.
        listen: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A method has two handlers.
    #[error("the methods of the source do not fit together")]
    Methods(#[from] RegisterMethodError),
}

/// Why there is no output root.
#[derive(Debug, Error)]
enum OutputError {
    #[error("the parameter must be one block number in hex: {0}")]
    Params(ErrorObjectOwned),
    #[error("block {0} not found")]
    NotFound(BlockNumberOrTag),
    #[error("the execution layer failed: {0}")]
    El(#[from] ElError),
    #[error(transparent)]
    Header(#[from] MissingWithdrawalsRoot),
}

/// What the methods answer from.
#[derive(Debug)]
pub(crate) struct SourceRpc {
    /// The chain.
    pub(crate) config: Arc<RollupConfig>,
    /// The status of the moment.
    pub(crate) status: watch::Receiver<SyncStatus>,
    /// The sequencer's execution layer, for output roots.
    pub(crate) reader: Arc<dyn ElReader>,
}

/// The source as others see it. Clones command the same one.
#[derive(Clone, Debug)]
pub struct SourceHandle {
    address: SocketAddr,
    status: watch::Receiver<SyncStatus>,
    methods: Methods,
    server: Arc<Mutex<Option<ServerHandle>>>,
}

impl SourceHandle {
    /// Binds `listen` and serves there.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub(crate) async fn serve(rpc: SourceRpc, listen: SocketAddr) -> Result<Self, SourceRpcError> {
        let status = rpc.status.clone();
        let mut source = Self {
            address: listen,
            status,
            methods: methods(rpc)?,
            server: Arc::default(),
        };
        source.address = source.start_serving().await?;
        Ok(source)
    }

    /// The status of the moment, also while nothing is served.
    pub fn status(&self) -> SyncStatus {
        *self.status.borrow()
    }

    /// The status on every change.
    pub fn subscribe(&self) -> watch::Receiver<SyncStatus> {
        self.status.clone()
    }

    /// Where the source serves, or served before it was stopped.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// URL of the JSON-RPC endpoint.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves again after [`Self::stop_serving`], on the same port. Without effect while serving.
    ///
    /// # Errors
    /// The port was taken meanwhile.
    pub async fn start_serving(&self) -> Result<SocketAddr, SourceRpcError> {
        let mut server = self.server.lock().await;
        if server.is_some() {
            return Ok(self.address);
        }
        let refused = |source| SourceRpcError::Listen {
            listen: self.address,
            source,
        };
        let listener = TcpListener::bind(self.address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let listener = listener.into_std().map_err(refused)?;
        let built = Server::builder()
            .build_from_tcp(listener)
            .map_err(refused)?;
        *server = Some(built.start(self.methods.clone()));
        Ok(address)
    }

    /// Closes the port and all connections. The source goes on following the L1 meanwhile.
    pub async fn stop_serving(&self) {
        if let Some(server) = self.server.lock().await.take() {
            // An error means that it has stopped already.
            let _ = server.stop();
            server.stopped().await;
        }
    }
}

fn methods(rpc: SourceRpc) -> Result<Methods, RegisterMethodError> {
    let mut module = RpcModule::new(rpc);
    module.register_method("optimism_syncStatus", |_, rpc, _| {
        encode(&*rpc.status.borrow())
    })?;
    module.register_method("optimism_rollupConfig", |_, rpc, _| encode(&*rpc.config))?;
    module.register_method("optimism_version", |_, _, _| {
        concat!("light-node-devnet/", env!("CARGO_PKG_VERSION"))
    })?;
    module.register_async_method("optimism_outputAtBlock", |params, rpc, _| async move {
        encode(&output_at_block(&params, &rpc).await?)
    })?;
    Ok(module.into())
}

async fn output_at_block(
    params: &Params<'_>,
    rpc: &SourceRpc,
) -> Result<OutputResponse, OutputError> {
    let number: BlockNumberOrTag = params.one().map_err(OutputError::Params)?;
    let block = rpc.reader.block(number.into()).await?;
    let block = block.ok_or(OutputError::NotFound(number))?;
    let ElBlock {
        block_ref,
        state_root,
        withdrawals_root,
    } = block;
    let root = match WithdrawalsRoot::of_header(&rpc.config, block_ref.timestamp, withdrawals_root)?
    {
        WithdrawalsRoot::InHeader(root) => root,
        WithdrawalsRoot::NeedsProof => {
            rpc.reader
                .storage_root(MESSAGE_PASSER, block_ref.hash)
                .await?
        }
    };
    let status = *rpc.status.borrow();
    Ok(OutputResponse::new(block_ref, state_root, root, status))
}

impl From<OutputError> for ErrorObjectOwned {
    fn from(error: OutputError) -> Self {
        let code = match error {
            OutputError::Params(_) => INVALID_PARAMS_CODE,
            OutputError::NotFound(_) | OutputError::El(_) | OutputError::Header(_) => {
                SERVER_ERROR_CODE
            }
        };
        Self::owned(code, error.to_string(), None::<()>)
    }
}

fn encode(answer: &impl Serialize) -> Result<serde_json::Value, ErrorObjectOwned> {
    serde_json::to_value(answer).map_err(|error| {
        ErrorObjectOwned::owned(INTERNAL_ERROR_CODE, error.to_string(), None::<()>)
    })
}
