//! How fast and how many connections come from one address. Asked by the gater's behaviour before a handshake is paid for; pure,
//! with the time handed in.

use schnellru::{ByLength, LruMap};
use std::{
    collections::{HashMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};
use thiserror::Error;

/// Addresses whose last arrivals are remembered.
const ADDRESSES_MAX: u32 = 2048;

/// Limits of connections by address. An IPv6 address stands for its /64, which is what one customer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InboundLimits {
    /// Connections of one address at a time.
    pub(crate) per_address: usize,
    /// New inbound connections in a second, all addresses together.
    pub(crate) per_second: usize,
    /// New inbound connections of one address within [`Self::window`].
    pub(crate) per_window: usize,
    /// See there.
    pub(crate) window: Duration,
    /// Whether addresses that are not of the public internet have no limit per address. Many nodes of one machine share
    /// loopback, and behind a gateway or a container's bridge all peers may have its address.
    pub(crate) is_private_exempt: bool,
}

impl Default for InboundLimits {
    fn default() -> Self {
        Self {
            per_address: 4,
            per_second: 8,
            per_window: 2,
            window: Duration::from_secs(10),
            is_private_exempt: true,
        }
    }
}

/// Too many or too fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Excess {
    /// Of connections at a time from one address.
    #[error("the address has as many connections as it may")]
    PerAddress,
    /// Of new ones altogether.
    #[error("too many new connections")]
    Rate,
    /// Of new ones from one address.
    #[error("too many new connections of the address")]
    AddressRate,
}

/// The connections that are there and those that came lately.
pub(crate) struct Admission {
    limits: InboundLimits,
    established: HashMap<IpAddr, usize>,
    arrivals: VecDeque<Instant>,
    arrivals_of: LruMap<IpAddr, VecDeque<Instant>, ByLength>,
}

impl Admission {
    /// Nobody is there yet.
    pub(crate) fn new(limits: InboundLimits) -> Self {
        Self {
            limits,
            established: HashMap::new(),
            arrivals: VecDeque::new(),
            arrivals_of: LruMap::new(ByLength::new(ADDRESSES_MAX)),
        }
    }

    /// Lets a new inbound connection in, or not. Those that are refused count for nothing.
    ///
    /// # Errors
    /// Which limit it is over.
    pub(crate) fn admit(&mut self, addr: IpAddr, now: Instant) -> Result<(), Excess> {
        let place = place_of(addr);
        let is_exempt = self.is_exempt(addr);
        if !is_exempt {
            self.may_establish(addr)?;
        }
        forget(&mut self.arrivals, now, Duration::from_secs(1));
        if self.arrivals.len() >= self.limits.per_second && !(is_exempt && addr.is_loopback()) {
            return Err(Excess::Rate);
        }
        if !is_exempt {
            let limits = self.limits;
            let Some(arrivals) = self.arrivals_of.get_or_insert(place, VecDeque::new) else {
                return Err(Excess::AddressRate);
            };
            forget(arrivals, now, limits.window);
            if arrivals.len() >= limits.per_window {
                return Err(Excess::AddressRate);
            }
            arrivals.push_back(now);
        }
        self.arrivals.push_back(now);
        Ok(())
    }

    /// Whether one more connection with an address may be.
    ///
    /// # Errors
    /// [`Excess::PerAddress`].
    pub(crate) fn may_establish(&self, addr: IpAddr) -> Result<(), Excess> {
        let there = self
            .established
            .get(&place_of(addr))
            .copied()
            .unwrap_or_default();
        if there >= self.limits.per_address && !self.is_exempt(addr) {
            return Err(Excess::PerAddress);
        }
        Ok(())
    }

    /// A connection is there.
    pub(crate) fn established(&mut self, addr: IpAddr) {
        *self.established.entry(place_of(addr)).or_default() += 1;
    }

    /// It is gone.
    pub(crate) fn closed(&mut self, addr: IpAddr) {
        let place = place_of(addr);
        if let Some(there) = self.established.get_mut(&place) {
            *there = there.saturating_sub(1);
            if *there == 0 {
                self.established.remove(&place);
            }
        }
    }

    fn is_exempt(&self, addr: IpAddr) -> bool {
        self.limits.is_private_exempt && !is_public(addr)
    }
}

fn forget(arrivals: &mut VecDeque<Instant>, now: Instant, age: Duration) {
    while arrivals
        .front()
        .is_some_and(|arrival| now.saturating_duration_since(*arrival) >= age)
    {
        arrivals.pop_front();
    }
}

/// Whether an address is of the public internet.
pub(crate) fn is_public(addr: IpAddr) -> bool {
    match addr.to_canonical() {
        IpAddr::V4(ip) => {
            let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            !(ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_broadcast()
                || ip.is_multicast()
                || ip.is_documentation()
                || is_shared)
        }
        IpAddr::V6(ip) => {
            !(ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_unique_local()
                || ip.is_unicast_link_local())
        }
    }
}

