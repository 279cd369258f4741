//! docs/metrics.md is generated from the catalogue of a node; dashboard and alerts name what a running node emits.

use super::*;

/// A node that is wired, and never run.
fn wired(compat: MetricsCompat, safe_source: SafeSource) -> NodeHandle {
    let dead: url::Url = DEAD.parse().unwrap();
    let rollup_config = Arc::new(RollupConfig::default());
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let l1 = L1Config::new(vec![dead.clone()], 1, rollup_config.genesis.l1);
    let mut network = NetworkConfig::new(rollup_config.clone(), Keypair::generate());
    network.listen = Listen {
        ip: any.ip(),
        tcp_port: 0,
        udp_port: 0,
    };
    let mut sequencer = SequencerConfig::new(
        rollup_config.clone(),
        L1ChainConfig::new(Vec::new()),
        UpgradeBundles::default(),
    );
    sequencer.conductor = Some(ConductorConfig {
        endpoint: dead.clone(),
        timeout: LIMIT,
    });
    let config = NodeConfig {
        engine: EngineDoor::Http(HttpEngineConfig {
            url: dead.clone(),
            jwt: JwtSource::Secret(JwtSecret::from_bytes([0x5c; 32])),
            rollup_config: rollup_config.clone(),
            deadlines: ElDeadlines::default(),
        }),
        l1,
        safe_source,
        network: Some(network),
        signer_interval: LIMIT,
        sequencer: Some(sequencer),
        safe_db: Some(SafeDbConfig::new(None)),
        rpc: RpcConfig {
            listen: any,
            enable_admin: false,
            set_log_level: None,
            version: "0.0.0".to_owned(),
        },
        metrics: Some(MetricsConfig {
            listen: any,
            compat,
        }),
        status_interval: None,
        rollup_config,
    };
    Node::new(config).unwrap().1
}

fn a_source() -> SafeSource {
    SafeSource::Follow(FollowSettings {
        source: DEAD.parse().unwrap(),
        poll_interval: LIMIT,
        max_age: LIMIT,
        request_deadline: LIMIT,
    })
}

fn l1_itself() -> SafeSource {
    SafeSource::Derive(DeriveSettings {
        beacons: vec![DEAD.parse().unwrap()],
        slot_duration: None,
        feed: L1FeedConfig::new(&RollupConfig::default()),
        l1_chain: L1ChainConfig::new(Vec::new()),
        upgrades: UpgradeBundles::default(),
        l1_confirmations: 0,
        sync_mode: SyncMode::default(),
        el_safe_offset: LIMIT,
    })
}

/// The metrics of both modes: those of a follower, then those that only a deriving node has.
fn entries() -> Vec<Entry> {
    let of = |safe_source| {
        let handle = wired(MetricsCompat::OpNode, safe_source);
        handle.metrics().unwrap().catalogue().entries().to_vec()
    };
    let mut entries = of(a_source());
    for entry in of(l1_itself()) {
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    entries
}

/// Our name behind one of op-node's.
const ALIASES: [(&str, &str); 15] = [
    ("op_node_default_up", "light_node_up"),
    ("op_node_default_info", "light_node_version_info"),
    ("op_node_default_p2p_peer_count", ""),
    ("op_node_default_peer_count", ""),
    (
        "op_node_default_refs_number",
        "light_node_engine_head_number",
    ),
    (
        "op_node_default_refs_time",
        "light_node_engine_head_timestamp_seconds",
    ),
    (
        "op_node_default_refs_latency",
        "light_node_engine_head_age_seconds",
    ),
    (
        "op_node_default_follow_source_requests_total",
        "light_node_follow_polls_total",
    ),
    (
        "op_node_default_pipeline_resets_total",
        "light_node_derivation_resets_total",
    ),
    (
        "op_node_default_derivation_errors_total",
        "light_node_derivation_retries_total",
    ),
    (
        "op_node_default_derivation_idle",
        "light_node_derivation_phase",
    ),
    (
        "op_node_default_rpc_client_request_duration_seconds",
        "light_node_client_request_duration_seconds",
    ),
    (
        "op_node_default_unsafe_payloads_buffer_len",
        "light_node_engine_buffered_payloads",
    ),
    (
        "op_node_default_unsafe_payloads_buffer_mem_size",
        "light_node_engine_buffered_payload_bytes",
    ),
    (
        "op_node_default_l1_reorg_depth",
        "light_node_l1_reorg_depth_blocks",
    ),
];

/// What a metric's value is counted in, as its name says.
fn unit(name: &str) -> &'static str {
    let name = name.trim_end_matches("_total");
    match name {
        "op_node_default_refs_time" | "op_node_default_refs_latency" => "seconds",
        "op_node_default_unsafe_payloads_buffer_mem_size" => "bytes",
        _ if name.ends_with("_per_second") => "per second",
        _ if name.ends_with("_seconds") => "seconds",
        _ if name.ends_with("_bytes") => "bytes",
        _ if name.ends_with("_blocks") || name.ends_with("_depth") && name.contains("reorg") => {
            "blocks"
        }
        _ => "",
    }
}

