//! An execution layer whose JWT secret changes while the node runs.

use super::{chain::Chain, door::Door, flags::Flags};
use alloy_rpc_types_engine::JwtSecret;
use light_node_actor::CancellationToken;
use light_node_devnet_el::{ElServer, ElServerConfig, ElServerHandle};
use std::{fs, net::Ipv4Addr, path::PathBuf};

/// The way to a chain's spare execution layer, and the node's own file with the secret.
pub(crate) struct ChangingSecret {
    door: Door,
    file: PathBuf,
}

/// The execution layer's second server, which takes another secret alone.
pub(crate) struct OtherSecret {
    file: PathBuf,
    jwt: JwtSecret,
    server: ElServerHandle,
    token: CancellationToken,
}

impl ChangingSecret {
    /// The secret is still the one that the execution layer has.
    pub(crate) fn of(chain: &Chain) -> Self {
        let file = chain.dir().join("own-jwt.hex");
        fs::copy(&chain.endpoints().files.jwt, &file).unwrap();
        let mut door = Door::new();
        door.lead_to(chain.spare_el_authrpc());
        Self { door, file }
    }

    /// Flags with which the node goes this way.
    pub(crate) fn flags(&self, flags: Flags) -> Flags {
        flags
            .with("--l2", self.door.url())
            .with("--l2.jwt-secret", self.file.display())
    }

    /// The execution layer has another secret from now on, and the node has not.
    pub(crate) fn change(&mut self, chain: &Chain) -> OtherSecret {
        let jwt = JwtSecret::random();
        let any_port = (Ipv4Addr::LOCALHOST, 0).into();
        let config = ElServerConfig {
            authrpc: any_port,
            http: any_port,
            jwt,
        };
        let token = CancellationToken::new();
        let el = chain.spare_el().clone();
        let server = ElServer::start(el, config, token.clone()).unwrap();
        self.door.lead_to(server.authrpc_addr());
        OtherSecret {
            file: self.file.clone(),
            jwt,
            server,
            token,
        }
    }
}

impl OtherSecret {
    /// The operator gives the node the new secret, too.
    pub(crate) fn tell_the_node(&self) {
        fs::write(
            &self.file,
            alloy_primitives::hex::encode(self.jwt.as_bytes()),
        )
        .unwrap();
    }

    pub(crate) async fn stop(self) {
        self.token.cancel();
        self.server.stopped().await;
    }
}
