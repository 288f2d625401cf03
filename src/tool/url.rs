//! A URL, read as browsers read it, and every spelling of an address that is not public.

mod address;

pub use address::{AddressKind, kind_of};

use std::net::IpAddr;

use ::url::{Host, Url};
use serde::{Deserialize, Serialize};

/// Bytes of a URL at most.
const MAX_BYTES: usize = 1 << 13;
/// Characters from which on the entropy of a value says something.
const ENTROPY_FROM: usize = 20;
/// Domains whose names stand for the address that is written in them, or for this machine.
const NAMES_OF_ADDRESSES: &[&str] = &[
    "nip.io",
    "sslip.io",
    "xip.io",
    "localtest.me",
    "lvh.me",
    "vcap.me",
    "lacolhost.com",
    "readme.localtest.me",
    "traefik.me",
    "backname.io",
    "1u.ms",
    "rbndr.us",
    "rebind.network",
    "xip.name",
    "ip.es.io",
    "my.local-ip.co",
    "local-ip.sh",
    "plex.direct",
    "localho.st",
    "lcl.host",
    "localhost.direct",
    "local.gd",
    "fuf.me",
    "localdev.me",
    "spoofed.burpcollaborator.net",
];
/// Domains within a network, and names by which clouds and clusters offer what is for the machine alone.
const INNER_DOMAINS: &[&str] = &[
    "metadata.goog",
    "metadata.tencentyun.com",
    "metadata.azure.com",
    "svc",
    "localhost",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "home.arpa",
    "localdomain",
];

/// What URLs may be. Userinfo (`https://user@host`) is always refused.
///
/// ```
/// use ringfence::tool::UrlPolicy;
///
/// let policy = UrlPolicy::default().with_hosts(["*.example.com"]).unwrap();
/// assert!(policy.check("https://api.example.com/v1?q=x").is_ok());
/// assert!(policy.check("https://api.example.com.evil.net/").is_err());
/// assert!(UrlPolicy::default().check("http://0x7f.1/").is_err());
/// ```
#[derive(Debug, Clone)]
pub struct UrlPolicy {
    schemes: Vec<String>,
    hosts: Vec<HostPattern>,
    ports: Vec<u16>,
    allows_private: bool,
    query_entropy: Option<f64>,
}

/// A host, or every host below one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HostPattern {
    written: String,
    /// In ASCII.
    host: String,
    is_below: bool,
}

/// A host that no URL can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{host}` is no host; write a name, `*.` and a name, or an address")]
pub struct HostError {
    /// As written.
    pub host: String,
}

/// Why a URL is refused. Nothing of the URL is repeated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlRefused {
    /// It is none, or programs read it in different ways.
    #[error("the URL {0}")]
    Unclear(&'static str),
    /// Its scheme is not listed.
    #[error("the scheme of the URL is not one of {}", listed(.schemes))]
    Scheme {
        /// Those that are.
        schemes: Vec<String>,
    },
    /// It has a user name or password.
    #[error("the URL holds a user name or password before the host")]
    Userinfo,
    /// Its host is not listed.
    #[error("the host of the URL is not one of {}", listed(.hosts))]
    Host {
        /// Those that are.
        hosts: Vec<String>,
    },
    /// Its port is not listed.
    #[error("the port of the URL is not one of {}", listed(&.ports.iter().map(ToString::to_string).collect::<Vec<_>>()))]
    Port {
        /// Those that are.
        ports: Vec<u16>,
    },
    /// It leads to an address that is not public.
    #[error("the host of the URL is {}; only public ones are accepted", .0.what())]
    Private(AddressKind),
    /// A part of it looks like an encoded secret.
    #[error("a value in the query of the URL has more than {most} bits of entropy per character")]
    Entropy {
        /// The limit.
        most: f64,
    },
}

fn listed(names: &[String]) -> String {
    const TOLD: usize = 6;
    let mut told: Vec<String> = names.iter().take(TOLD).map(|name| format!("`{name}`")).collect();
    if names.len() > TOLD {
        told.push(format!("{} more", names.len() - TOLD));
    }
    told.join(", ")
}

impl Default for UrlPolicy {
    /// Any public host by `http` or `https`.
    fn default() -> Self {
        Self {
            schemes: vec!["https".to_owned(), "http".to_owned()],
            hosts: Vec::new(),
            ports: Vec::new(),
            allows_private: false,
            query_entropy: None,
        }
    }
}

impl UrlPolicy {
    /// With these schemes instead.
    #[must_use]
    pub fn with_schemes(mut self, schemes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.schemes = schemes.into_iter().map(|scheme| scheme.into().to_ascii_lowercase()).collect();
        self
    }

