//! The address of a client.

use std::net::{IpAddr, Ipv6Addr};

/// The address from which the gateway received a request. It is not read from a header, because a
/// client can send any header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SourceAddress(pub IpAddr);

impl SourceAddress {
    /// Returns the key for rate limits: the address, or for IPv6 its /64 network, which usually
    /// belongs to one customer.
    pub fn network(self) -> String {
        match self.0 {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => match address.to_ipv4_mapped() {
                Some(address) => address.to_string(),
                None => Ipv6Addr::from(u128::from(address) >> 64 << 64).to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_counts_as_one_client() {
        for (address, network) in [
            ("192.0.2.10", "192.0.2.10"),
            ("::ffff:192.0.2.10", "192.0.2.10"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::1", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ] {
            let address = SourceAddress(address.parse().expect("an address"));
            assert_eq!(address.network(), network);
        }
    }
}
