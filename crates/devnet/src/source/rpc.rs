//! The source's JSON-RPC server, and the handle by which tests stop it, start it again on the same port, and let it fail.

use super::{
    commands::{self, Commands},
    fault::{History, ServedFaults, SourceFault, SourceFaultKind, SourceFaults},
};
use alloy_eips::BlockNumberOrTag;
use alloy_primitives::{Address, address};
use jsonrpsee::{
    Methods, RpcModule,
    core::RegisterMethodError,
    server::{Server, ServerHandle},
    types::{
        ErrorObjectOwned, Params,
        error::{INTERNAL_ERROR_CODE, INVALID_PARAMS_CODE, METHOD_NOT_FOUND_CODE},
    },
};
use light_node_actor::CancellationToken;
use light_node_devnet_fault::FaultLayer;
use light_node_engine_api::{ElBlock, ElError, ElReader};
use light_node_protocol::{
    MissingWithdrawalsRoot, OutputResponse, RollupConfig, SyncStatus, WithdrawalsRoot,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};
use thiserror::Error;
use tokio::{
    net::TcpListener,
    sync::{Mutex, watch},
};
use tower::ServiceBuilder;
use tracing::info;

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
#[derive(Clone, Debug)]
pub(crate) struct SourceRpc {
    /// The chain.
    pub(crate) config: Arc<RollupConfig>,
    /// The status of the moment.
    pub(crate) status: watch::Receiver<SyncStatus>,
    /// The sequencer's execution layer, for output roots.
    pub(crate) reader: Arc<dyn ElReader>,
    /// The statuses so far.
    pub(crate) history: History,
    /// Who carries out commands.
    pub(crate) commands: Commands,
}

/// What the methods answer from, and what keeps them from it.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) rpc: SourceRpc,
    faults: Arc<SourceFaults>,
}

/// A server, and what lets its hanging requests go.
type Running = (ServerHandle, CancellationToken);

/// The source as others see it. Clones command the same one.
#[derive(Clone, Debug)]
pub struct SourceHandle {
    address: SocketAddr,
    rpc: SourceRpc,
    methods: Methods,
    faults: Arc<SourceFaults>,
    server: Arc<Mutex<Option<Running>>>,
}

impl SourceHandle {
    /// Binds `listen` and serves there.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub(crate) async fn serve(rpc: SourceRpc, listen: SocketAddr) -> Result<Self, SourceRpcError> {
        let faults = Arc::new(SourceFaults::new(rpc.history.clone()));
        let mut source = Self {
            address: listen,
            methods: methods(Context {
                rpc: rpc.clone(),
                faults: faults.clone(),
            })?,
            rpc,
            faults,
            server: Arc::default(),
        };
        source.address = source.start_serving().await?;
        Ok(source)
    }

    /// Serves the same source on one more port, where it has faults of its own: a second backend behind a load balancer. It
    /// serves until the last clone of the new handle is dropped.
    ///
    /// # Errors
    /// No port is free.
    pub async fn serve_again(&self) -> Result<Self, SourceRpcError> {
        let any_port = (Ipv4Addr::LOCALHOST, 0).into();
        Self::serve(self.rpc.clone(), any_port).await
    }

    /// The status of the moment, also while nothing is served.
    pub fn status(&self) -> SyncStatus {
        *self.rpc.status.borrow()
    }

    /// The status on every change.
    pub fn subscribe(&self) -> watch::Receiver<SyncStatus> {
        self.rpc.status.clone()
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
        let stop = CancellationToken::new();
        let faults = ServedFaults {
            faults: self.faults.clone(),
            stop: stop.clone(),
        };
        let faults = FaultLayer::new(Arc::new(faults)).with_control();
        let built = Server::builder()
            .set_http_middleware(ServiceBuilder::new().layer(faults))
            .build_from_tcp(listener)
            .map_err(refused)?;
        *server = Some((built.start(self.methods.clone()), stop));
        Ok(address)
    }

    /// Closes the port and all connections. The source goes on following the L1 meanwhile.
    pub async fn stop_serving(&self) {
        if let Some((server, stop)) = self.server.lock().await.take() {
            stop.cancel();
            // An error means that it has stopped already.
            let _ = server.stop();
            server.stopped().await;
        }
    }
}

