//! The table of other nodes' names. A row that names something stands before one whose `*` covers it; rows are grouped as
//! op-node's help is.

use super::{
    Alias,
    Meaning::{self, Always, Flag, FlagUnless, Ignored, Level, Mode, Refused, Seconds},
};
use crate::args::words::Arity::{self, Switch, Value};

const NO_BLOBS: &str = "follow mode reads no blobs, so no beacon endpoint is asked";
const NO_DERIVATION: &str = "nothing is derived from L1 in follow mode";
const FEW_FOLLOWING: &str = "follow mode makes about one L1 request per L1 block, in batches";
pub(crate) const NO_HISTORY: &str = "with --safedb.disable no history of safe heads is kept";
const NO_FOLLOWING: &str = "without --l2.follow.source no other node is followed";
const NEEDED_BLOBS: &str = "a beacon is asked for just the blobs that hold batches";
const NO_INTEROP: &str = "no block of this build depends on another chain's messages";
const SYNCS_TO_SOURCE: &str = "in follow mode the execution layer is told the source's head and syncs to it whenever it lacks blocks";
const NO_ALT_DA: &str = "a chain that keeps its batches outside of L1 can only be followed";
const FORK_TIMES: &str = "fork times belong into the rollup.json of --rollup.config; a node with other fork times would leave the chain";
const FEW_REQUESTS: &str =
    "an L1 block costs few requests, in batches; what an endpoint can do is seen in its answers";
const OWN_DEADLINES: &str = "each method of the Engine API has a deadline of its own";
pub(super) const NO_OP: &str = "it has had no effect in its own node for a while";
const NO_PROFILER: &str = "there is no profiler in this build";
const ROLLUP_JSON_SAYS: &str = "the rollup.json of --rollup.config says which chain it is";

pub(super) const fn row(
    flags: &'static [&'static str],
    envs: &'static [&'static str],
    arity: Arity,
    meaning: Meaning,
) -> Alias {
    Alias {
        flags,
        envs,
        arity,
        meaning,
    }
}

/// Flags of ours that mean something only where the node derives, and why they mean nothing where it follows.
pub(crate) const OF_DERIVATION: &[(&str, &str)] = &[
    ("l1.beacon", NO_BLOBS),
    ("l1.beacon-fallbacks", NO_BLOBS),
    ("l1.chain-config", NO_DERIVATION),
    ("l1.rpc-rate-limit", FEW_FOLLOWING),
    ("l1.max-concurrency", FEW_FOLLOWING),
    ("verifier.l1-confs", NO_DERIVATION),
    ("rollup.upgrade-bundle", NO_DERIVATION),
    ("syncmode", SYNCS_TO_SOURCE),
    ("syncmode.offset-el-safe", SYNCS_TO_SOURCE),
];

/// Of those, the ones that mean something where the node sequences, whomever it follows.
pub(crate) const OF_SEQUENCING: &[&str] = &["l1.chain-config", "rollup.upgrade-bundle"];

/// Flags of ours that mean something only where the node sequences.
pub(crate) const OF_SEQUENCER: &[&str] = &[
    "sequencer.stopped",
    "sequencer.l1-confs",
    "sequencer.max-safe-lag",
    "sequencer.recover",
    "rpc.admin-state",
    "conductor.rpc",
    "conductor.rpc-timeout",
    "p2p.sequencer.key",
    "p2p.sequencer.key-file",
    "signer.endpoint",
    "signer.address",
    "signer.tls.ca",
    "signer.tls.cert",
    "signer.tls.key",
];
pub(crate) const NO_SEQUENCING: &str = "without --sequencer.enabled no block is made here";

/// Flags of ours that mean something only where the node follows.
pub(crate) const OF_FOLLOWING: &[(&str, &str)] = &[
    ("l2.follow.poll-interval", NO_FOLLOWING),
    ("l2.follow.max-age", NO_FOLLOWING),
    ("l2.follow.request-timeout", NO_FOLLOWING),
];

