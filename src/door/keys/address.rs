//! The address of whoever asks, also from behind proxies.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use ipnet::IpNet;

/// An address, or all addresses of a network: `10.0.0.7`, `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

/// The client's address: the peer's, or, where the peer is a proxy that is trusted, the last in `X-Forwarded-For` that is
/// no such proxy. What stands before that in the header anybody may have written, so it isn't believed.
///
/// `forwarded_for` are the header's values, in their order. Where a trusted proxy wrote something that is no address, the
/// proxy itself is the client.
pub fn client_address<'h>(
    peer: IpAddr,
    forwarded_for: impl DoubleEndedIterator<Item = &'h str>,
    trusted: &[Network],
) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer.to_canonical();
    for hop in forwarded_for.rev().flat_map(|value| value.rsplit(',')).map(str::trim).filter(|hop| !hop.is_empty()) {
        if !is_trusted(client) {
            break;
        }
        // Some proxies add the port.
        let address = hop.parse().or_else(|_| hop.parse::<SocketAddr>().map(|address| address.ip()));
        match address {
            Ok(address) => client = address.to_canonical(),
            Err(_) => break,
        }
    }
    client
}

/// What limits hold for: an IPv4 address, or the /64 of an IPv6 address, which is the least that a line is given.
pub(super) fn place(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let network = network.map_err(|_| {
            "that is neither an IP address nor a network: write one such as 10.0.0.7, 10.0.0.0/8 or fd00::/8".to_owned()
        })?;
        Ok(Self(network.trunc()))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.prefix_len() == self.0.max_prefix_len() {
            true => self.0.addr().fmt(f),
            false => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn the_client_is_the_last_that_no_trusted_proxy_hides() {
        fn check(peer: &str, forwarded_for: &[&str], trusted: &[&str], expected: &str) {
            let trusted: Vec<Network> = trusted.iter().map(|network| network.parse().unwrap()).collect();
            let found = client_address(peer.parse().unwrap(), forwarded_for.iter().copied(), &trusted);
            assert_eq!(found.to_string(), expected, "{peer} {forwarded_for:?} {trusted:?}");
        }
        // Nobody is trusted: the header is anybody's word.
        check("203.0.113.9", &["198.51.100.1"], &[], "203.0.113.9");
        check("203.0.113.9", &["198.51.100.1"], &["10.0.0.0/8"], "203.0.113.9");
        // A proxy adds who it was asked by at the end.
        check("10.0.0.1", &["198.51.100.1"], &["10.0.0.0/8"], "198.51.100.1");
        check("10.0.0.1", &["192.0.2.66, 198.51.100.1"], &["10.0.0.0/8"], "198.51.100.1");
        check("10.0.0.1", &["192.0.2.66", "198.51.100.1, 10.0.0.2"], &["10.0.0.0/8"], "198.51.100.1");
        // One that isn't trusted, in between, is the client.
        check("10.0.0.1", &["192.0.2.66, 198.51.100.1, 10.0.0.2"], &["10.0.0.1"], "10.0.0.2");
        // Only proxies: the first of them.
        check("10.0.0.1", &["10.0.0.3, 10.0.0.2"], &["10.0.0.0/8"], "10.0.0.3");
        check("10.0.0.1", &[], &["10.0.0.0/8"], "10.0.0.1");
        check("10.0.0.1", &["192.0.2.66, unknown"], &["10.0.0.0/8"], "10.0.0.1");
        check("10.0.0.1", &["192.0.2.66, , "], &["10.0.0.0/8"], "192.0.2.66");
        check("10.0.0.1", &["198.51.100.1:4711"], &["10.0.0.0/8"], "198.51.100.1");
        // An IPv4 client of an IPv6 socket, and IPv6 itself.
        check("::ffff:10.0.0.1", &["::ffff:198.51.100.1"], &["10.0.0.0/8"], "198.51.100.1");
        check("fd00::1", &["[2001:db8::7]:443"], &["fd00::/8"], "2001:db8::7");
    }

    #[test]
    fn a_network_is_an_address_or_a_range_of_them() {
        fn check(text: &str, expected: Option<&str>) {
            assert_eq!(text.parse::<Network>().ok().map(|network| network.to_string()).as_deref(), expected, "{text}");
        }
        check("10.0.0.7", Some("10.0.0.7"));
        check("10.1.2.3/8", Some("10.0.0.0/8"));
        check("fd00::/8", Some("fd00::/8"));
        check("::1", Some("::1"));
        for wrong in ["", "proxy", "10.0.0.0/33", "10.0.0", "10.0.0.1:80"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_line_of_ipv6_is_one_place() {
        fn check(one: &str, other: &str, expected: bool) {
            let place = |text: &str| place(text.parse().unwrap());
            assert_eq!(place(one) == place(other), expected, "{one} {other}");
        }
        check("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true);
        check("2001:db8::1", "2001:db8:0:1::1", false);
        check("10.0.0.1", "::ffff:10.0.0.1", true);
        check("10.0.0.1", "10.0.0.2", false);
    }
}