impl SourceHandle {
    /// Lets requests meet a fault in place of any other. Control methods never do.
    pub fn set_fault(&self, fault: SourceFault) {
        info!(?fault, "source fault set on command");
        self.faults.set(fault, self.status());
    }

    /// Ends the fault in force.
    pub fn clear_fault(&self) {
        info!("source fault cleared on command");
        self.faults.slot.clear();
    }

    /// The fault that the next request would meet.
    pub fn fault(&self) -> Option<SourceFaultKind> {
        self.faults.slot.current().map(|met| met.kind)
    }

    /// How many requests have met a fault since the start, so that a test can wait for one instead of sleeping.
    pub fn faults_met(&self) -> watch::Receiver<u64> {
        self.faults.slot.met()
    }
}

fn methods(context: Context) -> Result<Methods, RegisterMethodError> {
    let mut module = RpcModule::new(context);
    register_control(&mut module)?;
    commands::register(&mut module)?;
    module.register_method("optimism_syncStatus", |_, context, _| sync_status(context))?;
    module.register_method("optimism_rollupConfig", |_, context, _| {
        rollup_config(context)
    })?;
    module.register_method("optimism_version", |_, _, _| {
        concat!("light-node-devnet/", env!("CARGO_PKG_VERSION"))
    })?;
    module.register_async_method("optimism_outputAtBlock", |params, context, _| async move {
        encode(&output_at_block(&params, &context.rpc).await?)
    })?;
    Ok(module.into())
}

/// What an operator of a devnet does to the source.
fn register_control(module: &mut RpcModule<Context>) -> Result<(), RegisterMethodError> {
    module.register_method("dev_status", |_, context, _| {
        json!({
            "status": *context.rpc.status.borrow(),
            "fault": context.faults.slot.current().map(|met| met.kind),
            "faultsMet": *context.faults.slot.met().borrow(),
        })
    })?;
    module.register_method("dev_fault", |params, context, _| {
        let fault: SourceFault = params.sequence().next()?;
        info!(?fault, "source fault set on command");
        context.faults.set(fault, *context.rpc.status.borrow());
        Ok::<_, ErrorObjectOwned>(true)
    })?;
    module.register_method("dev_clearFault", |_, context, _| {
        info!("source fault cleared on command");
        context.faults.slot.clear();
        true
    })?;
    Ok(())
}

fn sync_status(context: &Context) -> Result<Value, ErrorObjectOwned> {
    let now = *context.rpc.status.borrow();
    let met = context.faults.slot.take_if(SourceFaultKind::is_of_status);
    let Some(met) = met else {
        return encode(&now);
    };
    match met.kind {
        SourceFaultKind::Null => Ok(Value::Null),
        SourceFaultKind::RpcError => {
            let message = "sync status is not available on command";
            Err(ErrorObjectOwned::owned(
                SERVER_ERROR_CODE,
                message,
                None::<()>,
            ))
        }
        _ => encode(&context.faults.told(met, now)),
    }
}

fn rollup_config(context: &Context) -> Result<Value, ErrorObjectOwned> {
    let mut config = (*context.rpc.config).clone();
    let met = context.faults.slot.take_if(SourceFaultKind::is_of_config);
    match met.map(|met| (met.kind, met.amount)) {
        Some((SourceFaultKind::NoRollupConfig, _)) => {
            let message = "method not found on command";
            return Err(ErrorObjectOwned::owned(
                METHOD_NOT_FOUND_CODE,
                message,
                None::<()>,
            ));
        }
        Some((SourceFaultKind::OtherChain, id)) => {
            config.l2_chain_id = id.unwrap_or(config.l2_chain_id + 1);
        }
        Some(_) => config.genesis.l2.hash = !config.genesis.l2.hash,
        None => {}
    }
    encode(&config)
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
