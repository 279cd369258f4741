#![allow(clippy::unwrap_used)]

use super::*;
use libp2p::identity::Keypair;
use proptest::prelude::*;

/// The example of the standard of node records.
const EXAMPLE: &str = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8";
const EXAMPLE_KEY: &str = "b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291";
const EXAMPLE_NODE_ID: &str = "a448f24c6d18e575453db13171562b71999873db5b286df957af199ec94617f7";
/// The same key as the `enode://` URLs have it.
const EXAMPLE_POINT: &str = "ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f";

fn local(chain_id: u64, ip: Option<IpAddr>) -> LocalRecord {
    LocalRecord {
        chain_id,
        ip,
        is_v6: false,
        tcp_port: 9222,
        udp_port: 9223,
        seq: 7,
    }
}

fn example_key() -> secp256k1::Keypair {
    crate::key::node_key_from_hex(EXAMPLE_KEY).unwrap()
}

#[test]
fn the_chains_value_has_the_bytes_that_others_write() {
    for (chain_id, expected) in [
        (10, "820a00"),
        (8453, "83854200"),
        (11_155_420, "85dcefa80500"),
    ] {
        let value = OpStack {
            chain_id,
            version: 0,
        };
        assert_eq!(hex::encode(alloy_rlp::encode(value.to_bytes())), expected);
        let key = discovery_key(&example_key());
        let record = local(chain_id, None).sign(&key).unwrap();
        let raw = record.get_raw_rlp(OPSTACK_KEY).unwrap();
        assert_eq!(hex::encode(raw), expected, "as it stands in a record");
    }
}

#[test]
fn a_value_that_is_cut_or_too_large_says_nothing() {
    for bytes in [&[][..], &[0x85], &[0x0a], &[0xff; 11], &[0x85, 0x42, 0x80]] {
        assert_eq!(OpStack::from_bytes(bytes), None, "{bytes:02x?}");
    }
}

#[test]
fn a_node_of_another_chain_or_version_or_of_none_is_not_of_ours() {
    let key = discovery_key(&example_key());
    let ours = local(901, None).sign(&key).unwrap();
    assert!(is_of_chain(&ours, 901));
    assert!(!is_of_chain(&ours, 902));
    let mut later = Enr::builder();
    let version = OpStack {
        chain_id: 901,
        version: 1,
    };
    later.add_value(OPSTACK_KEY, &version.to_bytes());
    assert!(!is_of_chain(&later.build(&key).unwrap(), 901));
    assert!(!is_of_chain(&EXAMPLE.parse().unwrap(), 901));
    let mut list = Enr::builder();
    list.add_value(OPSTACK_KEY, &vec![1_u64, 2]);
    assert!(!is_of_chain(&list.build(&key).unwrap(), 1));
}

#[test]
fn the_identities_of_a_record_are_those_of_its_key() {
    let record: Enr = EXAMPLE.parse().unwrap();
    let peer = peer_id_of(&record).unwrap();
    let key = Keypair::from(example_key());
    assert_eq!(peer, key.public().to_peer_id());
    let node_id = node_id_of(&peer).unwrap();
    assert_eq!(hex::encode(node_id), EXAMPLE_NODE_ID);
    assert_eq!(record.node_id().raw(), node_id.0);
    let ours = local(901, None)
        .sign(&discovery_key(&example_key()))
        .unwrap();
    assert_eq!(ours.node_id(), record.node_id());
}

#[test]
fn a_peer_with_another_kind_of_key_has_no_identity_in_discovery() {
    assert_eq!(node_id_of(&PeerId::random()), None);
    let key = CombinedKey::generate_ed25519();
    let record = Enr::builder().build(&key).unwrap();
    assert_eq!(peer_id_of(&record), None);
    assert!(addresses_of(&record).is_empty());
}

