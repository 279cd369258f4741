//! The authenticated port over the lives of an execution layer: open while it runs, refusing connections while it is dead.

use super::{AUTH_REQUEST_BYTES_MAX, auth::AuthLayer, limits, port::Port};
use crate::fault::{ElFaults, ServedFaults};
use alloy_rpc_types_engine::JwtSecret;
use jsonrpsee::{
    Methods,
    server::{Server, ServerHandle},
};
use light_node_devnet_fault::FaultLayer;
use std::{io, sync::Arc, time::Duration};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceBuilder;

/// How long connections of a killed execution layer may take to end. Calls that hang are let go at once.
const DROP_GRACE: Duration = Duration::from_secs(1);

/// What the authenticated port serves.
#[derive(Debug)]
pub(super) struct AuthPort {
    pub(super) port: Port,
    pub(super) jwt: JwtSecret,
    pub(super) methods: Methods,
    pub(super) faults: Arc<ElFaults>,
}

impl AuthPort {
    pub(super) fn open(&self, life: u64, token: &CancellationToken) -> io::Result<ServerHandle> {
        let faults = FaultLayer::new(Arc::new(ServedFaults {
            faults: self.faults.clone(),
            life: Some(life),
            token: token.clone(),
        }));
        let middleware = ServiceBuilder::new()
            .layer(faults)
            .layer(AuthLayer::new(self.jwt));
        let server = Server::builder()
            .set_config(limits(AUTH_REQUEST_BYTES_MAX))
            .set_http_middleware(middleware)
            .build_from_tcp(self.port.listen()?)?;
        Ok(server.start(self.methods.clone()))
    }

    /// Closes and opens the port as the process ends and starts, until `token` is cancelled. `served_life` says which life it is
    /// open for.
    pub(super) async fn serve(
        self,
        first: (u64, ServerHandle),
        served_life: watch::Sender<Option<u64>>,
        token: CancellationToken,
    ) {
        let mut lives = self.faults.life.subscribe();
        // A life that has ended before we looked must be noticed, too.
        let (mut served, first) = first;
        let mut server = Some(first);
        loop {
            let life = *lives.borrow_and_update();
            if !life.is_alive || life.number != served {
                if let Some(server) = server.take() {
                    close(server).await;
                    served_life.send_replace(None);
                }
                served = life.number;
            }
            if life.is_alive && server.is_none() {
                match self.open(served, &token) {
                    Ok(opened) => {
                        server = Some(opened);
                        served_life.send_replace(Some(served));
                    }
                    Err(error) => {
                        tracing::error!(addr = %self.port.addr(), %error, "the Engine API port cannot be opened again");
                    }
                }
            }
            tokio::select! {
                biased;
                () = token.cancelled() => break,
                changed = lives.changed() => if changed.is_err() { break },
            }
        }
        if let Some(server) = server {
            // An error means that it has stopped already.
            let _ = server.stop();
            server.stopped().await;
        }
    }
}

async fn close(server: ServerHandle) {
    let _ = server.stop();
    // A call that still runs goes on behind its closed connection.
    let _ = tokio::time::timeout(DROP_GRACE, server.stopped()).await;
}
