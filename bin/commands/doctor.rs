//! Examines a set-up and says what is wrong with it and how to mend it. Everything is asked at once and with deadlines; nothing is
//! changed anywhere. First facts are gathered, then judged by rules that know no network.

mod ages;
mod beacon;
mod clock;
mod derive;
mod el;
mod finding;
mod l1;
mod local;
mod peers;
mod source;
mod words;

use crate::{
    args::{doctor::DoctorArgs, l1::SLOT_DURATION, layers::Notice, log::LogArgs, node::NodeArgs},
    commands::{derivation, healthcheck::reachable, network, node, print_line, sequencer},
    telemetry,
};
use finding::{Check, Finding, Report, Severity};
use light_node_follow::{FollowSource, HttpSource};
use light_node_l1::L1Config;
use light_node_node::UpgradeBundles;
use light_node_protocol::{RollupConfig, network_name};
use std::{
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::time::{Instant, timeout_at};
use url::Url;

/// Deadline of one question. An endpoint that needs longer on a quiet line is of no use to the node.
const REQUEST_DEADLINE: Duration = Duration::from_millis(2500);

/// Deadline of the whole examination.
const DEADLINE: Duration = Duration::from_secs(10);

/// Examines what the flags describe.
///
/// # Errors
/// If the program cannot even begin. What is wrong with the set-up is no error but a finding.
pub(crate) fn run(args: &DoctorArgs, log: &LogArgs, notices: &[Notice]) -> eyre::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let report = Report::new(runtime.block_on(examine(&args.node, log, notices)));
    // A name that is still being looked up must not hold up the end.
    runtime.shutdown_background();
    print_line(&if args.json {
        report.json()?
    } else {
        report.text()
    });
    Ok(if report.healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What the flags name, as far as it can be read.
struct Setup {
    rollup: Option<Arc<RollupConfig>>,
    l1: Vec<Url>,
    el: Option<Url>,
    source: Option<Url>,
    /// Empty where a source is followed.
    beacons: Vec<Url>,
    /// None where a source is followed.
    bundles: Option<UpgradeBundles>,
    jwt: Option<PathBuf>,
    listen: SocketAddr,
    /// Where metrics are served, if they are.
    metrics: Option<SocketAddr>,
    /// The ports for peers, if there are to be any.
    doors: Vec<peers::Door>,
}

/// What everybody said.
struct Facts {
    names: Vec<local::Resolved>,
    rpc_port: local::Port,
    metrics_port: Option<local::Port>,
    /// Whom the node that runs on our RPC port follows, itself first.
    own_path: Option<Vec<String>>,
    l1: Vec<l1::L1Facts>,
    el: Option<el::ElFacts>,
    samples: Option<beacon::Samples>,
    beacons: Vec<beacon::BeaconFacts>,
    source: Option<source::SourceFacts>,
}

async fn examine(args: &NodeArgs, log: &LogArgs, notices: &[Notice]) -> Vec<Finding> {
    let until = Instant::now() + DEADLINE;
    let (setup, mut findings) = read(args);
    kept(telemetry::filter(log, telemetry::NODE_LEVEL), &mut findings);
    findings.extend(notices.iter().map(unused));
    if let Some(jwt) = &setup.jwt {
        findings.extend(local::look_at_secret(jwt));
    }
    findings.extend(local::judge_admin(setup.listen, args.rpc.enable_admin));
    let Ok(facts) = timeout_at(until, gather(args, &setup)).await else {
        findings.push(out_of_time());
        return findings;
    };
    findings.extend(local::judge_names(&facts.names));
    let port = &facts.rpc_port;
    findings.push(local::judge_port(
        Check::RpcPort,
        "--rpc",
        setup.listen,
        port,
    ));
    findings.extend(local::judge_running(setup.listen, port));
    if let (Some(listen), Some(port)) = (setup.metrics, &facts.metrics_port) {
        findings.push(local::judge_port(
            Check::MetricsPort,
            "--metrics",
            listen,
            port,
        ));
    }
    findings.extend(peers::look(&setup.doors, port));
    let Some(rollup) = &setup.rollup else {
        findings.push(Finding::info(
            Check::Config,
            "",
            "the endpoints were not asked: without a chain there is nothing to compare them with",
        ));
        return findings;
    };
    findings.extend(judge(args, &setup, rollup, &facts));
    if !findings.iter().any(is_about_another_chain)
        && let (Some(el), Some(source)) = (&facts.el, &facts.source)
        && let Ok(status) = &source.status
        && let Ok(Some(finding)) = timeout_at(until, el.compare_with(status.finalized_l2)).await
    {
        findings.push(finding);
    }
    local::without_consequences(&findings)
}

/// Then blocks need not be compared: they differ.
fn is_about_another_chain(finding: &Finding) -> bool {
    let is_identity = matches!(
        finding.check,
        Check::ElChainId | Check::ElGenesis | Check::SourceChain | Check::SourceCycle
    );
    is_identity && finding.severity == Severity::Error
}

/// Reads the configuration; what is wrong with it is found.
fn read(args: &NodeArgs) -> (Setup, Vec<Finding>) {
    let mut findings = Vec::new();
    let rollup = kept(args.chain.load(), &mut findings);
    if let Some(rollup) = &rollup {
        let (l2, l1) = (rollup.l2_chain_id, rollup.l1_chain_id);
        let name = network_name(l2).map(|name| format!(" ({name})"));
        let detail = format!("chain {l2}{} on L1 {l1}", name.unwrap_or_default());
        findings.push(Finding::ok(Check::Config, "", detail));
    }
    let l1 = node::l1_endpoints(args);
    let l1 = l1.into_iter().filter_map(|url| kept(url, &mut findings));
    let l1: Vec<_> = l1.collect();
    let el = kept(node::engine_url(args), &mut findings);
    let source = node::source(args).and_then(|source| kept(source, &mut findings));
    let jwt = args.l2.jwt_secret.clone();
    if jwt.is_none() {
        let missing = "--l2.jwt-secret=FILE is missing: the file with the JWT secret that the execution layer was started with";
        findings.push(faulty(missing.to_owned()));
    }
    kept(node::ports(args), &mut findings);
    let doors = unsafe_chain(args, rollup.as_ref(), &mut findings);
    let (mut beacons, mut bundles) = (Vec::new(), None);
    if args.follow.source.is_none() {
        let named = derivation::beacons(args, rollup.as_ref());
        beacons.extend(named.into_iter().filter_map(|url| kept(url, &mut findings)));
        if let Some(rollup) = &rollup {
            let (found, read) = derive::look(args, rollup);
            findings.extend(found);
            bundles = Some(read);
        }
        findings.push(derive::look_at_safedb(args));
    }
    let setup = Setup {
        rollup,
        l1,
        el,
        source,
        beacons,
        bundles,
        jwt,
        listen: args.rpc.listen(),
        metrics: args
            .metrics
            .enabled
            .then(|| SocketAddr::new(args.metrics.addr, args.metrics.port)),
        doors,
    };
    (setup, findings)
}

/// What is wrong with network and sequencer as far as the flags show it, and the ports for peers.
fn unsafe_chain(
    args: &NodeArgs,
    rollup: Option<&Arc<RollupConfig>>,
    findings: &mut Vec<Finding>,
) -> Vec<peers::Door> {
    let Some(rollup) = rollup else {
        return Vec::new();
    };
    let mut faults = Vec::new();
    let network = network::judge(args, rollup, &mut faults);
    sequencer::judge(args, rollup, &mut faults);
    findings.extend(faults.iter().map(|fault| faulty(format!("{fault:#}"))));
    network.as_ref().map(peers::doors).unwrap_or_default()
}

fn kept<T>(read: eyre::Result<T>, findings: &mut Vec<Finding>) -> Option<T> {
    read.map_err(|fault| findings.push(faulty(format!("{fault:#}"))))
        .ok()
}

fn faulty(detail: String) -> Finding {
    let fix = "`light-node config show` tells where each value comes from, `light-node node --help` what it means";
    Finding::error(Check::Config, "", detail, fix)
}

fn unused(Notice { names, reason }: &Notice) -> Finding {
    let verb = if names.len() == 1 { "has" } else { "have" };
    let detail = format!("{} {verb} no effect: {reason}", names.join(", "));
    Finding::warning(
        Check::Config,
        "",
        detail,
        "remove it; `light-node config aliases` tells what is read",
    )
}

fn out_of_time() -> Finding {
    let detail = format!("the examination was not complete within {DEADLINE:?}");
    let fix = "ask again; if it is the same, the resolver of this machine or the network is the first suspect";
    Finding::error(Check::Config, "", detail, fix)
}

/// Asks everybody at once.
async fn gather(args: &NodeArgs, setup: &Setup) -> Facts {
    let l1_urls = setup.l1.iter().map(|url| ("--l1", url));
    let el_url = setup.el.iter().map(|url| ("--l2", url));
    let source_url = setup.source.iter().map(|url| ("--l2.follow.source", url));
    let beacon_urls = setup.beacons.iter().map(|url| (beacon::FLAG, url));
    let urls = l1_urls.chain(beacon_urls).chain(el_url).chain(source_url);
    let names = futures::future::join_all(urls.map(|(flag, url)| local::resolve(flag, url)));
    let l1_config = setup.rollup.as_ref().map(|rollup| {
        let mut config = L1Config::new(Vec::new(), rollup.l1_chain_id, rollup.genesis.l1);
        config.trust_rpc = args.l1.trust_rpc;
        config
    });
    let l1 = async {
        let config = l1_config.as_ref()?;
        let asked = setup.l1.iter().map(|url| l1::ask(url.clone(), config));
        Some(futures::future::join_all(asked).await)
    };
    let el = async {
        let (url, rollup) = (setup.el.clone()?, setup.rollup.clone()?);
        Some(el::ask(url, setup.jwt.clone(), rollup).await)
    };
    let source = async {
        setup.rollup.as_ref()?;
        source::ask(setup.source.clone()?).await
    };
    let beacons = async {
        if setup.beacons.is_empty() {
            return (None, Vec::new());
        }
        let slot = args.l1.slot_duration;
        let slot = (slot != SLOT_DURATION).then_some(slot);
        let samples = beacon::sample(&setup.l1).await;
        let urls = setup.beacons.iter().cloned();
        let asked = urls.map(|url| beacon::ask(url, slot, samples.as_ref()));
        let said = futures::future::join_all(asked).await;
        (samples, said)
    };
    let metrics_port = async {
        let listen = setup.metrics?;
        Some(local::look_at_port(listen, local::METRICS_PAGE).await)
    };
    let (names, rpc_port, metrics_port, own_path, l1, el, source, beacons) = tokio::join!(
        names,
        local::look_at_port(setup.listen, "healthz"),
        metrics_port,
        own_path(setup.listen),
        l1,
        el,
        source,
        beacons,
    );
    let (samples, beacons) = beacons;
    Facts {
        names,
        rpc_port,
        metrics_port,
        own_path,
        l1: l1.unwrap_or_default(),
        el,
        samples,
        beacons,
        source,
    }
}

/// Whom the node on our own RPC port follows, itself first; none if there is no such node.
async fn own_path(listen: SocketAddr) -> Option<Vec<String>> {
    let url = Url::parse(&format!("http://{}", reachable(listen))).ok()?;
    let source = HttpSource::new(url, REQUEST_DEADLINE).ok()?;
    source.follow_path().await.ok().flatten()
}

fn judge(args: &NodeArgs, setup: &Setup, rollup: &RollupConfig, facts: &Facts) -> Vec<Finding> {
    let now = SystemTime::now();
    let expected = l1::Expected {
        chain_id: rollup.l1_chain_id,
        genesis: rollup.genesis.l1,
        slot: args.l1.slot_duration,
        now,
    };
    let mut findings = l1::judge_all(&facts.l1, expected);
    findings.extend(beacon::judge_all(&facts.beacons, facts.samples.as_ref()));
    if let Some(bundles) = &setup.bundles {
        // Without an execution layer the forks that are still to come are known all the same.
        let from = facts.el.as_ref().and_then(el::ElFacts::derives_from);
        let from = from.unwrap_or_else(|| ages::seconds(now));
        findings.push(derive::judge_bundles(bundles, rollup, from, now));
    }
    if let Some(el) = &facts.el {
        let derives = args.follow.source.is_none();
        let expected = el::Expected {
            rollup,
            derives,
            now,
        };
        findings.extend(el::judge(el, expected));
    }
    if let Some(source) = &facts.source {
        let ours = facts.l1.iter().filter_map(|facts| facts.said.as_ref().ok());
        let of_our_chain = ours.filter(|said| said.chain_id == rollup.l1_chain_id);
        let found = facts
            .names
            .iter()
            .filter(|name| name.flag == "--l2.follow.source");
        let found: Vec<_> = found
            .flat_map(|name| name.found.clone().unwrap_or_default())
            .collect();
        let expected = source::Expected {
            rollup,
            max_age: args.follow.max_age,
            l1_head: of_our_chain
                .map(|said| said.latest)
                .max_by_key(|head| head.number),
            is_our_address: local::is_ours(&found, setup.listen, local::is_local),
            own_path: facts.own_path.clone(),
            now,
        };
        findings.extend(source::judge(source, &expected));
    }
    findings
}
