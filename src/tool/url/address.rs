//! Which addresses are public, by the registries of special-purpose addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not public.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressKind {
    /// This machine.
    Loopback,
    /// A private network.
    Private,
    /// Only on this link; where clouds keep their metadata.
    LinkLocal,
    /// A cloud's metadata outside of the link-local range.
    Metadata,
    /// To many at once.
    Multicast,
    /// Kept for documentation, tests or later.
    Reserved,
    /// A name of an inner network, or one that stands for an address.
    InnerName,
}

impl AddressKind {
    /// What it is, for people.
    #[must_use]
    pub const fn what(self) -> &'static str {
        match self {
            AddressKind::Loopback => "this machine",
            AddressKind::Private => "an address of a private network",
            AddressKind::LinkLocal => "a link-local address",
            AddressKind::Metadata => "an address of a cloud's metadata",
            AddressKind::Multicast => "a multicast address",
            AddressKind::Reserved => "a reserved address",
            AddressKind::InnerName => "a name of an inner network",
        }
    }
}

/// Why an address is not public; `None` where it is.
#[must_use]
pub fn kind_of(address: IpAddr) -> Option<AddressKind> {
    match address {
        IpAddr::V4(address) => kind_of_v4(address),
        IpAddr::V6(address) => kind_of_v6(address),
    }
}

fn kind_of_v4(address: Ipv4Addr) -> Option<AddressKind> {
    Some(match address.octets() {
        [127, ..] | [0, 0, 0, 0] => AddressKind::Loopback,
        [0, ..] => AddressKind::Reserved,
        [100, 100, 100, 200] | [168, 63, 129, 16] => AddressKind::Metadata,
        [10, ..] | [192, 168, ..] => AddressKind::Private,
        [172, second, ..] if second & 0xf0 == 16 => AddressKind::Private,
        [100, second, ..] if second & 0xc0 == 64 => AddressKind::Private,
        [169, 254, ..] => AddressKind::LinkLocal,
        [192, 0, 0, _] | [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] => {
            AddressKind::Reserved
        }
        [198, 18 | 19, ..] => AddressKind::Reserved,
        [224..=239, ..] => AddressKind::Multicast,
        [240..=255, ..] => AddressKind::Reserved,
        _ => return None,
    })
}

fn kind_of_v6(address: Ipv6Addr) -> Option<AddressKind> {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| {
        let [a, b] = high.to_be_bytes();
        let [c, d] = low.to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    Some(match segments {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => AddressKind::Loopback,
        // IPv4 within IPv6: mapped, compatible, translated, NAT64, 6to4.
        [0, 0, 0, 0, 0, 0xffff | 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            return kind_of_v4(v4(high, low));
        }
        [0x2002, high, low, ..] => return kind_of_v4(v4(high, low)),
        [0x64, 0xff9b, 1, ..] => AddressKind::Private,
        [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254] => AddressKind::Metadata,
        [first, ..] if first & 0xfe00 == 0xfc00 => AddressKind::Private,
        [first, ..] if first & 0xffc0 == 0xfe80 => AddressKind::LinkLocal,
        [first, ..] if first & 0xffc0 == 0xfec0 => AddressKind::Private,
        [first, ..] if first & 0xff00 == 0xff00 => AddressKind::Multicast,
        // Teredo, benchmarks, ORCHID, documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => AddressKind::Reserved,
        [0x3fff, second, ..] if second < 0x1000 => AddressKind::Reserved,
        // Only 2000::/3 is given out.
        [first, ..] if first & 0xe000 != 0x2000 => AddressKind::Reserved,
        _ => return None,
    })
}
