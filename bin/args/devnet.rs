//! The devnet: an OP Stack chain in this process.

use clap::{Args, ValueEnum};
use light_node_devnet::{
    BLOCK_TIME_MAX, BatchKind, BatcherConfig, Blocks, Compression, DataAvailability, DevnetConfig,
    EL_SYNC_BATCH_MAX, EL_SYNC_DELAY_MAX, ElBehaviour, EngineKind, MAX_FOLLOWERS,
};
use light_node_protocol::Hardfork;
use std::{path::PathBuf, time::Duration};

/// Flags of `light-node devnet`.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Devnet")]
pub(crate) struct DevnetArgs {
    /// Latest hardfork, active from genesis on. Releases of op-geth and op-reth from before a fork refuse its genesis.json.
    #[arg(
        long,
        value_name = "FORK",
        env = "LIGHT_NODE_DEVNET_FORK",
        default_value = "jovian"
    )]
    pub(crate) fork: ForkArg,

    /// Time between two L2 blocks, in whole seconds from 1s to 60s.
    #[arg(
        long,
        value_name = "DURATION",
        env = "LIGHT_NODE_DEVNET_BLOCK_TIME",
        default_value = "2s",
        value_parser = block_time
    )]
    pub(crate) block_time: Duration,

    /// Time between two L1 blocks, in whole seconds from 1s to 60s. Finality is eight of them behind.
    #[arg(
        long,
        value_name = "DURATION",
        env = "LIGHT_NODE_DEVNET_L1_BLOCK_TIME",
        default_value = "3s",
        value_parser = block_time
    )]
    pub(crate) l1_block_time: Duration,

    /// Whether a light-node derives the chain from L1, and the others follow that one. With false they follow the reference
    /// source, which fails on command.
    #[arg(
        long,
        value_name = "BOOL",
        env = "LIGHT_NODE_DEVNET_DERIVER",
        default_value_t = true,
        action = clap::ArgAction::Set
    )]
    pub(crate) deriver: bool,

    /// Who makes L2 blocks. deriving: a light-node that derives and sequences. light: the same, but it follows the deriver. All
    /// light-nodes hear of its blocks by gossip and find each other by discovery. script: no light-node, and no network.
    #[arg(
        long,
        value_name = "WHO",
        env = "LIGHT_NODE_DEVNET_SEQUENCER",
        default_value = "deriving"
    )]
    pub(crate) sequencer: SequencerArg,

    /// How many light-nodes follow in this process, each on an execution layer of its own; at most 16.
    #[arg(
        long,
        value_name = "N",
        env = "LIGHT_NODE_DEVNET_FOLLOWERS",
        default_value_t = 2,
        value_parser = followers
    )]
    pub(crate) followers: usize,

    /// Listen on fixed ports: L1 with beacon API 18545, source 17545, sequencer 17585 (metrics 17299, peers 17221, execution layer 19545 and 19551), deriver 17595 (17300, 17222, 19595 and 19601), light-nodes from 17645, their metrics from 17301, peers from 17223, their
    /// execution layers from 19645 (Engine API 19651) in steps of ten, spare execution layer 19945 (19951). Without it all ports are free ones.
    #[arg(long, env = "LIGHT_NODE_DEVNET_STABLE_PORTS")]
    pub(crate) stable_ports: bool,

    /// How the light-nodes reach their execution layers.
    #[arg(
        long,
        value_name = "DOOR",
        env = "LIGHT_NODE_DEVNET_ENGINE",
        default_value = "http"
    )]
    pub(crate) engine: EngineArg,

    /// How the batcher writes L2 blocks.
    #[arg(
        long,
        value_name = "KIND",
        env = "LIGHT_NODE_DEVNET_BATCHES",
        default_value = "span"
    )]
    pub(crate) batches: BatchesArg,

    /// How the batcher compresses channels; before Fjord it is zlib.
    #[arg(
        long,
        value_name = "ALGORITHM",
        env = "LIGHT_NODE_DEVNET_COMPRESSION",
        default_value = "brotli"
    )]
    pub(crate) compression: CompressionArg,

    /// Where the batcher's data goes.
    #[arg(
        long,
        value_name = "WHERE",
        env = "LIGHT_NODE_DEVNET_DA",
        default_value = "blobs"
    )]
    pub(crate) da: DaArg,

    /// Bytes of a frame at most, at least 1000, so that channels have several; by default as many as fit into a transaction.
    #[arg(
        long,
        value_name = "N",
        env = "LIGHT_NODE_DEVNET_FRAME_BYTES",
        value_parser = clap::value_parser!(u32).range(1_000..)
    )]
    pub(crate) frame_bytes: Option<u32>,

    /// Directory for genesis.json, rollup.json, l1-genesis.json, jwt.hex and endpoints.json, and on a terminal for the log,
    /// light-node.log. By default a new temporary one, which is removed at the end.
    #[arg(long, value_name = "DIR", env = "LIGHT_NODE_DEVNET_DATADIR")]
    pub(crate) datadir: Option<PathBuf>,

    /// Artificial wait before each request of an execution layer that syncs from the sequencer's; at most 1h.
    #[arg(
        long,
        value_name = "DURATION",
        env = "LIGHT_NODE_DEVNET_EL_SYNC_DELAY",
        default_value = "0s",
        value_parser = el_sync_delay
    )]
    pub(crate) el_sync_delay: Duration,

    /// Blocks that a syncing execution layer asks the sequencer's for at a time; from 1 to 128.
    #[arg(
        long,
        value_name = "N",
        env = "LIGHT_NODE_DEVNET_EL_SYNC_BATCH",
        default_value_t = 64,
        value_parser = el_sync_batch
    )]
    pub(crate) el_sync_batch: usize,

    /// Whose answers the execution layers give where the real ones differ. op-geth-old syncs to no head whose payload it has not
    /// seen, so light-nodes on it stand still until they are handed payloads.
    #[arg(
        long,
        value_name = "EL",
        env = "LIGHT_NODE_DEVNET_EL_BEHAVIOUR",
        default_value = "op-reth"
    )]
    pub(crate) el_behaviour: ElBehaviourArg,
}