    /// With these hosts only: names, `*.` and a name for all below it, addresses.
    ///
    /// # Errors
    /// The first that is no host.
    pub fn with_hosts<'h>(mut self, hosts: impl IntoIterator<Item = &'h str>) -> Result<Self, HostError> {
        for host in hosts {
            self.hosts.push(HostPattern::new(host)?);
        }
        Ok(self)
    }

    /// With these ports only; the scheme's own counts as written.
    #[must_use]
    pub fn with_ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.ports.extend(ports);
        self
    }

    /// With addresses that are not public.
    #[must_use]
    pub fn with_private_addresses(mut self) -> Self {
        self.allows_private = true;
        self
    }

    /// With a limit on the entropy of each value in the query, in bits per character: 4.5 lets words and numbers pass and
    /// stops most encoded secrets.
    #[must_use]
    pub fn with_query_entropy(mut self, most: f64) -> Self {
        self.query_entropy = Some(most);
        self
    }

    /// The URL as it will be read, if it may be used.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self, text: &str) -> Result<String, UrlRefused> {
        let url = parse(text)?;
        if !self.schemes.iter().any(|scheme| scheme == url.scheme()) {
            return Err(UrlRefused::Scheme { schemes: self.schemes.clone() });
        }
        if has_userinfo(text, &url) {
            return Err(UrlRefused::Userinfo);
        }
        let host = host_of(&url)?;
        let name = match &host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        if !self.hosts.is_empty() && !self.hosts.iter().any(|pattern| pattern.fits(&name)) {
            return Err(UrlRefused::Host {
                hosts: self.hosts.iter().map(|host| host.written.clone()).collect(),
            });
        }
        if !self.ports.is_empty()
            && !url.port_or_known_default().is_some_and(|port| self.ports.contains(&port))
        {
            return Err(UrlRefused::Port { ports: self.ports.clone() });
        }
        // A name that the policy lists is meant, even where it is one of an inner network; what it resolves to is
        // checked again.
        let is_listed = self.hosts.iter().any(|pattern| !pattern.is_below && pattern.fits(&name));
        if !self.allows_private
            && let Some(kind) = kind_of_host(&host).filter(|_| !is_listed)
        {
            return Err(UrlRefused::Private(kind));
        }
        if let Some(most) = self.query_entropy {
            let values = url.query_pairs().flat_map(|(name, value)| [name, value]);
            if values.into_iter().any(|value| entropy(value.as_ref()).is_some_and(|bits| bits > most)) {
                return Err(UrlRefused::Entropy { most });
            }
        }
        Ok(url.into())
    }

    /// Whether an address to which the host was resolved may be used: names can be made to lead anywhere, and elsewhere
    /// the second time.
    ///
    /// # Errors
    /// Where it is not public and has to be.
    pub fn check_address(&self, address: IpAddr) -> Result<(), UrlRefused> {
        match kind_of(address) {
            Some(kind) if !self.allows_private => Err(UrlRefused::Private(kind)),
            _ => Ok(()),
        }
    }
}

fn parse(text: &str) -> Result<Url, UrlRefused> {
    if text.len() > MAX_BYTES {
        return Err(UrlRefused::Unclear("is longer than 8 KiB"));
    }
    if text.chars().any(|sign| sign.is_control() || sign.is_whitespace()) {
        return Err(UrlRefused::Unclear("holds a blank or control character, which some programs leave out"));
    }
    let before_query = text.split(['?', '#']).next().unwrap_or_default();
    if before_query.contains('\\') {
        return Err(UrlRefused::Unclear("holds a backslash, which some programs read as a slash"));
    }
    match Url::parse(text) {
        Ok(url) if url.has_host() || !url.cannot_be_a_base() => Ok(url),
        Ok(_) => Err(UrlRefused::Unclear("has no host")),
        Err(_) => {
            Err(UrlRefused::Unclear("does not parse; accepted: an absolute one, with a scheme and a host"))
        }
    }
}

fn has_userinfo(text: &str, url: &Url) -> bool {
    let authority = text.split_once(':').map_or("", |(_, rest)| rest.trim_start_matches('/'));
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    !url.username().is_empty() || url.password().is_some() || authority.contains('@')
}