#[test]
fn our_record_tells_ports_and_address_and_never_an_unspecified_one() {
    let key = discovery_key(&example_key());
    let known = local(901, Some([192, 0, 2, 1].into())).sign(&key).unwrap();
    assert_eq!(known.udp4_socket(), Some("192.0.2.1:9223".parse().unwrap()));
    assert_eq!(known.tcp4_socket(), Some("192.0.2.1:9222".parse().unwrap()));
    assert_eq!(known.seq(), 7);
    let v6 = local(901, Some("2001:db8::1".parse().unwrap()))
        .sign(&key)
        .unwrap();
    assert_eq!(
        v6.udp6_socket(),
        Some("[2001:db8::1]:9223".parse().unwrap())
    );
    assert_eq!((v6.ip4(), v6.udp4()), (None, None));
    for ip in [None, Some([0, 0, 0, 0].into()), Some("::".parse().unwrap())] {
        let unknown = local(901, ip).sign(&key).unwrap();
        assert_eq!((unknown.ip4(), unknown.ip6()), (None, None));
        assert!(addresses_of(&unknown).is_empty());
    }
}

#[test]
fn addresses_of_a_record_end_in_its_peer() {
    let key = discovery_key(&example_key());
    let record = local(901, Some([192, 0, 2, 1].into())).sign(&key).unwrap();
    let peer = peer_id_of(&record).unwrap();
    let expected = format!("/ip4/192.0.2.1/tcp/9222/p2p/{peer}");
    assert_eq!(addresses_of(&record), [expected.parse().unwrap()]);
    // The example of the standard has no TCP port: a router that nobody gossips with.
    assert!(addresses_of(&EXAMPLE.parse().unwrap()).is_empty());
}

#[test]
fn a_bootnode_is_a_record_or_an_enode() {
    let record = format!(" {EXAMPLE}\n").parse().unwrap();
    assert!(matches!(record, Bootnode::Record(record) if record.udp4() == Some(30303)));
    let peer = peer_id_of(&EXAMPLE.parse().unwrap()).unwrap();
    for (rest, host, udp_port) in [
        ("10.3.58.6:30303", "10.3.58.6", 30303),
        ("10.3.58.6:30303?discport=30301", "10.3.58.6", 30301),
        ("[2001:db8::1]:9222", "[2001:db8::1]", 9222),
        ("boot.example.org:9222", "boot.example.org", 9222),
    ] {
        let bootnode = format!("enode://{EXAMPLE_POINT}@{rest}").parse::<Bootnode>();
        let expected = Enode {
            peer,
            host: Host::parse(host).unwrap(),
            udp_port,
        };
        assert_eq!(bootnode, Ok(Bootnode::Enode(expected)));
    }
}

#[test]
fn what_is_neither_is_refused_with_the_reason() {
    let cut = &EXAMPLE[..EXAMPLE.len() - 8];
    let short = format!("enode://{}@10.0.0.1:1", &EXAMPLE_POINT[2..]);
    let off_curve = format!("enode://{}@10.0.0.1:1", "11".repeat(64));
    let portless = format!("enode://{EXAMPLE_POINT}@10.0.0.1");
    let undiscovered = format!("enode://{EXAMPLE_POINT}@10.0.0.1:1?discport=0");
    let hostless = format!("enode://{EXAMPLE_POINT}@:30303");
    for (text, part) in [
        ("", "neither"),
        ("http://example.org", "neither"),
        (cut, "not a whole node record"),
        ("enr:", "from enr: to its last character"),
        (&short, "128 hex digits"),
        (&off_curve, "not a point"),
        (&portless, "no port"),
        (&undiscovered, "UDP port is 0"),
        (&hostless, "enode URL"),
    ] {
        let refused = text.parse::<Bootnode>().unwrap_err().to_string();
        assert!(refused.contains(part), "{text}: {refused}");
    }
}

proptest! {
    #[test]
    fn every_chain_is_read_as_it_was_written(chain_id: u64, version: u64) {
        let value = OpStack { chain_id, version };
        prop_assert_eq!(OpStack::from_bytes(&value.to_bytes()), Some(value));
    }

    #[test]
    fn no_bytes_and_no_text_panic(bytes: Vec<u8>, text: String) {
        let _ = OpStack::from_bytes(&bytes);
        let _ = text.parse::<Bootnode>();
        let _ = format!("enode://{text}").parse::<Bootnode>();
        let _ = format!("enr:{text}").parse::<Bootnode>();
    }
}
