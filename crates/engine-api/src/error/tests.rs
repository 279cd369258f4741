use super::*;

fn refusal(clock_offset_secs: Option<i64>) -> JwtRefusal {
    JwtRefusal {
        status: 401,
        secret_file: Some("/etc/jwt.hex".into()),
        secret_error: None,
        clock_offset_secs,
    }
}

#[test]
fn a_refused_jwt_names_flag_file_remedy_and_clock() {
    let words = ElError::Unauthorized(Box::new(refusal(None))).to_string();
    for part in [
        "--l2.jwt-secret",
        "/etc/jwt.hex",
        "--authrpc.jwtsecret",
        "HTTP 401",
        "60 s",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert!(refusal(Some(61)).to_string().contains("61 s ahead of ours"));
    assert!(refusal(Some(-75)).to_string().contains("75 s behind ours"));
    assert!(refusal(Some(1)).to_string().contains("the clocks agree"));
    let forbidden = JwtRefusal {
        status: 403,
        ..refusal(None)
    };
    assert!(forbidden.to_string().contains("--authrpc.vhosts"));
    assert!(!refusal(None).to_string().contains("vhosts"));
}

#[test]
fn a_secret_file_that_is_gone_is_named_too() {
    let gone = JwtRefusal {
        secret_error: Some("there is no JWT secret at /etc/jwt.hex".to_owned()),
        ..refusal(None)
    };
    assert!(gone.to_string().contains("there is no JWT secret"));
}

#[test]
fn an_engine_method_that_is_not_found_asks_for_the_authrpc_port() {
    let missing = |method| ElError::Rpc {
        method,
        code: ElError::METHOD_NOT_FOUND,
        message: "the method does not exist".to_owned(),
    };
    let words = missing("engine_forkchoiceUpdatedV3").to_string();
    assert!(
        words.contains("authrpc port") && words.contains("8551"),
        "{words}"
    );
    assert!(!missing("eth_syncing").to_string().contains("8551"));
    assert_eq!(missing("eth_syncing").class(), ElErrorClass::MethodNotFound);
}

#[test]
fn class_names_are_distinct() {
    let names: std::collections::HashSet<_> =
        ElErrorClass::ALL.iter().map(|class| class.name()).collect();
    assert_eq!(names.len(), ElErrorClass::ALL.len());
}

#[test]
fn bad_parameters_are_refused_attributes_and_other_errors_are_not() {
    let rpc = |code| ElError::Rpc {
        method: "engine_forkchoiceUpdatedV3",
        code,
        message: "no".to_owned(),
    };
    let refused = ElError::InvalidPayloadAttributes {
        message: "no".to_owned(),
    };
    for error in [refused, rpc(ElError::INVALID_PARAMS)] {
        assert_eq!(error.into_refused_attributes(), Ok("no".to_owned()));
    }
    for error in [rpc(-32000), ElError::UnknownPayload] {
        assert_eq!(error.clone().into_refused_attributes(), Err(error));
    }
}
