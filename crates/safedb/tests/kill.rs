//! The history under kill -9: a child process writes and says what it has written; it is killed at any moment. Everything
//! that it said is there afterwards, and nothing is half there.
#![cfg(unix)]
#![allow(clippy::unwrap_used, missing_docs)]

use alloy_primitives::B256;
use light_node_protocol::{BlockNumHash, L1BlockRef, RollupConfig};
use light_node_safedb::{Observation, Observed, SafeDb, SafeDbConfig};
use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const DIRECTORY: &str = "LIGHT_NODE_TEST_SAFEDB_DIRECTORY";
const ROUNDS: usize = 12;

fn open(directory: PathBuf) -> SafeDb {
    SafeDb::open(
        &SafeDbConfig::new(Some(directory)),
        &RollupConfig::default(),
    )
    .unwrap()
}

fn hash(number: u64) -> B256 {
    B256::left_padding_from(&number.to_be_bytes())
}

/// L1 block n has been derived completely, and the safe head is L2 block n.
fn sample(number: u64) -> Observation {
    Observation {
        cursor: L1BlockRef {
            hash: hash(number),
            number,
            parent_hash: hash(number - 1),
            timestamp: number,
        },
        safe: BlockNumHash::new(number, hash(number)),
        is_complete: true,
    }
}

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "the child of the test below"]
fn child_that_writes_until_it_is_killed() {
    let Some(directory) = env::var_os(DIRECTORY) else {
        return;
    };
    let history = open(directory.into());
    let first = history
        .last()
        .unwrap()
        .map_or(1, |last| last.cursor.number + 1);
    for number in first.. {
        assert_eq!(history.observe(&[sample(number)]).unwrap(), Observed::Taken);
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nwritten {number}").unwrap();
        out.flush().unwrap();
    }
}

/// Lets a child write `count` samples, kills it, and returns the last one that it said it had written.
fn write_and_kill(directory: &Path, count: usize) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "--nocapture",
            "child_that_writes_until_it_is_killed",
        ])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut written = lines.map_while(Result::ok).filter_map(|line| {
        let number = line.strip_prefix("written ")?;
        number.parse::<u64>().ok()
    });
    let mut last = written.by_ref().take(count).last().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // It went on until the signal came.
    if let Some(later) = written.last() {
        last = later;
    }
    last
}

#[test]
fn what_a_killed_process_said_it_had_written_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        acknowledged = write_and_kill(directory.path(), 1 + round * 3).max(acknowledged);
        let history = open(directory.path().to_path_buf());
        let last = history.last().unwrap().unwrap().cursor.number;
        assert!(
            last == acknowledged || last == acknowledged + 1,
            "{last} is there, {acknowledged} was said"
        );
        for number in 1..=last {
            let answer = history.at(number).unwrap().unwrap();
            assert_eq!(answer.safe_head, sample(number).safe);
            assert_eq!(answer.l1_block, sample(number).cursor.id());
        }
        assert_eq!(history.at(last + 1).unwrap(), None);
    }
}
