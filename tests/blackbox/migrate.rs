//! docs/migrate.md: each flag and variable of op-node and kona-node, and what the program makes of it. The tables are written from the
//! program's own words by `just docs`, so that they cannot say what it does not do.

use crate::helpers::{
    manual::{Manual, path, read},
    process::plain_command,
};
use std::{collections::BTreeMap, fs};

const PAGE: &str = "docs/migrate.md";

/// op-node's flags, in the order of its help, each with its variable's name after `OP_NODE_`.
const OP_NODE: &str = "
    network NETWORK; rollup.config ROLLUP_CONFIG; rollup.l1-chain-config ROLLUP_L1_CHAIN_CONFIG; override.jovian OVERRIDE_JOVIAN;
    interop.dependency-set INTEROP_DEPENDENCY_SET; rollup.halt ROLLUP_HALT; rollup.load-protocol-versions ROLLUP_LOAD_PROTOCOL_VERSIONS;
    beta.extra-networks BETA_EXTRA_NETWORKS;
    l1 L1_ETH_RPC; l1.trustrpc L1_TRUST_RPC; l1.rpckind L1_RPC_KIND; l1.max-concurrency L1_MAX_CONCURRENCY;
    l1.rpc-rate-limit L1_RPC_RATE_LIMIT; l1.rpc-max-batch-size L1_RPC_MAX_BATCH_SIZE; l1.cache-size L1_CACHE_SIZE;
    l1.http-poll-interval L1_HTTP_POLL_INTERVAL; l1.epoch-poll-interval L1_EPOCH_POLL_INTERVAL;
    l1.runtime-config-reload-interval L1_RUNTIME_CONFIG_RELOAD_INTERVAL; verifier.l1-confs VERIFIER_L1_CONFS;
    l1.beacon L1_BEACON; l1.beacon.ignore L1_BEACON_IGNORE; l1.beacon-header L1_BEACON_HEADER; l1.beacon-fallbacks L1_BEACON_FALLBACKS;
    l1.beacon-archiver L1_BEACON_ARCHIVER; l1.beacon.fetch-all-sidecars L1_BEACON_FETCH_ALL_SIDECARS;
    l1.beacon.slot-duration-override L1_BEACON_SLOT_DURATION_OVERRIDE;
    l2 L2_ENGINE_RPC; l2.jwt-secret L2_ENGINE_AUTH; l2.engine-rpc-timeout L2_ENGINE_RPC_TIMEOUT; l2.enginekind L2_ENGINE_KIND;
    l2.follow.source L2_FOLLOW_SOURCE; l2.follow.source.rpc-timeout L2_FOLLOW_SOURCE_RPC_TIMEOUT;
    l2.follow.skip-l1-check L2_FOLLOW_SKIP_L1_CHECK;
    syncmode SYNCMODE; syncmode.req-resp SYNCMODE_REQ_RESP; syncmode.offset-el-safe SYNCMODE_OFFSET_EL_SAFE;
    finality.lookback FINALITY_LOOKBACK; finality.delay FINALITY_DELAY; l2.engine-sync L2_ENGINE_SYNC_ENABLED;
    l2.skip-sync-start-check L2_SKIP_SYNC_START_CHECK; l2.backup-unsafe-sync-rpc L2_BACKUP_UNSAFE_SYNC_RPC;
    rpc.addr RPC_ADDR; rpc.port RPC_PORT; rpc.enable-admin RPC_ENABLE_ADMIN; rpc.admin-state RPC_ADMIN_STATE; safedb.path SAFEDB_PATH;
    fetch-withdrawal-root-from-state FETCH_WITHDRAWAL_ROOT_FROM_STATE; experimental.sequencer-api EXPERIMENTAL_SEQUENCER_API;
    metrics.enabled METRICS_ENABLED; metrics.addr METRICS_ADDR; metrics.port METRICS_PORT;
    pprof.enabled PPROF_ENABLED; pprof.addr PPROF_ADDR; pprof.port PPROF_PORT;
    log.level LOG_LEVEL; log.format LOG_FORMAT; log.color LOG_COLOR; log.pid LOG_PID; snapshotlog.file SNAPSHOT_LOG;
    heartbeat.enabled HEARTBEAT_ENABLED;
    sequencer.enabled SEQUENCER_ENABLED; sequencer.stopped SEQUENCER_STOPPED; sequencer.max-safe-lag SEQUENCER_MAX_SAFE_LAG;
    sequencer.l1-confs SEQUENCER_L1_CONFS; sequencer.recover SEQUENCER_RECOVER; conductor.enabled CONDUCTOR_ENABLED;
    conductor.rpc CONDUCTOR_RPC; conductor.rpc-timeout CONDUCTOR_RPC_TIMEOUT; altda.enabled ALTDA_ENABLED;
    altda.da-server ALTDA_DA_SERVER; signer.endpoint SIGNER_ENDPOINT;
    signer.address SIGNER_ADDRESS; signer.header SIGNER_HEADER; signer.tls.ca SIGNER_TLS_CA; signer.tls.cert SIGNER_TLS_CERT;
    signer.tls.key SIGNER_TLS_KEY;
    p2p.disable P2P_DISABLE; p2p.no-discovery P2P_NO_DISCOVERY; p2p.priv.path P2P_PRIV_PATH; p2p.priv.raw P2P_PRIV_RAW;
    p2p.useragent P2P_AGENT; p2p.listen.ip P2P_LISTEN_IP; p2p.listen.tcp P2P_LISTEN_TCP_PORT; p2p.listen.udp P2P_LISTEN_UDP_PORT;
    p2p.advertise.ip P2P_ADVERTISE_IP; p2p.advertise.tcp P2P_ADVERTISE_TCP; p2p.advertise.udp P2P_ADVERTISE_UDP; p2p.nat P2P_NAT;
    p2p.bootnodes P2P_BOOTNODES; p2p.static P2P_STATIC; p2p.netrestrict P2P_NETRESTRICT; p2p.peers.lo P2P_PEERS_LO;
    p2p.peers.hi P2P_PEERS_HI; p2p.peers.grace P2P_PEERS_GRACE; p2p.ping P2P_PING; p2p.scoring P2P_PEER_SCORING;
    p2p.ban.peers P2P_PEER_BANNING; p2p.ban.threshold P2P_PEER_BANNING_THRESHOLD; p2p.ban.duration P2P_PEER_BANNING_DURATION;
    p2p.scoring.peers P2P_SCORING_PEERS; p2p.gossip.mesh.d P2P_GOSSIP_MESH_D; p2p.gossip.mesh.lo P2P_GOSSIP_MESH_DLO;
    p2p.gossip.mesh.dhi P2P_GOSSIP_MESH_DHI; p2p.gossip.mesh.dlazy P2P_GOSSIP_MESH_DLAZY;
    p2p.gossip.mesh.floodpublish P2P_GOSSIP_FLOOD_PUBLISH; p2p.gossip.timestamp.threshold P2P_GOSSIP_TIMESTAMP_THRESHOLD;
    p2p.mux P2P_MUX; p2p.security P2P_SECURITY; p2p.timeout.negotiation P2P_TIMEOUT_NEGOTIATION; p2p.timeout.accept P2P_TIMEOUT_ACCEPT;
    p2p.timeout.dial P2P_TIMEOUT_DIAL; p2p.peerstore.path P2P_PEERSTORE_PATH; p2p.discovery.path P2P_DISCOVERY_PATH;
    p2p.sync.req-resp P2P_SYNC_REQ_RESP; p2p.sync.onlyreqtostatic P2P_SYNC_ONLYREQTOSTATIC; p2p.sequencer.key P2P_SEQUENCER_KEY
