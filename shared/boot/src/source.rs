//! Where a request came from.

use std::net::{IpAddr, Ipv6Addr};

/// The address that a request came from, as the gateway says it beside the request. No header says so: anybody can send one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SourceAddress(pub IpAddr);

impl SourceAddress {
    /// Whoever is behind it: one address, or for IPv6 the network of which one customer has all.
    pub fn neighborhood(self) -> String {
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
    fn a_network_of_ipv6_is_one_neighbor() {
        for (address, neighborhood) in [
            ("192.0.2.10", "192.0.2.10"),
            ("::ffff:192.0.2.10", "192.0.2.10"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::1", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ] {
            let address = SourceAddress(address.parse().expect("an address"));
            assert_eq!(address.neighborhood(), neighborhood);
        }
    }
}