/// The address, or the /64 of a v6 one.
fn place_of(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V6(ip) => {
            let network = u128::from(ip) & !u128::from(u64::MAX);
            Ipv6Addr::from(network).into()
        }
        v4 => v4,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn admission() -> Admission {
        Admission::new(InboundLimits::default())
    }

    fn public(last: u8) -> IpAddr {
        [8, 8, last, 1].into()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_address_has_four_connections_at_a_time() {
        let (mut admission, now) = (admission(), Instant::now());
        for _ in 0..4 {
            assert_eq!(admission.may_establish(public(1)), Ok(()));
            admission.established(public(1));
        }
        assert_eq!(admission.may_establish(public(1)), Err(Excess::PerAddress));
        assert_eq!(admission.admit(public(1), now), Err(Excess::PerAddress));
        assert_eq!(admission.may_establish(public(2)), Ok(()));
        admission.closed(public(1));
        assert_eq!(admission.may_establish(public(1)), Ok(()));
    }

    #[test]
    fn all_addresses_of_one_v6_network_are_one() {
        let mut admission = admission();
        for last in 1..=4 {
            admission.established(format!("2a00::{last}:0:0:{last}").parse().unwrap());
        }
        let neighbour = "2a00::ffff:0:0:1".parse().unwrap();
        assert_eq!(admission.may_establish(neighbour), Err(Excess::PerAddress));
        let other = "2a00:0:0:1::1".parse().unwrap();
        assert_eq!(admission.may_establish(other), Ok(()));
    }

    #[test]
    fn an_address_comes_twice_in_ten_seconds() {
        let (mut admission, now) = (admission(), Instant::now());
        assert_eq!(admission.admit(public(1), now), Ok(()));
        assert_eq!(admission.admit(public(1), now + 5 * SECOND), Ok(()));
        let late = now + Duration::from_millis(9_999);
        assert_eq!(admission.admit(public(1), late), Err(Excess::AddressRate));
        assert_eq!(admission.admit(public(2), late), Ok(()));
        assert_eq!(admission.admit(public(1), now + 10 * SECOND), Ok(()));
    }

    #[test]
    fn eight_come_in_a_second_however_many_addresses_there_are() {
        let (mut admission, now) = (admission(), Instant::now());
        for last in 0..8 {
            assert_eq!(admission.admit(public(last), now), Ok(()));
        }
        assert_eq!(admission.admit(public(9), now), Err(Excess::Rate));
        assert_eq!(admission.admit(public(9), now + SECOND), Ok(()));
    }

    #[test]
    fn those_who_are_refused_do_not_keep_others_out() {
        let (mut admission, now) = (admission(), Instant::now());
        for _ in 0..100 {
            let _ = admission.admit(public(1), now);
        }
        assert_eq!(admission.admit(public(2), now), Ok(()));
    }

    #[test]
    fn many_nodes_of_one_machine_or_behind_one_gateway_come_in_unless_that_is_switched_off() {
        for addr in ["127.0.0.1", "172.17.0.1", "::1", "fd00::1"] {
            let addr = addr.parse().unwrap();
            let (mut admission, now) = (admission(), Instant::now());
            for _ in 0..6 {
                assert_eq!(admission.admit(addr, now), Ok(()));
                admission.established(addr);
            }
            let limits = InboundLimits {
                is_private_exempt: false,
                ..InboundLimits::default()
            };
            let mut strict = Admission::new(limits);
            assert_eq!(strict.admit(addr, now), Ok(()));
            assert_eq!(strict.admit(addr, now), Ok(()));
            assert_eq!(strict.admit(addr, now), Err(Excess::AddressRate));
        }
    }

    proptest! {
        #[test]
        fn the_limits_hold_whoever_comes_and_goes(
            steps in prop::collection::vec((0_u8..6, any::<bool>(), 0_u64..3_000), 1..300),
        ) {
            let limits = InboundLimits::default();
            let (mut admission, mut now) = (admission(), Instant::now());
            let mut there = HashMap::<IpAddr, usize>::new();
            let mut came = Vec::<(IpAddr, Instant)>::new();
            for (last, is_coming, millis) in steps {
                now += Duration::from_millis(millis);
                let addr = public(last);
                if is_coming {
                    if admission.admit(addr, now).is_ok() {
                        admission.established(addr);
                        *there.entry(addr).or_default() += 1;
                        came.push((addr, now));
                    }
                } else if there.get(&addr).is_some_and(|count| *count > 0) {
                    admission.closed(addr);
                    *there.entry(addr).or_default() -= 1;
                }
                let within = |age: Duration| came.iter().filter(move |(_, at)| now - *at < age);
                prop_assert!(there.values().all(|count| *count <= limits.per_address));
                prop_assert!(within(SECOND).count() <= limits.per_second);
                let of_one = within(limits.window).filter(|(who, _)| *who == addr).count();
                prop_assert!(of_one <= limits.per_window);
            }
        }
    }
}