";

/// kona-node's flags, each with its whole variable.
const KONA_NODE: &str = "
    chain KONA_NODE_L2_CHAIN_ID; l2-chain-id KONA_NODE_L2_CHAIN_ID; mode KONA_NODE_MODE; l2-config-file KONA_NODE_ROLLUP_CONFIG;
    rollup-cfg KONA_NODE_ROLLUP_CONFIG; l1-config-file KONA_NODE_L1_CHAIN_CONFIG; interop.dependency-set KONA_NODE_INTEROP_DEPENDENCY_SET;
    jovian-override KONA_NODE_OVERRIDE_JOVIAN;
    l1-eth-rpc KONA_NODE_L1_ETH_RPC; l1 KONA_NODE_L1_ETH_RPC; l1-trust-rpc KONA_NODE_L1_TRUST_RPC; l1-beacon KONA_NODE_L1_BEACON;
    l1-slot-duration-override KONA_NODE_L1_SLOT_DURATION_OVERRIDE;
    l2-engine-rpc KONA_NODE_L2_ENGINE_RPC; l2 KONA_NODE_L2_ENGINE_RPC; l2-engine-jwt-secret KONA_NODE_L2_ENGINE_AUTH;
    l2.jwt-secret KONA_NODE_L2_ENGINE_AUTH; l2-engine-jwt-encoded KONA_NODE_L2_ENGINE_AUTH_ENCODED;
    l2-engine-timeout KONA_NODE_L2_ENGINE_TIMEOUT; l2-trust-rpc KONA_NODE_L2_TRUST_RPC;
    syncmode.offset-el-safe KONA_NODE_SYNCMODE_OFFSET_EL_SAFE; l2-follow-source KONA_NODE_L2_FOLLOW_SOURCE;
    l2.follow.source KONA_NODE_L2_FOLLOW_SOURCE; safedb.path KONA_NODE_SAFEDB_PATH;
    rpc.addr KONA_NODE_RPC_ADDR; port KONA_NODE_RPC_PORT; rpc.port KONA_NODE_RPC_PORT; rpc.disabled KONA_NODE_RPC_DISABLED;
    rpc.no-restart KONA_NODE_RPC_NO_RESTART; rpc.enable-admin KONA_NODE_RPC_ENABLE_ADMIN; rpc.admin-state KONA_NODE_RPC_ADMIN_STATE;
    rpc.ws-enabled KONA_NODE_RPC_WS_ENABLED; rpc.dev-enabled KONA_NODE_RPC_DEV_ENABLED;
    metrics.enabled KONA_METRICS_ENABLED; metrics.addr KONA_METRICS_ADDR; metrics.port KONA_METRICS_PORT;
    v KONA_LOG_LEVEL; logs.stdout.quiet KONA_STDOUT_LOG_QUIET; logs.stdout.format KONA_LOG_STDOUT_FORMAT;
    logs.file.directory KONA_LOG_FILE_DIRECTORY;
    p2p.no-discovery KONA_NODE_P2P_NO_DISCOVERY; p2p.priv.path KONA_NODE_P2P_PRIV_PATH; p2p.listen.ip KONA_NODE_P2P_LISTEN_IP;
    p2p.listen.tcp KONA_NODE_P2P_LISTEN_TCP_PORT; p2p.listen.udp KONA_NODE_P2P_LISTEN_UDP_PORT; p2p.bootnodes KONA_NODE_P2P_BOOTNODES;
    p2p.bootstore KONA_NODE_P2P_BOOTSTORE; p2p.no-bootstore KONA_NODE_P2P_NO_BOOTSTORE; p2p.redial KONA_NODE_P2P_REDIAL;
    p2p.redial.period KONA_NODE_P2P_REDIAL_PERIOD; p2p.discovery.interval KONA_NODE_P2P_DISCOVERY_INTERVAL;
    p2p.discovery.randomize KONA_NODE_P2P_DISCOVERY_RANDOMIZE; p2p.ban.duration KONA_NODE_P2P_BAN_DURATION;
    p2p.topic-scoring KONA_NODE_P2P_TOPIC_SCORING; p2p.unsafe.block.signer KONA_NODE_P2P_UNSAFE_BLOCK_SIGNER; p2p.sequencer.key KONA_NODE_P2P_SEQUENCER_KEY; p2p.signer.endpoint KONA_NODE_P2P_SIGNER_ENDPOINT;
    sequencer.stopped KONA_NODE_SEQUENCER_STOPPED; sequencer.max-safe-lag KONA_NODE_SEQUENCER_MAX_SAFE_LAG;
    sequencer.l1-confs KONA_NODE_SEQUENCER_L1_CONFS; conductor.rpc KONA_NODE_CONDUCTOR_RPC
