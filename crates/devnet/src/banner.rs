//! What a devnet says at its start: where everything listens, whose money there is, and how to join.

use crate::{
    BatchKind, Blocks, DataAvailability, Devnet, DevnetConfig, Endpoints, accounts::BALANCE_ETHER,
};
use std::fmt::Write;

impl Devnet {
    /// Several lines for a terminal, with the command that starts a light-node, that is `program`, on the spare execution
    /// layer.
    pub fn banner(&self, program: &str) -> String {
        render(self.config(), self.endpoints(), program)
    }
}

fn render(config: &DevnetConfig, endpoints: &Endpoints, program: &str) -> String {
    let mut text = format!(
        "light-node devnet: {} from genesis, L2 block every {} s, L1 block every {} s\n\n",
        config.fork,
        config.block_time.as_secs(),
        config.l1_block_time.as_secs(),
    );
    line(&mut text, format_args!("  {}\n", way_of_a_block(config)));
    for (name, value) in rows(config, endpoints) {
        line(&mut text, format_args!("  {name:<13} {value}"));
    }
    line(
        &mut text,
        format_args!(
            "\n  accounts with {BALANCE_ETHER} ether on L1 and on L2 (never use them elsewhere)"
        ),
    );
    for account in crate::DEV_ACCOUNTS {
        let role = account
            .role
            .map(|role| format!("  {role}"))
            .unwrap_or_default();
        line(
            &mut text,
            format_args!("  {}  {}{role}", account.address, account.private_key),
        );
    }
    line(
        &mut text,
        format_args!("\n  a light-node of your own, on the spare EL:"),
    );
    line(
        &mut text,
        format_args!("  {}\n", join_command(config, endpoints, program)),
    );
    text
}

/// Who listens where.
fn rows(config: &DevnetConfig, endpoints: &Endpoints) -> Vec<(String, String)> {
    let first = [
        (
            "L1",
            format!("{}  chain {}", endpoints.l1, endpoints.l1_chain_id),
        ),
        ("beacon API", endpoints.beacon.clone()),
        ("source", endpoints.source.clone()),
        (
            "sequencer EL",
            format!(
                "{}  chain {}, send transactions here",
                endpoints.sequencer.http, endpoints.l2_chain_id
            ),
        ),
    ];
    let mut rows: Vec<_> = first
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let under = |value: String| (String::new(), value);
    let sequencer = endpoints
        .sequencer_node
        .iter()
        .map(|node| ("sequencer".to_owned(), node));
    let deriver = endpoints
        .deriver
        .iter()
        .map(|node| ("deriver".to_owned(), node));
    // As the status lines call them.
    let followers = (1..)
        .zip(&endpoints.followers)
        .map(|(number, node)| (format!("light-node {number}"), node));
    for (name, follower) in sequencer.chain(deriver).chain(followers) {
        let el = &follower.el;
        rows.push((
            name,
            format!("{}  EL {}  engine {}", follower.rpc, el.http, el.authrpc),
        ));
        rows.push(under(format!("metrics {}", follower.metrics)));
        let p2p = follower.p2p.iter();
        rows.extend(p2p.map(|p2p| under(format!("peers {}", p2p.address))));
    }
    let spare = &endpoints.spare;
    rows.push((
        "spare EL".to_owned(),
        format!("{}  engine {}", spare.http, spare.authrpc),
    ));
    rows.push(("files".to_owned(), config.datadir.display().to_string()));
    rows
}

/// Who hands a block to whom until everybody has it.
fn way_of_a_block(config: &DevnetConfig) -> String {
    let batches = match config.batcher.batches {
        BatchKind::Singular => "singular batches",
        BatchKind::Span => "span batches",
    };
    let da = match config.batcher.da {
        DataAvailability::Calldata => "calldata",
        DataAvailability::Blobs => "blobs",
    };
    let safe_source = if config.deriver { "deriver" } else { "source" };
    let sequencer = match config.blocks {
        Blocks::BySequencer => "sequencer",
        Blocks::ByLightSequencer => "light sequencer",
        Blocks::ByHand | Blocks::ByScript | Blocks::OnCommand => "sequencer EL",
    };
    let gossip = if config.blocks.are_gossiped() {
        "; unsafe blocks to all by gossip"
    } else {
        ""
    };
    let followers = match config.followers {
        0 => String::new(),
        1 => " -> light-node".to_owned(),
        many => format!(" -> {many} light-nodes"),
    };
    format!("{sequencer} -> batcher ({batches} in {da}) -> L1 -> {safe_source}{followers}{gossip}")
}

