//! The sequencer: whether the node makes the chain's blocks, who leads where several could, and who signs for it.

use crate::args::value::{self, Endpoint, Secret};
use alloy_primitives::Address;
use clap::{Args, builder::BoolishValueParser};
use std::{path::PathBuf, time::Duration};

/// Flags of the sequencer.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Sequencer")]
pub(crate) struct SequencerArgs {
    /// Make the blocks of the chain. Of all nodes of a chain one does, or, with --conductor.enabled, one at a time.
    #[arg(id = "sequencer.enabled", long, env = "LIGHT_NODE_SEQUENCER_ENABLED", value_parser = BoolishValueParser::new())]
    pub(crate) enabled: bool,

    /// Make no block before admin_startSequencer says so.
    #[arg(id = "sequencer.stopped", long, env = "LIGHT_NODE_SEQUENCER_STOPPED", value_parser = BoolishValueParser::new())]
    pub(crate) stopped: bool,

    /// How many blocks below the L1 head the origins of blocks are taken from.
    #[arg(
        id = "sequencer.l1-confs",
        long,
        value_name = "BLOCKS",
        env = "LIGHT_NODE_SEQUENCER_L1_CONFS",
        default_value_t = 4,
        value_parser = clap::value_parser!(u64).range(..=10_000)
    )]
    pub(crate) l1_confirmations: u64,

    /// Make no block while the unsafe head is so many blocks above the safe one; 0 sets no limit.
    #[arg(
        id = "sequencer.max-safe-lag",
        long,
        value_name = "BLOCKS",
        env = "LIGHT_NODE_SEQUENCER_MAX_SAFE_LAG",
        default_value_t = 0
    )]
    pub(crate) max_safe_lag: u64,

    /// Make blocks without transactions of users, each on the next L1 origin, until L1 is caught up with.
    #[arg(id = "sequencer.recover", long, env = "LIGHT_NODE_SEQUENCER_RECOVER", value_parser = BoolishValueParser::new())]
    pub(crate) recover: bool,

    /// File that keeps whether an admin started or stopped the sequencer. Its word counts more than --sequencer.stopped.
    #[arg(
        id = "rpc.admin-state",
        long,
        value_name = "FILE",
        env = "LIGHT_NODE_RPC_ADMIN_STATE"
    )]
    pub(crate) admin_state: Option<PathBuf>,

    /// Let op-conductor say who leads, and take each block before it is gossiped. The sequencer starts stopped.
    #[arg(id = "conductor.enabled", long, env = "LIGHT_NODE_CONDUCTOR_ENABLED", value_parser = BoolishValueParser::new())]
    pub(crate) conductor: bool,

    /// RPC of the conductor, http://127.0.0.1:8547 by default.
    #[arg(
        id = "conductor.rpc",
        long,
        value_name = "URL",
        env = "LIGHT_NODE_CONDUCTOR_RPC",
        hide_env_values = true,
        value_parser = value::endpoint
    )]
    pub(crate) conductor_rpc: Option<Endpoint>,

    /// Deadline of one call to the conductor.
    #[arg(
        id = "conductor.rpc-timeout",
        long,
        value_name = "DURATION",
        env = "LIGHT_NODE_CONDUCTOR_RPC_TIMEOUT",
        default_value = "1s",
        value_parser = value::within(value::REQUEST)
    )]
    pub(crate) conductor_timeout: Duration,

    /// Key that signs the blocks of the sequencer. Others may see it in the list of processes: --p2p.sequencer.key-file or a signer is
    /// better.
    #[arg(
        id = "p2p.sequencer.key",
        long,
        value_name = "HEX",
        env = "LIGHT_NODE_P2P_SEQUENCER_KEY",
        hide_env_values = true,
        value_parser = value::secret
    )]
    pub(crate) key: Option<Secret>,

    /// File with the key that signs the blocks of the sequencer.
    #[arg(
        id = "p2p.sequencer.key-file",
        long,
        value_name = "FILE",
        env = "LIGHT_NODE_P2P_SEQUENCER_KEY_FILE"
    )]
    pub(crate) key_file: Option<PathBuf>,

    /// Signer of the sequencer's blocks that speaks opsigner_signBlockPayload, in the place of a key.
    #[arg(
        id = "signer.endpoint",
        long,
        value_name = "URL",
        env = "LIGHT_NODE_SIGNER_ENDPOINT",
        hide_env_values = true,
        value_parser = value::endpoint
    )]
    pub(crate) signer_endpoint: Option<Endpoint>,

    /// Address whose key the signer uses.
    #[arg(
        id = "signer.address",
        long,
        value_name = "ADDRESS",
        env = "LIGHT_NODE_SIGNER_ADDRESS"
    )]
    pub(crate) signer_address: Option<Address>,

    /// Certificate authority of the signer (PEM); without it the system's count.
    #[arg(
        id = "signer.tls.ca",
        long,
        value_name = "FILE",
        env = "LIGHT_NODE_SIGNER_TLS_CA"
    )]
    pub(crate) signer_ca: Option<PathBuf>,

    /// Certificate that is shown to the signer (PEM).
    #[arg(
        id = "signer.tls.cert",
        long,
        value_name = "FILE",
        env = "LIGHT_NODE_SIGNER_TLS_CERT"
    )]
    pub(crate) signer_cert: Option<PathBuf>,

    /// Key of that certificate (PEM).
    #[arg(
        id = "signer.tls.key",
        long,
        value_name = "FILE",
        env = "LIGHT_NODE_SIGNER_TLS_KEY"
    )]
    pub(crate) signer_key: Option<PathBuf>,
}