";

/// What differs in a flag of the same name, by the heading of the table.
const DIFFERENCES: &[(&str, &[(&str, &str)])] = &[
    (
        "op-node",
        &[
            ("l1", "http and https alone; several fail over"),
            (
                "l1.max-concurrency",
                "of what derivation reads; 16 by default, not 10",
            ),
            (
                "l1.rpc-rate-limit",
                "of what derivation reads, which is nearly all; of a fraction the whole part counts, and less than 1 is refused",
            ),
            (
                "l1.epoch-poll-interval",
                "0 is refused: these labels are needed",
            ),
            (
                "l1.runtime-config-reload-interval",
                "5m by default, not 10m; 0 is refused: nobody else says who signs",
            ),
            ("verifier.l1-confs", "10000 at the most"),
            ("l2", "http and https alone"),
            (
                "l2.jwt-secret",
                "a file that is not there ends the start: `light-node jwt generate` makes one",
            ),
            ("syncmode", "nothing where the node follows"),
            ("syncmode.offset-el-safe", "nothing where the node follows"),
            ("rpc.addr", "an IP address, by default 127.0.0.1"),
            (
                "safedb.path",
                "the file in it is our own; without it the history is kept in memory",
            ),
            ("metrics.enabled", "on by default"),
            ("metrics.addr", "an IP address, by default 127.0.0.1"),
            ("log.level", "`error` in the place of `crit`"),
            ("sequencer.l1-confs", "10000 at the most"),
            (
                "conductor.rpc",
                "refused on a sequencer without `--conductor.enabled`",
            ),
            ("p2p.disable", "also off while nothing is said of peers"),
            (
                "p2p.priv.path",
                "by default in `--p2p.dir`; refused if others can read it",
            ),
            ("p2p.useragent", "`light-node` by default"),
            (
                "p2p.netrestrict",
                "counts for peers that come in and for static ones, too",
            ),
            ("p2p.ban.threshold", "0 at the most"),
            (
                "p2p.peerstore.path",
                "a file of blocked peers, by default in `--p2p.dir`; the database of another node there is left alone",
            ),
            (
                "p2p.discovery.path",
                "a file, by default in `--p2p.dir`; the database of another node there is left alone",
            ),
        ],
    ),
    (
        "kona-node",
        &[
            ("l1", "several fail over"),
            ("rpc.addr", "by default 127.0.0.1"),
            ("rpc.enable-admin", "without it there is no `admin_*`"),
            ("metrics.enabled", "on by default"),
            ("metrics.addr", "by default 127.0.0.1"),
            ("metrics.port", "7300 by default, not 9090"),
            (
                "p2p.priv.path",
                "by default in `--p2p.dir`; a broken file ends the start",
            ),
            (
                "p2p.listen.udp",
                "by default the number of the TCP port, 9222, not 9223",
            ),
            ("sequencer.max-safe-lag", "it is kept to"),
            (
                "conductor.rpc",
                "refused on a sequencer without `--conductor.enabled`",
            ),
        ],
    ),
];