const HEAD: &str = "\
# Metrics

Generated from the program by `just docs`. The node serves them at `http://127.0.0.1:7300/metrics`; see the flags
`--metrics.*` in [cli.md](cli.md). A histogram has the usual `_bucket`, `_sum` and `_count`. Heads that are not known yet have no
value. Values of labels come from fixed lists.

The names of op-node are served beside ours, so that its dashboards and alerts go on working; `--metrics.compat=none` leaves
them out. `refs_latency` is below zero, as op-node's is: the block's time minus the time at which it was first seen here, by a scrape.
The follow source's `error_invalid_state` counts every answer that a check of ours refused.
";

fn page() -> String {
    let entries = entries();
    let aliases = BTreeMap::from(ALIASES);
    let mut page = HEAD.to_owned();
    let groups: [(&str, &str, &str); 3] = [
        ("Ours", "light_node_", ""),
        ("The process", "process_", ""),
        ("Names of op-node", "op_node_", " alias of |"),
    ];
    for (title, prefix, column) in groups {
        let rule = if column.is_empty() { "" } else { "---|" };
        page += &format!(
            "\n## {title}\n\n| name | type | labels | unit | meaning |{column}\n|---|---|---|---|---|{rule}\n"
        );
        for entry in entries
            .iter()
            .filter(|entry| entry.name.starts_with(prefix))
        {
            let labels: Vec<_> = entry
                .labels
                .iter()
                .map(|label| format!("`{label}`"))
                .collect();
            page += &format!(
                "| `{}` | {} | {} | {} | {} |",
                entry.name,
                entry.kind,
                labels.join(", "),
                unit(&entry.name),
                entry.help
            );
            if !column.is_empty() {
                let ours = aliases.get(entry.name.as_str());
                let ours = ours.unwrap_or_else(|| panic!("{} is an alias of nothing", entry.name));
                page += &if ours.is_empty() {
                    " |".to_owned()
                } else {
                    format!(" `{ours}` |")
                };
            }
            page += "\n";
        }
    }
    page
}

#[tokio::test]
async fn generated_docs_of_metrics_are_up_to_date() {
    let path = root().join("docs/metrics.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        committed, page,
        "docs/metrics.md is out of date: run `just docs`"
    );
}

#[tokio::test]
async fn every_metric_has_one_name_one_meaning_and_labels_of_its_own() {
    let entries = entries();
    let names: BTreeSet<_> = entries.iter().map(|entry| &entry.name).collect();
    assert_eq!(names.len(), entries.len(), "a name is registered twice");
    for entry in &entries {
        let help = entry.help;
        assert!(
            help.len() > 10 && !help.ends_with('.') && !help.contains('|'),
            "{entry:?}"
        );
    }
    for (alias, ours) in ALIASES {
        let is_there = |name: &str| names.iter().any(|known| *known == name);
        if is_there(alias) && !ours.is_empty() {
            assert!(
                is_there(ours),
                "{alias} is an alias of {ours}, which is gone"
            );
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Words of a PromQL expression that can be names of metrics: not functions, labels, values or keywords.
fn names(expression: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    let is_name = |word: &str| {
        ["light_node_", "op_node_", "process_"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
    };
    let outside_strings = expression
        .split('"')
        .step_by(2)
        .collect::<Vec<_>>()
        .join(" ");
    let words = outside_strings.split(|letter| !is_part(letter));
    words
        .filter(|word| is_name(word))
        .map(str::to_owned)
        .collect()
}

/// Each metric of a PromQL expression with a label that must have a value: `name{..label="value"..}`.
fn series(expression: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (at, _) in expression.match_indices('{') {
        let before = &expression[..at];
        let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let name = &before[before.trim_end_matches(is_part).len()..];
        let matchers = expression[at + 1..].split('}').next().unwrap();
        for matcher in matchers
            .split(',')
            .filter(|matcher| !matcher.contains("=~"))
        {
            if !name.is_empty() && !matcher.contains("!=") {
                found.push((name.to_owned(), matcher.to_owned()));
            }
        }
    }
    found
}

/// Every value of the key `expr`, wherever it stands.
fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "expr" => found.push(text.clone()),
                    _ => expressions(value, found),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| expressions(value, found)),
        _ => {}
    }
}

/// Names without value until something happens, which the series of the metric beside them prove: the metric is registered.
fn emitted(exposition: &str) -> BTreeSet<String> {
    let lines = exposition.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split(['{', ' ']).next())
        .map(str::to_owned)
        .collect()
}

/// What is on a dashboard, or in a group of alerts, of the same name.
struct Board {
    name: &'static str,
    /// Names without series before something has happened.
    quiet: &'static [&'static str],
}