/// The host, an address where it is one in any spelling.
fn host_of(url: &Url) -> Result<Host<String>, UrlRefused> {
    let none = UrlRefused::Unclear("has no host");
    match url.host() {
        None => Err(none),
        Some(Host::Ipv4(address)) => Ok(Host::Ipv4(address)),
        Some(Host::Ipv6(address)) => Ok(Host::Ipv6(address)),
        Some(Host::Domain(name)) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            if name.is_empty() || name.split('.').any(str::is_empty) {
                return Err(none);
            }
            // Hosts of schemes that browsers do not know are not read as addresses; whoever connects will.
            match Host::parse(name) {
                // Braces in a host are several hosts for some programs; no name has them, or other signs.
                Ok(Host::Domain(name)) if !name.bytes().all(is_of_name) => {
                    Err(UrlRefused::Unclear("has a host that is no name"))
                }
                Ok(host) => Ok(host),
                Err(_) => Err(UrlRefused::Unclear("has a host that is no name")),
            }
        }
    }
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')
}

fn kind_of_host(host: &Host<String>) -> Option<AddressKind> {
    match host {
        Host::Ipv4(address) => kind_of(IpAddr::V4(*address)),
        Host::Ipv6(address) => kind_of(IpAddr::V6(*address)),
        Host::Domain(name) => {
            let is_in = |domain: &str| {
                name == domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
            };
            if !name.contains('.') || INNER_DOMAINS.iter().any(|domain| is_in(domain)) {
                return Some(AddressKind::InnerName);
            }
            if NAMES_OF_ADDRESSES.iter().any(|domain| is_in(domain)) {
                return Some(AddressKind::InnerName);
            }
            // What is left of an address that some resolver still reads: `127.1.` and the like.
            name.split('.')
                .all(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
                .then_some(AddressKind::Reserved)
        }
    }
}

impl HostPattern {
    fn new(written: &str) -> Result<Self, HostError> {
        let error = || HostError { host: written.to_owned() };
        let (name, is_below) = match written.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (written, false),
        };
        let host = match Host::parse(name).map_err(|_| error())? {
            Host::Domain(name) => name,
            Host::Ipv4(address) if !is_below => address.to_string(),
            Host::Ipv6(address) if !is_below => address.to_string(),
            _ => return Err(error()),
        };
        if host.is_empty() || host.contains('*') {
            return Err(error());
        }
        Ok(Self { written: written.to_owned(), host, is_below })
    }

    fn fits(&self, name: &str) -> bool {
        match self.is_below {
            true => name
                .strip_suffix(self.host.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            false => name == self.host,
        }
    }
}

/// Bits per character of a text, by how often each character is in it; `None` for short texts.
fn entropy(text: &str) -> Option<f64> {
    let mut counts = std::collections::BTreeMap::new();
    let mut all = 0_usize;
    for sign in text.chars() {
        *counts.entry(sign).or_insert(0_usize) += 1;
        all += 1;
    }
    if all < ENTROPY_FROM || text.contains(' ') {
        return None;
    }
    let share = |count: usize| count as f64 / all as f64;
    Some(counts.into_values().map(|count| -share(count) * share(count).log2()).sum())
}

/// What rules find in URLs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UrlFind {
    /// Schemes, one of which it has.
    pub schemes: Vec<String>,
    /// Hosts, one of which it has.
    pub hosts: Vec<String>,
    /// Whether it leads to an address that is not public.
    pub private_addresses: bool,
    /// Whether it holds a user name or password.
    pub userinfo: bool,
}

/// [`UrlFind`], ready for use.
#[derive(Debug, Clone)]
pub struct UrlFinder {
    find: UrlFind,
    hosts: Vec<HostPattern>,
}

impl UrlFinder {
    /// Makes it ready.
    ///
    /// # Errors
    /// The first host that is none.
    pub fn new(find: UrlFind) -> Result<Self, HostError> {
        let hosts = find.hosts.iter().map(|host| HostPattern::new(host)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { find, hosts })
    }

    /// As written.
    #[must_use]
    pub fn find(&self) -> &UrlFind {
        &self.find
    }