fn block_time(typed: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(typed).map_err(|cause| cause.to_string())?;
    let is_possible = (Duration::from_secs(1)..=BLOCK_TIME_MAX).contains(&time);
    if !is_possible || time.subsec_nanos() != 0 {
        let max = BLOCK_TIME_MAX.as_secs();
        return Err(format!("must be whole seconds from 1s to {max}s"));
    }
    Ok(time)
}

fn el_sync_delay(typed: &str) -> Result<Duration, String> {
    let delay = humantime::parse_duration(typed).map_err(|cause| cause.to_string())?;
    if delay > EL_SYNC_DELAY_MAX {
        let max = humantime::format_duration(EL_SYNC_DELAY_MAX);
        return Err(format!("must be at most {max}"));
    }
    Ok(delay)
}

fn el_sync_batch(typed: &str) -> Result<usize, String> {
    let number = typed.parse::<usize>().ok();
    number
        .filter(|number| (1..=EL_SYNC_BATCH_MAX).contains(number))
        .ok_or_else(|| format!("must be a number from 1 to {EL_SYNC_BATCH_MAX}"))
}

fn followers(typed: &str) -> Result<usize, String> {
    let number = typed.parse::<usize>().ok();
    number
        .filter(|number| *number <= MAX_FOLLOWERS)
        .ok_or_else(|| format!("must be a number from 0 to {MAX_FOLLOWERS}"))
}

/// The forks that the devnet runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ForkArg {
    Ecotone,
    Fjord,
    Granite,
    Holocene,
    Isthmus,
    Jovian,
    Karst,
}

/// Who makes L2 blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SequencerArg {
    /// A light-node that derives.
    Deriving,
    /// A light-node that follows the deriver.
    Light,
    /// A script.
    Script,
}

/// How L2 blocks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BatchesArg {
    /// Each block by itself.
    Singular,
    /// All blocks of a channel together.
    Span,
}

/// How channels are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompressionArg {
    Zlib,
    Brotli,
}

/// Where the batcher's data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DaArg {
    /// Into the transactions themselves.
    Calldata,
    /// Into blobs, served by the beacon API.
    Blobs,
}

/// How a light-node reaches its execution layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineArg {
    /// Engine API with JWT on loopback, as with op-reth and op-geth.
    Http,
    /// Calls within the process.
    InProcess,
}

/// Which execution layer is imitated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[allow(clippy::enum_variant_names)] // so are they called
pub(crate) enum ElBehaviourArg {
    OpReth,
    OpGeth,
    OpGethOld,
}

impl From<ElBehaviourArg> for ElBehaviour {
    fn from(behaviour: ElBehaviourArg) -> Self {
        match behaviour {
            ElBehaviourArg::OpReth => Self::OpReth,
            ElBehaviourArg::OpGeth => Self::OpGeth,
            ElBehaviourArg::OpGethOld => Self::OpGethOld,
        }
    }
}

impl DevnetArgs {
    /// The devnet that the flags describe, with its files in `datadir`.
    pub(crate) fn config(&self, datadir: PathBuf) -> DevnetConfig {
        DevnetConfig {
            fork: self.fork.into(),
            block_time: self.block_time,
            l1_block_time: self.l1_block_time,
            deriver: self.deriver,
            followers: self.followers,
            blocks: match self.sequencer {
                SequencerArg::Deriving => Blocks::BySequencer,
                SequencerArg::Light => Blocks::ByLightSequencer,
                SequencerArg::Script => Blocks::ByScript,
            },
            engine: match self.engine {
                EngineArg::Http => EngineKind::Http,
                EngineArg::InProcess => EngineKind::InProcess,
            },
            stable_ports: self.stable_ports,
            el_sync_delay: self.el_sync_delay,
            el_sync_batch: self.el_sync_batch,
            el_behaviour: self.el_behaviour.into(),
            batcher: self.batcher(),
            ..DevnetConfig::new(datadir)
        }
    }
}