/// A node that follows.
const NODE: Board = Board {
    name: "light-node",
    // A node that is ready at its first scrape has had no reason.
    quiet: &["light_node_not_ready"],
};

/// One that derives, gossips and sequences.
const BLOCKS: Board = Board {
    name: "light-node-blocks",
    quiet: &[
        "light_node_network_refused_inbound_total",
        "light_node_sequencer_dropped_builds_total",
        "light_node_sequencer_conductor_commits_total",
        "light_node_derivation_refused_total",
    ],
};

impl Board {
    fn dashboard(&self) -> Value {
        let path = root().join(format!("docs/grafana/{}.json", self.name));
        serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
    }

    /// The rules of its group.
    fn alerts(&self) -> Vec<Value> {
        let groups = alerts();
        let groups = groups["groups"].as_array().unwrap();
        let mut groups = groups.iter().filter(|group| group["name"] == self.name);
        let group = groups.next().unwrap();
        group["rules"].as_array().unwrap().clone()
    }

    /// All expressions.
    fn expressions(&self) -> Vec<String> {
        let mut found = Vec::new();
        expressions(&self.dashboard(), &mut found);
        let panels = found.len();
        expressions(&json!(self.alerts()), &mut found);
        assert!(panels >= 15 && found.len() >= panels + 8, "{found:#?}");
        found
    }

    /// Waits until a node that serves its metrics there shows every name and every value of a label.
    async fn is_emitted(&self, url: &str) {
        let found = self.expressions();
        let named: BTreeSet<_> = found
            .iter()
            .flat_map(|expression| names(expression))
            .collect();
        let series: Vec<_> = found
            .iter()
            .flat_map(|expression| series(expression))
            .collect();
        assert!(series.len() >= 8, "{series:?}");
        until("every name and every label's value", LIMIT, || async {
            let page = scrape(url).await;
            let emitted = emitted(&page);
            let mut missing: Vec<_> = named.difference(&emitted).cloned().collect();
            missing.retain(|name| !self.quiet.contains(&name.as_str()));
            let absent = series.iter().filter(|it| !has_series(&page, it));
            missing.extend(absent.map(|(name, matcher)| format!("{name}{{{matcher}}}")));
            if missing.is_empty() {
                Ok(())
            } else {
                Err(missing)
            }
        })
        .await;
    }
}

/// Whether a metric is there with this value of a label, or the value is a reason that it may have.
fn has_series(page: &str, (name, matcher): &(String, String)) -> bool {
    let mut reasons = light_node_follow::NotReady::NAMES.iter();
    let is_reason = name == "light_node_not_ready"
        && reasons.any(|reason| *matcher == format!("reason=\"{reason}\""));
    let is_series = |line: &str| line.starts_with(&format!("{name}{{"));
    let mut lines = page.lines();
    is_reason || lines.any(|line| is_series(line) && line.contains(matcher.as_str()))
}

fn alerts() -> Value {
    let text = fs::read_to_string(root().join("docs/grafana/alerts.yml")).unwrap();
    serde_yaml_ng::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_of_dashboard_and_alerts_is_emitted_by_a_running_node() {
    let (_chain, node, url) = following().await;
    node.rpc()
        .call("optimism_version", json!([]))
        .await
        .unwrap();
    NODE.is_emitted(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_on_blocks_is_emitted_by_a_sequencer_that_derives() {
    let chain = peers::chain().await;
    let node = NodeProcess::start(&peers::sequencer(&chain, "sequencer"));
    BLOCKS.is_emitted(&metrics_url_of(&node)).await;
    // What is quiet there has a name all the same.
    let page = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    for name in BLOCKS.quiet {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn every_panel_shows_something_and_every_alert_has_a_runbook() {
    for board in [NODE, BLOCKS] {
        for panel in board.dashboard()["panels"].as_array().unwrap() {
            let mut found = Vec::new();
            expressions(panel, &mut found);
            assert!(!found.is_empty(), "{}", panel["title"]);
            assert!(
                found.iter().all(|expression| !names(expression).is_empty()),
                "{found:?}"
            );
            let at = &panel["gridPos"];
            let bottom = at["y"].as_u64().unwrap() + at["h"].as_u64().unwrap();
            assert!(bottom <= 32, "{} is below the first screen", panel["title"]);
        }
        for rule in board.alerts() {
            let runbook = rule["annotations"]["runbook_url"].as_str().unwrap();
            assert!(runbook.contains("docs/troubleshooting.md#"), "{rule}");
            for part in ["summary", "description"] {
                assert!(rule["annotations"][part].is_string(), "{rule}");
            }
            assert!(rule["labels"]["severity"].is_string(), "{rule}");
        }
    }
    assert_eq!(alerts()["groups"].as_array().unwrap().len(), 2);
}
