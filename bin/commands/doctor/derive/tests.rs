use super::*;
use crate::commands::doctor::finding::Severity;
use std::fs;

const NOW: u64 = 2_000_000_000;

fn rollup(karst: Option<u64>) -> RollupConfig {
    RollupConfig {
        karst_time: karst,
        ..RollupConfig::default()
    }
}

fn verdict(karst: Option<u64>, from: u64) -> (Severity, String) {
    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    let finding = judge_bundles(&UpgradeBundles::default(), &rollup(karst), from, now);
    (finding.severity, finding.detail)
}

#[test]
fn a_bundle_is_missing_only_for_a_fork_ahead_of_where_derivation_begins() {
    assert_eq!(verdict(None, 5).0, Severity::Ok);
    assert_eq!(verdict(Some(NOW - 100), NOW - 50).0, Severity::Ok);
    let (severity, detail) = verdict(Some(NOW - 100), NOW - 200);
    assert_eq!(severity, Severity::Error);
    assert!(detail.contains("karst"), "{detail}");
    let (severity, detail) = verdict(Some(NOW + 3 * 86_400), NOW - 50);
    assert_eq!(severity, Severity::Warning);
    assert!(detail.contains("in 3 days"), "{detail}");
}

#[test]
fn a_directory_is_examined_without_leaving_anything_behind() {
    let dir = tempfile::tempdir().unwrap();
    assert!(writable(dir.path()).unwrap());
    let deeper = dir.path().join("a/b");
    assert!(!writable(&deeper).unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(writable(&file).is_err());
    assert!(writable(&file.join("below")).is_err());
}
