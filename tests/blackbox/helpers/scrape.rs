//! What a node shows on its metrics port.

use super::process::NodeProcess;
use serde_json::Value;

/// The URL in the line by which harnesses learn where metrics are.
pub(crate) fn metrics_url(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let message = line["fields"]["message"].as_str()?;
    Some(message.strip_prefix("Serving metrics at: ")?.to_owned())
}

/// Where a node serves its metrics.
pub(crate) fn metrics_url_of(node: &NodeProcess) -> String {
    let printed = node.printed();
    let url = printed.iter().find_map(|line| metrics_url(line));
    url.expect("metrics are announced before the RPC server")
}

/// All that the server at this URL shows.
pub(crate) async fn scrape(url: &str) -> String {
    let answer = reqwest::get(format!("{url}/metrics")).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

/// The value of the series with this name and these labels.
pub(crate) fn value(exposition: &str, series: &str) -> Option<f64> {
    exposition.lines().find_map(|line| {
        let rest = line.strip_prefix(series)?;
        rest.strip_prefix(' ')?.parse().ok()
    })
}

/// The same of a running node; 0 where there is no such series yet.
pub(crate) async fn metric(node: &NodeProcess, series: &str) -> f64 {
    let exposition = scrape(&metrics_url_of(node)).await;
    value(&exposition, series).unwrap_or_default()
}