/// All names but those of peers and sequencer, one row a meaning.
pub(crate) const ALIASES: &[Alias] = &[
    // The chain.
    row(&[], &["NETWORK"], Value, Flag("network")),
    row(
        &["chain", "l2-chain-id"],
        &["L2_CHAIN_ID"],
        Value,
        FlagUnless("network", "rollup.config", ROLLUP_JSON_SAYS),
    ),
    row(
        &["l2-config-file", "rollup-cfg"],
        &["ROLLUP_CONFIG"],
        Value,
        Flag("rollup.config"),
    ),
    row(
        &["l1-config-file", "rollup-l1-cfg", "rollup.l1-chain-config"],
        &["L1_CHAIN_CONFIG", "ROLLUP_L1_CHAIN_CONFIG"],
        Value,
        Flag("l1.chain-config"),
    ),
    row(&["interop.*"], &["INTEROP_*"], Value, Ignored(NO_INTEROP)),
    row(
        &[
            "override.*",
            "canyon-override",
            "delta-override",
            "ecotone-override",
            "fjord-override",
            "granite-override",
            "holocene-override",
            "isthmus-override",
            "jovian-override",
            "karst-override",
            "lagoon-override",
            "interop-override",
            "pectra-blob-schedule-override",
        ],
        &["OVERRIDE_*"],
        Value,
        Refused(FORK_TIMES),
    ),
    row(
        &["ignore-missing-pectra-blob-schedule"],
        &["IGNORE_MISSING_PECTRA_BLOB_SCHEDULE"],
        Switch,
        Ignored("the rollup.json, or the table of built-in chains, says which blob schedule holds"),
    ),
    row(&["rollup.halt"], &["ROLLUP_HALT"], Value, Ignored(NO_OP)),
    row(
        &["rollup.load-protocol-versions"],
        &["ROLLUP_LOAD_PROTOCOL_VERSIONS"],
        Switch,
        Ignored(NO_OP),
    ),
    row(
        &["beta.extra-networks"],
        &["BETA_EXTRA_NETWORKS"],
        Switch,
        Ignored(NO_OP),
    ),
    // L1.
    row(&["l1-eth-rpc"], &["L1_ETH_RPC"], Value, Flag("l1")),
    row(
        &["l1.trustrpc", "l1-trust-rpc"],
        &["L1_TRUST_RPC"],
        Switch,
        Flag("l1.trust-rpc"),
    ),
    row(
        &[],
        &["L1_EPOCH_POLL_INTERVAL"],
        Value,
        Flag("l1.epoch-poll-interval"),
    ),
    row(
        &[
            "l1.beacon.slot-duration-override",
            "l1-slot-duration-override",
            "l1.slot-duration-override",
        ],
        &[
            "L1_BEACON_SLOT_DURATION_OVERRIDE",
            "L1_SLOT_DURATION_OVERRIDE",
        ],
        Value,
        Seconds("l1.slot-duration"),
    ),
    row(
        &["l1.beacon.ignore", "l1.beacon.fetch-all-sidecars"],
        &["L1_BEACON_IGNORE", "L1_BEACON_FETCH_ALL_SIDECARS"],
        Switch,
        Ignored(NEEDED_BLOBS),
    ),
    row(&["l1-beacon"], &["L1_BEACON"], Value, Flag("l1.beacon")),
    row(
        &["l1.beacon-archiver"],
        &["L1_BEACON_FALLBACKS", "L1_BEACON_ARCHIVER"],
        Value,
        Flag("l1.beacon-fallbacks"),
    ),
    row(
        &["l1.beacon-header"],
        &["L1_BEACON_HEADER"],
        Value,
        Ignored("no header of yours is sent to beacons: a key belongs into the URL"),
    ),
    row(
        &["l1.http-poll-interval"],
        &["L1_HTTP_POLL_INTERVAL"],
        Value,
        Ignored("L1 is asked when its next block is due: see --l1.slot-duration"),
    ),
    row(
        &["l1.rpckind", "l1.rpc-max-batch-size", "l1.cache-size"],
        &["L1_RPC_KIND", "L1_RPC_MAX_BATCH_SIZE", "L1_CACHE_SIZE"],
        Value,
        Ignored(FEW_REQUESTS),
    ),
    row(
        &[],
        &["L1_MAX_CONCURRENCY"],
        Value,
        Flag("l1.max-concurrency"),
    ),
    row(
        &[],
        &["L1_RPC_RATE_LIMIT"],
        Value,
        Flag("l1.rpc-rate-limit"),
    ),
    row(
        &[],
        &["L1_RUNTIME_CONFIG_RELOAD_INTERVAL"],
        Value,
        Flag("l1.runtime-config-reload-interval"),
    ),
    row(
        &[],
        &["VERIFIER_L1_CONFS"],
        Value,
        Flag("verifier.l1-confs"),
    ),
    // The execution layer.
    row(&["l2-engine-rpc"], &["L2_ENGINE_RPC"], Value, Flag("l2")),
    row(
        &["l2-engine-jwt-secret"],
        &["L2_ENGINE_AUTH"],
        Value,
        Flag("l2.jwt-secret"),
    ),
    row(
        &["l2-engine-jwt-encoded", "l2.jwt-secret-encoded"],
        &["L2_ENGINE_AUTH_ENCODED"],
        Value,
        Refused(
            "a secret on the command line or in the environment is seen by others: put it into a file and name that with --l2.jwt-secret",
        ),
    ),
    row(
        &["l2.engine-rpc-timeout", "l2-engine-timeout", "l2.timeout"],
        &["L2_ENGINE_RPC_TIMEOUT", "L2_ENGINE_TIMEOUT"],
        Value,
        Ignored(OWN_DEADLINES),
    ),
    row(
        &["l2.enginekind"],
        &["L2_ENGINE_KIND"],
        Value,
        Ignored("what differs between execution layers is seen in their answers"),
    ),
    row(
        &["l2-trust-rpc", "l2.trust-rpc"],
        &["L2_TRUST_RPC"],
        Switch,
        Ignored("the execution layer's blocks are taken as it gives them"),
    ),
    row(
        &[
            "l2.engine-sync",
            "l2.skip-sync-start-check",
            "l2.unsafe-only",
            "syncmode.req-resp",
            "l2.backup-unsafe-sync-rpc.trustrpc",
        ],
        &[
            "L2_ENGINE_SYNC_ENABLED",
            "L2_SKIP_SYNC_START_CHECK",
            "L2_UNSAFE_ONLY",
            "SYNCMODE_REQ_RESP",
            "L2_BACKUP_UNSAFE_SYNC_RPC_TRUST_RPC",
        ],
        Switch,
        Ignored(NO_OP),
    ),
    row(&[], &["SYNCMODE"], Value, Flag("syncmode")),
    row(
        &[],
        &["SYNCMODE_OFFSET_EL_SAFE"],
        Value,
        Flag("syncmode.offset-el-safe"),
    ),
    row(
        &["l2.backup-unsafe-sync-rpc"],
        &["L2_BACKUP_UNSAFE_SYNC_RPC"],
        Value,
        Ignored(NO_OP),
    ),
    // Follow mode.
    row(
        &["l2-follow-source"],
        &["L2_FOLLOW_SOURCE"],
        Value,
        Flag("l2.follow.source"),
    ),
    row(
        &["l2.follow.source.rpc-timeout", "l2.follow.rpc-timeout"],
        &["L2_FOLLOW_SOURCE_RPC_TIMEOUT"],
        Value,
        Flag("l2.follow.request-timeout"),
    ),
    row(
        &["l2.follow.skip-l1-check", "l2.follow.source.skip-l1-check"],
        &["L2_FOLLOW_SKIP_L1_CHECK", "L2_FOLLOW_SOURCE_SKIP_L1_CHECK"],
        Switch,
        Refused(
            "the check of each safe block's L1 origin is what a follower is protected by; it cannot be switched off",
        ),
    ),
    row(
        &["source-l2-rpc"],
        &["SOURCE_L2_RPC"],
        Value,
        Refused(
            "this node follows a rollup node and not an execution layer: give the rollup node's RPC as --l2.follow.source",
        ),
    ),
    row(&["mode"], &["MODE"], Value, Mode),
    // RPC.
    row(&[], &["RPC_ADDR"], Value, Flag("rpc.addr")),
    row(&["port"], &["RPC_PORT"], Value, Flag("rpc.port")),
    row(&[], &["RPC_ENABLE_ADMIN"], Switch, Flag("rpc.enable-admin")),
    row(
        &["rpc.ws-enabled"],
        &["RPC_WS_ENABLED"],
        Switch,
        Always(
            &["true", "t", "1", "yes", "on"],
            "WebSocket is always served on the port of the RPC",
        ),
    ),
    row(
        &["rpc.disabled"],
        &["RPC_DISABLED"],
        Switch,
        Always(
            super::OFF,
            "the RPC is always served: set --rpc.addr so that nobody else reaches it",
        ),
    ),
    row(
        &[
            "rpc.no-restart",
            "rpc.dev-enabled",
            "rpc.experimental-opstack-api",
            "experimental.sequencer-api",
            "fetch-withdrawal-root-from-state",
        ],
        &[
            "RPC_NO_RESTART",
            "RPC_DEV_ENABLED",
            "RPC_EXPERIMENTAL_OPSTACK_API",
            "EXPERIMENTAL_SEQUENCER_API",
            "FETCH_WITHDRAWAL_ROOT_FROM_STATE",
        ],
        Switch,
        Ignored("there is no such choice here"),
    ),
    row(&[], &["RPC_ADMIN_STATE"], Value, Flag("rpc.admin-state")),
    row(&[], &["SAFEDB_PATH"], Value, Flag("safedb.path")),
    // Metrics, logs and profiles.
    row(
        &[],
        &[
            "METRICS_ENABLED",
            "KONA_METRICS_ENABLED",
            "BASE_METRICS_ENABLED",
        ],
        Switch,
        Flag("metrics.enabled"),
    ),
    row(
        &[],
        &["METRICS_ADDR", "KONA_METRICS_ADDR", "BASE_METRICS_ADDR"],
        Value,
        Flag("metrics.addr"),
    ),
    row(
        &[],
        &["METRICS_PORT", "KONA_METRICS_PORT", "BASE_METRICS_PORT"],
        Value,
        Flag("metrics.port"),
    ),
    row(&[], &["LOG_COLOR"], Switch, Flag("log.color")),
    row(
        &["v"],
        &[],
        Switch,
        Ignored("how many -v mean which level differs between nodes: set --log.level"),
    ),
    row(
        &[],
        &["LOG_LEVEL", "KONA_LOG_LEVEL", "BASE_LOG_LEVEL"],
        Value,
        Level,
    ),
    row(
        &["logs.stdout.format"],
        &[
            "LOG_FORMAT",
            "KONA_LOG_STDOUT_FORMAT",
            "BASE_LOG_STDOUT_FORMAT",
        ],
        Value,
        Flag("log.format"),
    ),
    row(
        &["logs.stdout.quiet", "log.pid"],
        &["KONA_STDOUT_LOG_QUIET", "LOG_PID"],
        Switch,
        Ignored("the log names no process, and is silenced by --log.level=off only"),
    ),
    row(
        &["logs.file.*", "snapshotlog.file"],
        &["KONA_LOG_FILE_*", "BASE_LOG_FILE_*", "SNAPSHOT_LOG"],
        Value,
        Ignored("logs go to stdout, where a service manager or container runtime keeps them"),
    ),
    row(
        &["pprof.enabled"],
        &["PPROF_ENABLED"],
        Switch,
        Ignored(NO_PROFILER),
    ),
    row(&["pprof.*"], &["PPROF_*"], Value, Ignored(NO_PROFILER)),
    row(
        &["heartbeat.enabled"],
        &["HEARTBEAT_ENABLED"],
        Switch,
        Ignored(NO_OP),
    ),
    row(&["heartbeat.*"], &["HEARTBEAT_*"], Value, Ignored(NO_OP)),
    // Derivation.
    row(
        &["altda.enabled", "altda.verify-on-read", "altda.da-service"],
        &["ALTDA_ENABLED", "ALTDA_VERIFY_ON_READ", "ALTDA_DA_SERVICE"],
        Switch,
        Ignored(NO_ALT_DA),
    ),
    row(&["altda.*"], &["ALTDA_*"], Value, Ignored(NO_ALT_DA)),
    row(
        &["finality.*"],
        &["FINALITY_*"],
        Value,
        Ignored("finality is looked at with each L1 block"),
    ),
];
