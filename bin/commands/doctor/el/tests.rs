#![allow(clippy::unwrap_used)]

use super::{super::finding::Severity, *};
use std::time::Duration;

fn rollup() -> RollupConfig {
    RollupConfig::by_network("op-sepolia").unwrap()
}

fn answer(status: u16) -> WithoutToken {
    Ok(Answer {
        status,
        clock: None,
        body: Vec::new(),
    })
}

fn refused_connection() -> HttpError {
    HttpError::Connect {
        cause: "refused".to_owned(),
    }
}

#[test]
fn the_port_is_known_by_what_it_answers_without_a_token() {
    for (status, serves_engine, severity) in [
        (401, None, Severity::Ok),
        (403, None, Severity::Ok),
        (200, Some(true), Severity::Warning),
        (200, Some(false), Severity::Error),
        (200, None, Severity::Error),
        (404, None, Severity::Error),
        (502, None, Severity::Error),
    ] {
        let facts = ElFacts {
            endpoint: "http://el:8551".to_owned(),
            without_token: answer(status),
            serves_engine,
            with_token: None,
        };
        let finding = engine_port("x", &facts).unwrap();
        assert_eq!(
            (finding.check, finding.severity),
            (Check::ElEnginePort, severity),
            "{status}"
        );
    }
}

#[test]
fn a_silent_one_has_one_finding() {
    let timeout = HttpError::Timeout {
        deadline: Duration::from_secs(1),
    };
    for error in [refused_connection(), timeout] {
        let facts = ElFacts {
            endpoint: "http://el:8551".to_owned(),
            without_token: Err(error),
            serves_engine: None,
            with_token: None,
        };
        let now = SystemTime::now();
        let findings = judge(
            &facts,
            Expected {
                rollup: &rollup(),
                derives: false,
                now,
            },
        );
        let found: Vec<_> = findings
            .iter()
            .map(|one| (one.check, one.severity))
            .collect();
        assert_eq!(found, [(Check::ElReachable, Severity::Error)]);
    }
}

#[test]
fn a_refused_token_names_secret_clock_or_host() {
    let refusal = |status, offset| {
        let refusal = JwtRefusal {
            status,
            clock_offset_secs: offset,
            ..JwtRefusal::default()
        };
        let said = Err(ElError::Unauthorized(Box::new(refusal)));
        token("x", true, &said).unwrap()
    };
    let secret = refusal(401, Some(0));
    assert_eq!(
        (secret.check, secret.severity),
        (Check::ElJwt, Severity::Error)
    );
    assert!(secret.fix.unwrap().contains("--authrpc.jwtsecret"));
    assert!(refusal(401, Some(90)).detail.contains("90 s"));
    assert!(refusal(403, None).fix.unwrap().contains("--authrpc.vhosts"));
    assert_eq!(token("x", true, &Ok(1)).unwrap().severity, Severity::Ok);
    assert_eq!(token("x", false, &Ok(1)), None);
}

#[test]
fn chain_and_genesis_are_compared_with_the_configuration() {
    let rollup = rollup();
    assert_eq!(
        chain("x", rollup.l2_chain_id, &rollup).severity,
        Severity::Ok
    );
    assert_eq!(chain("x", 1, &rollup).severity, Severity::Error);
    let block = |hash| {
        Ok(Some(ElBlock {
            block_ref: L2BlockRef {
                hash,
                ..L2BlockRef::default()
            },
            ..ElBlock::default()
        }))
    };
    let ours = rollup.genesis.l2.hash;
    let wrong = ElError::WrongGenesis {
        number: 0,
        expected: ours,
        actual: [1; 32].into(),
    };
    for (said, severity) in [
        (block(ours), Severity::Ok),
        (block([1; 32].into()), Severity::Error),
        (Err(wrong), Severity::Error),
        (Ok(None), Severity::Warning),
        (Err(ElError::UnknownPayload), Severity::Error),
    ] {
        let finding = genesis("x", &said, &rollup);
        assert_eq!(
            (finding.check, finding.severity),
            (Check::ElGenesis, severity)
        );
    }
}

#[test]
fn the_source_s_finalized_block_is_compared_by_hash() {
    let block = |hash: [u8; 32]| L2BlockRef {
        hash: hash.into(),
        number: 7,
        ..L2BlockRef::default()
    };
    assert_eq!(
        same_block("x", block([1; 32]), block([1; 32])).severity,
        Severity::Ok
    );
    assert_eq!(
        same_block("x", block([1; 32]), block([2; 32])).severity,
        Severity::Error
    );
}

#[test]
fn an_execution_layer_without_peers_is_warned_of_and_a_port_that_does_not_count_them_is_not() {
    assert_eq!(peers("x", None, false), None);
    let none = peers("x", Some(0), false).unwrap();
    assert_eq!(
        (none.check, none.severity),
        (Check::ElPeers, Severity::Warning)
    );
    assert!(none.fix.unwrap().contains("--bootnodes"));
    assert_eq!(peers("x", Some(3), false).unwrap().severity, Severity::Ok);
    let none = peers("x", Some(0), true).unwrap();
    assert_eq!(
        none.severity,
        Severity::Info,
        "nobody else has to bring blocks"
    );
}
