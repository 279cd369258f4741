//! The parameters of `opp2p_*`, in op-node's forms and kona-node's. What is wrong with one is said in words, under -32602.

use crate::error::{expected, invalid_params};
use base64::{Engine, prelude::BASE64_STANDARD};
use ipnet::{IpNet, ip_mask_to_prefix};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use serde::Deserialize;
use std::{
    fmt::Display,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

const PEER: &str = "one peer id in base58";
const ADDR: &str = "one IP address";
const SUBNET: &str =
    "one subnet, as \"10.0.0.0/8\" or as {\"IP\": \"10.0.0.0\", \"Mask\": \"/wAAAA==\"}";
const ADDRESS: &str = "one address that ends in /p2p/<peer id>";

/// Whether only connected peers are asked for.
pub(crate) fn connected(params: &Params<'_>) -> Result<bool, ErrorObjectOwned> {
    params
        .one()
        .map_err(|cause| expected("true for connected peers or false for all", &cause))
}

/// A peer id.
pub(crate) fn peer(params: &Params<'_>) -> Result<PeerId, ErrorObjectOwned> {
    text(params, PEER)
}

/// An IP address. One of IPv4 that is written as one of IPv6 is that of IPv4.
pub(crate) fn addr(params: &Params<'_>) -> Result<IpAddr, ErrorObjectOwned> {
    text(params, ADDR).map(|addr: IpAddr| addr.to_canonical())
}

/// Where a peer is, with its id at the end.
pub(crate) fn address(params: &Params<'_>) -> Result<Multiaddr, ErrorObjectOwned> {
    let address: Multiaddr = text(params, ADDRESS)?;
    match address.iter().last() {
        Some(Protocol::P2p(_)) => Ok(address),
        _ => Err(wrong(ADDRESS, &address)),
    }
}

/// Go's form of a subnet.
#[derive(Deserialize)]
struct GoSubnet {
    #[serde(rename = "IP")]
    ip: IpAddr,
    #[serde(rename = "Mask")]
    mask: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Subnet {
    Text(String),
    Go(GoSubnet),
}

/// A subnet, without the bits of hosts.
pub(crate) fn subnet(params: &Params<'_>) -> Result<IpNet, ErrorObjectOwned> {
    let subnet: Subnet = params.one().map_err(|cause| expected(SUBNET, &cause))?;
    let subnet = match &subnet {
        Subnet::Text(text) => text.parse().map_err(|cause| wrong(SUBNET, &cause))?,
        Subnet::Go(subnet) => {
            go_subnet(subnet).ok_or_else(|| wrong(SUBNET, &"the mask does not fit the address"))?
        }
    };
    Ok(canonical(subnet).trunc())
}

/// A mask is 4 bytes for IPv4, or 16 of which the last 4 count, and 16 for IPv6. Its ones come before its zeros.
fn go_subnet(subnet: &GoSubnet) -> Option<IpNet> {
    let mask = BASE64_STANDARD.decode(&subnet.mask).ok()?;
    let ip = subnet.ip.to_canonical();
    let mask = match ip {
        IpAddr::V4(_) => {
            let last = mask.len().checked_sub(4)?;
            let (before, mask) = mask.split_at(last);
            if !matches!(before.len(), 0 | 12) {
                return None;
            }
            IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(mask).ok()?))
        }
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(mask).ok()?)),
    };
    IpNet::new(ip, ip_mask_to_prefix(mask).ok()?).ok()
}

/// A subnet of IPv4 that is written as one of IPv6 is that of IPv4.
fn canonical(subnet: IpNet) -> IpNet {
    let IpNet::V6(v6) = subnet else {
        return subnet;
    };
    let v4 = v6
        .addr()
        .to_ipv4_mapped()
        .zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(addr, prefix)| IpNet::new(addr.into(), prefix).ok())
        .unwrap_or(subnet)
}

fn text<T: FromStr<Err: Display>>(params: &Params<'_>, what: &str) -> Result<T, ErrorObjectOwned> {
    let text: String = params.one().map_err(|cause| expected(what, &cause))?;
    text.parse().map_err(|cause| wrong(what, &cause))
}

fn wrong(what: &str, cause: &dyn Display) -> ErrorObjectOwned {
    invalid_params(format!("expected {what}: {cause}"))
}