impl DevnetArgs {
    fn batcher(&self) -> BatcherConfig {
        BatcherConfig {
            batches: match self.batches {
                BatchesArg::Singular => BatchKind::Singular,
                BatchesArg::Span => BatchKind::Span,
            },
            compression: match self.compression {
                CompressionArg::Zlib => Compression::Zlib,
                CompressionArg::Brotli => Compression::Brotli,
            },
            da: match self.da {
                DaArg::Calldata => DataAvailability::Calldata,
                DaArg::Blobs => DataAvailability::Blobs,
            },
            frame_bytes: self.frame_bytes.map(|bytes| bytes as usize),
        }
    }
}

impl From<ForkArg> for Hardfork {
    fn from(fork: ForkArg) -> Self {
        match fork {
            ForkArg::Ecotone => Self::Ecotone,
            ForkArg::Fjord => Self::Fjord,
            ForkArg::Granite => Self::Granite,
            ForkArg::Holocene => Self::Holocene,
            ForkArg::Isthmus => Self::Isthmus,
            ForkArg::Jovian => Self::Jovian,
            ForkArg::Karst => Self::Karst,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::path::Path;

    #[derive(Debug, clap::Parser)]
    struct Typed {
        #[command(flatten)]
        devnet: DevnetArgs,
    }

    fn config(flags: &[&str]) -> DevnetConfig {
        let typed = std::iter::once("devnet").chain(flags.iter().copied());
        let typed = <Typed as clap::Parser>::try_parse_from(typed).unwrap();
        typed.devnet.config(Path::new("/data").to_owned())
    }

    #[test]
    fn execution_layers_behave_and_sync_as_the_flags_say() {
        assert_eq!(config(&[]).el_behaviour, ElBehaviour::OpReth);
        assert_eq!(config(&[]).el_sync_batch, 64);
        for behaviour in ElBehaviour::ALL {
            let flag = format!("--el-behaviour={behaviour}");
            assert_eq!(config(&[&flag]).el_behaviour, behaviour);
        }
        let config = config(&["--el-sync-batch=7", "--el-sync-delay=20ms"]);
        assert_eq!(config.el_sync_batch, 7);
        assert_eq!(config.el_sync_delay, Duration::from_millis(20));
    }

    #[test]
    fn blocks_are_made_by_whom_the_flag_names() {
        assert_eq!(config(&[]).blocks, Blocks::BySequencer);
        for (who, blocks) in [
            ("deriving", Blocks::BySequencer),
            ("light", Blocks::ByLightSequencer),
            ("script", Blocks::ByScript),
        ] {
            assert_eq!(config(&[&format!("--sequencer={who}")]).blocks, blocks);
        }
    }

    #[test]
    fn the_batcher_writes_as_the_flags_say() {
        assert_eq!(config(&[]).batcher, BatcherConfig::default());
        let flags = [
            "--batches=singular",
            "--compression=zlib",
            "--da=calldata",
            "--frame-bytes=1000",
        ];
        let expected = BatcherConfig {
            batches: BatchKind::Singular,
            compression: Compression::Zlib,
            da: DataAvailability::Calldata,
            frame_bytes: Some(1_000),
        };
        assert_eq!(config(&flags).batcher, expected);
    }

    #[test]
    fn what_no_devnet_can_run_with_is_refused_with_the_bounds() {
        assert_eq!(block_time("60s").unwrap(), BLOCK_TIME_MAX);
        for typed in ["0s", "1500ms", "61s", "100000d"] {
            let message = block_time(typed).unwrap_err();
            assert_eq!(message, "must be whole seconds from 1s to 60s");
        }
        // More than the type holds.
        assert!(block_time("500000000000y").is_err());
        assert_eq!(el_sync_delay("0s").unwrap(), Duration::ZERO);
        assert_eq!(el_sync_delay("61m").unwrap_err(), "must be at most 1h");
        assert_eq!(el_sync_batch("128").unwrap(), EL_SYNC_BATCH_MAX);
        for typed in ["0", "129", "-1", "many"] {
            let message = el_sync_batch(typed).unwrap_err();
            assert_eq!(message, "must be a number from 1 to 128");
        }
        assert_eq!(followers("16").unwrap(), 16);
        assert_eq!(
            followers("17").unwrap_err(),
            "must be a number from 0 to 16"
        );
    }
}