    /// Whether a URL is what it finds. What is no URL is not.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        let cleaned: String = text.chars().filter(|sign| !sign.is_control()).collect();
        let Ok(url) = Url::parse(cleaned.trim()) else { return false };
        if !self.find.schemes.is_empty()
            && !self.find.schemes.iter().any(|scheme| scheme.eq_ignore_ascii_case(url.scheme()))
        {
            return false;
        }
        if self.find.userinfo && !has_userinfo(&cleaned, &url) {
            return false;
        }
        let host = host_of(&url).ok();
        if self.find.private_addresses && host.as_ref().and_then(kind_of_host).is_none() {
            return false;
        }
        let name = host.map(|host| host.to_string()).unwrap_or_default();
        self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.fits(&name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(policy: &UrlPolicy, url: &str) -> Option<UrlRefused> {
        policy.check(url).err()
    }

    #[test]
    fn addresses_that_are_not_public_are_refused_in_every_spelling() {
        let policy = UrlPolicy::default();
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f000001",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "017700000001",
            "0",
            "0.0.0.0",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:127.0.0.1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[fe80::1]",
            "[fc00::1]",
            "[fd12::1]",
            "[ff02::1]",
            "[2001:db8::1]",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "2852039166",
            "192.0.2.1",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "localhost",
            "LOCALHOST",
            "localhost.",
            "a.localhost",
            "metadata.google.internal",
            "printer.local",
            "intranet",
            "127.0.0.1.nip.io",
            "①②⑦.⓪.⓪.①",
            "127。0。0。1",
            "%31%32%37.0.0.1",
            "[fd00:ec2::254]",
            "x.lvh.me",
        ] {
            let url = format!("http://{host}/");
            assert!(refused(&policy, &url).is_some(), "{url}");
            assert!(refused(&policy, &format!("http://{host}:8080/x")).is_some(), "{url}");
        }
        for host in [
            "example.com",
            "8.8.8.8",
            "[2606:4700::1111]",
            "172.32.0.1",
            "xn--bcher-kva.example.org",
            "bücher.example.org",
            "example.com.",
        ] {
            assert_eq!(refused(&policy, &format!("https://{host}/")), None, "{host}");
        }
        for address in ["10.1.2.3", "::1", "::ffff:10.0.0.1"] {
            assert!(policy.check_address(address.parse().unwrap()).is_err());
        }
        assert!(policy.check_address("1.1.1.1".parse().unwrap()).is_ok());
        let open = UrlPolicy::default().with_private_addresses();
        assert!(open.check("http://127.0.0.1/").is_ok());
    }

    #[test]
    fn hosts() {
        let policy = UrlPolicy::default()
            .with_schemes(["https"])
            .with_hosts(["*.example.com", "bücher.example", "api.internal"])
            .unwrap();
        for url in [
            "https://a.example.com",
            "https://a.b.example.com:443/x",
            "https://A.EXAMPLE.COM./",
            "https://xn--bcher-kva.example",
            "https://api.internal/",
        ] {
            assert_eq!(refused(&policy, url), None, "{url}");
        }
        for url in [
            "https://example.com",
            "https://aexample.com",
            "https://a.example.com.evil.net",
            "https://evil.net/a.example.com",
            "https://evil.net?a.example.com",
            "https://evil.net#.example.com",
            "https://a.example.com@evil.net",
            "https://evil.net\\.example.com",
            "https://evil.net\\@a.example.com",
            "http://a.example.com",
            "https:a.example.com@evil.net",
            "https://a.example.com\t.evil.net",
            "//a.example.com",
            "a.example.com",
            "https://",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "https://a.exаmple.com",
            "https://.example.com",
            "https://user:x@a.example.com",
            "https://@a.example.com",
            "data:text/plain,x",
        ] {
            assert!(refused(&policy, url).is_some(), "{url}");
        }
        let ports = UrlPolicy::default().with_ports([443]);
        assert!(
            ports.check("https://example.com/").is_ok() && ports.check("https://example.com:8443/").is_err()
        );
        assert!(
            UrlPolicy::default().with_hosts(["*"]).is_err()
                && UrlPolicy::default().with_hosts(["a b"]).is_err()
        );
    }

    #[test]
    fn entropy_of_the_query() {
        let policy = UrlPolicy::default().with_query_entropy(4.2);
        assert!(policy.check("https://example.com/?q=how+to+cook+rice+for+many+people&page=12").is_ok());
        assert!(policy.check("https://example.com/?d=c2stbGl2ZS00NzExQUJDREVGR0hJSktMTU5PUFFS").is_err());
        assert!(policy.check("https://example.com/?c2stbGl2ZS00NzExQUJDREVGR0hJSktMTU5PUFFS").is_err());
    }

    #[test]
    fn what_is_found() {
        let find = |find: UrlFind| UrlFinder::new(find).unwrap();
        let private = find(UrlFind { private_addresses: true, ..UrlFind::default() });
        assert!(
            private.fits("http://0x7f.1/")
                && private.fits("gopher://127.0.0.1:6379/x")
                && !private.fits("https://example.com")
        );
        let hosts = find(UrlFind { hosts: vec!["*.ngrok.io".to_owned()], ..UrlFind::default() });
        assert!(hosts.fits("https://a.NGROK.io/x") && !hosts.fits("https://ngrok.io.example.com"));
    }
}
