//! Any text as a URL: what is let through is what it seems, for us as for the standard library.
#![no_main]

use std::net::IpAddr;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use ringfence::Engine;
use ringfence::tool::{UrlPolicy, kind_of_address};
use url::{Host, Url};

static ENGINE: OnceLock<Engine> = OnceLock::new();

/// Whether the standard library says that an address is not for everyone.
fn is_inner(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_unspecified()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
        }
        IpAddr::V6(v6) => {
            v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local()
                || v6.to_ipv4().is_some_and(|v4| is_inner(IpAddr::V4(v4)))
        }
    }
}

fuzz_target!(|text: &str| {
    let engine = ENGINE.get_or_init(|| Engine::embedded().expect("the built-in bundle compiles"));
    let rules = |url: &str| {
        engine.scan_url(url).into_iter().map(|finding| finding.rule).collect::<Vec<_>>()
    };
    let found = rules(text);
    let any = UrlPolicy::default();
    let named = any.clone().with_hosts(["*.example.com"]).expect("a host");
    let below = named.check(text);
    if let Ok(address) = text.parse::<IpAddr>() {
        assert!(!is_inner(address) || kind_of_address(address).is_some(), "{address} is not for everyone");
    }
    let Ok(written) = any.check(text) else {
        assert!(below.is_err(), "a list of hosts lets through more");
        return;
    };
    let url = Url::parse(&written).expect("what is let through is a URL");
    assert!(matches!(url.scheme(), "http" | "https"), "{written}");
    assert!(url.username().is_empty() && url.password().is_none(), "{written}");
    match url.host().expect("a host") {
        Host::Domain(name) => {
            // A name that a resolver reads as an address is none.
            let name = name.trim_end_matches('.');
            assert!(name.parse::<IpAddr>().is_err() && name != "localhost", "{written}");
        }
        Host::Ipv4(v4) => {
            assert!(!is_inner(v4.into()), "{written}");
            assert!(any.check_address(v4.into()).is_ok(), "{written} only by name");
        }
        Host::Ipv6(v6) => {
            assert!(!is_inner(v6.into()), "{written}");
            assert!(any.check_address(v6.into()).is_ok(), "{written} only by name");
        }
    }
    if below.is_ok() {
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        assert!(host.ends_with(".example.com"), "{written}");
    }
    // Written as it is read, it is the same one.
    assert_eq!(any.check(&written).as_ref(), Ok(&written));
    assert_eq!(named.check(&written).is_ok(), below.is_ok(), "{written}");
    assert_eq!(rules(&written), found, "{written}");
});