/// What the program says of other nodes' names: flags, variables, meaning.
struct Aliases(Vec<[Vec<String>; 2]>, Vec<String>);

impl Aliases {
    fn new() -> Self {
        let output = plain_command(&["config", "aliases"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let (mut names, mut meanings) = (Vec::new(), Vec::new());
        for line in String::from_utf8(output.stdout).unwrap().lines().skip(2) {
            let cells: Vec<_> = line
                .trim_matches('|')
                .splitn(3, '|')
                .map(str::trim)
                .collect();
            let words = |cell: &str| {
                cell.split(' ')
                    .map(|word| word.trim_matches('`').to_owned())
                    .collect()
            };
            names.push([words(cells[0]), words(cells[1])]);
            meanings.push(cells[2].to_owned());
        }
        Self(names, meanings)
    }

    /// The meaning of the row that names it, or else of the one whose `*` covers it.
    fn meaning(&self, column: usize, name: &str) -> Option<&str> {
        let covers = |pattern: &String| {
            let prefix = pattern.strip_suffix('*');
            prefix.is_some_and(|prefix| name.starts_with(prefix))
        };
        let exact = self
            .0
            .iter()
            .position(|row| row[column].iter().any(|known| known == name));
        let row = exact.or_else(|| self.0.iter().position(|row| row[column].iter().any(covers)))?;
        Some(&self.1[row])
    }
}

/// The table of one node. `prefix` stands before each of its variables.
fn table(manual: &Manual, aliases: &Aliases, node: &str, list: &str, prefix: &str) -> String {
    let differences = DIFFERENCES.iter().find(|(name, _)| *name == node);
    let mut differences: BTreeMap<_, _> = differences.unwrap().1.iter().copied().collect();
    let mut table = String::from("| flag | variable | here |\n|---|---|---|\n");
    for entry in list.split(';') {
        let (flag, env) = entry.trim().split_once(' ').unwrap();
        let dashed = if flag.len() == 1 {
            format!("-{flag}")
        } else {
            format!("--{flag}")
        };
        let of_flag = if manual.knows_node_flag(&dashed) {
            Some("the same")
        } else {
            aliases.meaning(0, &dashed)
        };
        let env = format!("{prefix}{env}");
        let suffix = env
            .strip_prefix("OP_NODE_")
            .or_else(|| env.strip_prefix("KONA_NODE_"));
        let of_env = aliases
            .meaning(1, &env)
            .or_else(|| aliases.meaning(1, suffix?));
        let of_flag = of_flag.unwrap_or_else(|| panic!("{dashed} means nothing to the program"));
        let of_env = of_env.unwrap_or_else(|| panic!("{env} means nothing to the program"));
        let is_same =
            of_flag == of_env || (of_flag == "the same" && of_env == format!("`{dashed}`"));
        let mut here = of_flag.to_owned();
        if let Some(difference) = differences.remove(flag) {
            assert_eq!(of_flag, "the same", "{dashed}");
            here += &format!(", but: {difference}");
        }
        if !is_same {
            here += &format!("; variable: {of_env}");
        }
        table += &format!("| `{dashed}` | `{env}` | {here} |\n");
    }
    assert!(differences.is_empty(), "no such flags: {differences:?}");
    table
}

#[test]
fn generated_docs_on_other_nodes_flags_are_up_to_date() {
    let (manual, aliases) = (Manual::new(), Aliases::new());
    let committed = read(PAGE);
    let mut page = committed.clone();
    for (node, list, prefix) in [
        ("op-node", OP_NODE, "OP_NODE_"),
        ("kona-node", KONA_NODE, ""),
    ] {
        let (begin, end) = (
            format!("<!-- {node}: written by `just docs` -->\n"),
            "<!-- end -->",
        );
        let (before, rest) = page.split_once(&begin).unwrap();
        let (_, after) = rest.split_once(end).unwrap();
        let table = table(&manual, &aliases, node, list, prefix);
        page = format!("{before}{begin}\n{table}\n{end}{after}");
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path(PAGE), &page).unwrap();
    }
    assert_eq!(read(PAGE), page, "{PAGE} is out of date: run `just docs`");
}