/// The command that starts a light-node on the spare execution layer.
fn join_command(config: &DevnetConfig, endpoints: &Endpoints, program: &str) -> String {
    let l1_block_time = config.l1_block_time.as_secs();
    let mut flags = vec![
        program.to_owned(),
        format!("--l2.follow.source={}", endpoints.followed()),
        format!("--l2={}", endpoints.spare.authrpc),
        format!("--l2.jwt-secret={}", endpoints.files.jwt.display()),
        format!("--l1={}", endpoints.l1),
        format!("--rollup.config={}", endpoints.files.rollup.display()),
        // Without these two it works as well, but looks at L1 as rarely as on mainnet.
        format!("--l1.slot-duration={l1_block_time}s"),
        format!("--l1.epoch-poll-interval={l1_block_time}s"),
    ];
    match endpoints.bootnode() {
        Some(bootnode) => flags.extend([
            format!("--p2p.bootnodes={}", bootnode.enr),
            "--p2p.listen.ip=127.0.0.1".to_owned(),
            "--p2p.advertise.ip=127.0.0.1".to_owned(),
            "--p2p.listen.tcp=0".to_owned(),
            format!("--p2p.dir={}", config.datadir.join("p2p").display()),
        ]),
        None => flags.push("--p2p.disable".to_owned()),
    }
    flags.join(" ")
}

fn line(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    writeln!(text, "{arguments}").expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeployedFiles, ElEndpoints, FollowerEndpoints, P2pEndpoints};
    use std::path::PathBuf;

    #[test]
    fn everything_that_a_user_needs_is_said() {
        let config = DevnetConfig::new(PathBuf::from("/data"));
        let el = |port: u16| ElEndpoints {
            http: format!("http://127.0.0.1:{port}"),
            authrpc: format!("http://127.0.0.1:{}", port + 6),
        };
        let endpoints = Endpoints {
            l1_chain_id: 900,
            l2_chain_id: 901,
            l1: "http://127.0.0.1:18545".to_owned(),
            beacon: "http://127.0.0.1:18545".to_owned(),
            source: "http://127.0.0.1:17545".to_owned(),
            deriver: Some(FollowerEndpoints {
                rpc: "http://127.0.0.1:17595".to_owned(),
                metrics: "http://127.0.0.1:17300/metrics".to_owned(),
                el: el(19_595),
                p2p: None,
            }),
            sequencer_node: Some(FollowerEndpoints {
                rpc: "http://127.0.0.1:17585".to_owned(),
                metrics: "http://127.0.0.1:17299/metrics".to_owned(),
                el: el(19_545),
                p2p: Some(P2pEndpoints {
                    enr: "enr:-abc".to_owned(),
                    address: "/ip4/127.0.0.1/tcp/17221/p2p/16Uiu2HA".to_owned(),
                }),
            }),
            sequencer: el(19_545),
            followers: vec![FollowerEndpoints {
                rpc: "http://127.0.0.1:17645".to_owned(),
                metrics: "http://127.0.0.1:17301/metrics".to_owned(),
                el: el(19_645),
                p2p: None,
            }],
            spare: el(19_945),
            files: DeployedFiles::in_directory(&config.datadir),
        };
        let text = render(&config, &endpoints, "light-node");
        for expected in [
            "jovian from genesis, L2 block every 2 s, L1 block every 3 s",
            "sequencer -> batcher (span batches in blobs) -> L1 -> deriver -> 2 light-nodes; unsafe blocks to all by gossip\n",
            "sequencer     http://127.0.0.1:17585  EL http://127.0.0.1:19545  engine http://127.0.0.1:19551",
            "peers /ip4/127.0.0.1/tcp/17221/p2p/16Uiu2HA\n",
            "--p2p.bootnodes=enr:-abc --p2p.listen.ip=127.0.0.1",
            "beacon API    http://127.0.0.1:18545\n",
            "light-node 1  http://127.0.0.1:17645  EL http://127.0.0.1:19645  engine http://127.0.0.1:19651",
            "metrics http://127.0.0.1:17301/metrics\n",
            "0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f  0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97  batcher",
            "deriver       http://127.0.0.1:17595  EL http://127.0.0.1:19595  engine http://127.0.0.1:19601",
            "light-node --l2.follow.source=http://127.0.0.1:17595 --l2=http://127.0.0.1:19951 \
             --l2.jwt-secret=/data/jwt.hex --l1=http://127.0.0.1:18545 --rollup.config=/data/rollup.json",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }

    #[test]
    fn the_way_of_a_block_is_that_of_this_devnet() {
        let mut config = DevnetConfig::new(PathBuf::from("/data"));
        config.blocks = Blocks::ByScript;
        config.deriver = false;
        config.followers = 3;
        config.batcher.batches = BatchKind::Singular;
        config.batcher.da = DataAvailability::Calldata;
        assert_eq!(
            way_of_a_block(&config),
            "sequencer EL -> batcher (singular batches in calldata) -> L1 -> source -> 3 light-nodes"
        );
        config.followers = 0;
        assert!(way_of_a_block(&config).ends_with("-> L1 -> source"));
    }
}
