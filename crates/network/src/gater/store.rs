//! The gater's file: JSON that a person can read and mend.

use super::GaterError;
use ipnet::IpNet;
use libp2p::PeerId;
use light_node_actor::files;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    path::Path,
};

/// Largest file that is read: full lists take 600 KB at the most.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

/// What the file holds. Bans: until when, in seconds of Unix time. A field of another name is a mistake of who wrote it, and what it
/// was to block would come in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Lists {
    #[serde(serialize_with = "texts", deserialize_with = "from_texts")]
    pub(super) peers: BTreeSet<PeerId>,
    pub(super) addrs: BTreeSet<IpAddr>,
    pub(super) subnets: BTreeSet<IpNet>,
    #[serde(serialize_with = "text_keys", deserialize_with = "from_text_keys")]
    pub(super) peer_bans: BTreeMap<PeerId, u64>,
}

pub(super) fn read(path: &Path) -> Result<Lists, GaterError> {
    let content = files::read_bounded(path, BYTES_MAX).map_err(|source| GaterError::Read {
        path: path.to_owned(),
        source,
    })?;
    let Some(content) = content else {
        return Ok(Lists::default());
    };
    serde_json::from_slice(&content).map_err(|source| GaterError::Broken {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn write(path: &Path, lists: &Lists) -> io::Result<()> {
    let content = serde_json::to_vec_pretty(lists).map_err(io::Error::other)?;
    files::write_atomically(path, &content, 0o644)
}

fn texts<S: Serializer>(peers: &BTreeSet<PeerId>, out: S) -> Result<S::Ok, S::Error> {
    out.collect_seq(peers.iter().map(|peer| peer.to_base58()))
}

fn from_texts<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeSet<PeerId>, D::Error> {
    let texts = Vec::<String>::deserialize(input)?;
    let peers = texts.iter().map(|text| text.parse());
    peers.collect::<Result<_, _>>().map_err(D::Error::custom)
}

fn text_keys<S: Serializer>(bans: &BTreeMap<PeerId, u64>, out: S) -> Result<S::Ok, S::Error> {
    out.collect_map(bans.iter().map(|(peer, until)| (peer.to_base58(), until)))
}

fn from_text_keys<'de, D: Deserializer<'de>>(input: D) -> Result<BTreeMap<PeerId, u64>, D::Error> {
    let texts = BTreeMap::<String, u64>::deserialize(input)?;
    let bans = texts
        .into_iter()
        .map(|(text, until)| Ok((text.parse()?, until)));
    bans.collect::<Result<_, libp2p::identity::ParseError>>()
        .map_err(D::Error::custom)
}
