//! The guard against server-side request forgery: a shop's address is given by a user.
//!
//! Checked when an address is saved, again on every request, and once more on the addresses that its
//! name resolves to at connect time, so that a name which changes its mind between check and use
//! (DNS rebinding) leads nowhere.

use super::MarketplaceError;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use url::{Host, Url};

/// Ports that a shop may use. WordPress itself calls only these.
const PORTS: [u16; 3] = [80, 443, 8080];

/// # Errors
/// [`MarketplaceError::AddressRefused`] with the reason.
pub fn check_address(url: &Url, allow_private: bool) -> Result<(), MarketplaceError> {
    let refuse = |reason: &str| {
        Err(MarketplaceError::AddressRefused {
            reason: reason.to_owned(),
        })
    };
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("only http and https are spoken");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refuse("a user name or password in the address is not allowed");
    }
    if allow_private {
        return Ok(());
    }
    if !url
        .port_or_known_default()
        .is_some_and(|p| PORTS.contains(&p))
    {
        return refuse("only the ports 80, 443 and 8080 are allowed");
    }
    // The url crate has already turned decimal, octal and hexadecimal spellings into plain addresses.
    let inward = match url.host() {
        None => return refuse("it names no host"),
        Some(Host::Ipv4(ip)) => is_inward(IpAddr::V4(ip)),
        Some(Host::Ipv6(ip)) => is_inward(IpAddr::V6(ip)),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost") || name.ends_with(".internal")
        }
    };
    if inward {
        return refuse("it leads into a private network");
    }
    Ok(())
}

/// Loopback, private, link-local, multicast, documentation and other addresses that are no shop's.
pub(super) fn is_inward(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_inward_v4(ip),
        IpAddr::V6(ip) => match embedded_v4(ip) {
            Some(inner) => is_inward_v4(inner),
            None => is_inward_v6(ip),
        },
    }
}

fn is_inward_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (b == 18 || b == 19))
        || (a == 192 && b == 0 && c == 0)
}

fn is_inward_v6(ip: Ipv6Addr) -> bool {
    let first = ip.segments()[0];
    ip.is_loopback()
        || ip.is_unspecified()
        || ip.is_multicast()
        || (first & 0xfe00) == 0xfc00
        || (first & 0xffc0) == 0xfe80
        || (first == 0x2001 && ip.segments()[1] == 0x0db8)
}

/// The IPv4 address inside `::ffff:a.b.c.d`, `64:ff9b::a.b.c.d` and `2002:ab:cd::`.
fn embedded_v4(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let s = ip.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    if let Some(mapped) = ip.to_ipv4_mapped() {
        return Some(mapped);
    }
    if s[0] == 0x64 && s[1] == 0xff9b {
        return Some(join(s[6], s[7]));
    }
    (s[0] == 0x2002).then(|| join(s[1], s[2]))
}

/// Resolves names and leaves out what leads inwards; the connection is made to what is left.
#[derive(Debug, Clone, Copy)]
pub(super) struct GuardedResolver {
    pub allow_private: bool,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found
                .filter(|address| allow_private || !is_inward(address.ip()))
                .collect();
            if allowed.is_empty() {
                return Err("the name leads into a private network or nowhere".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(address: &str) -> bool {
        Url::parse(address).is_ok_and(|url| check_address(&url, false).is_err())
    }

    #[test]
    fn addresses_that_lead_inwards_are_refused() {
        for address in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://0x7f.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:10.0.0.1]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://169.254.169.254/latest/meta-data",
            "http://0.0.0.0/",
            "http://10.1.2.3/",
            "http://192.168.0.1/",
            "http://172.16.0.1/",
            "http://100.64.0.1/",
            "http://localhost/",
            "http://shop.localhost/",
            "http://metadata.google.internal/",
            "http://x@10.0.0.1/",
            "http://shop.example.com:22/",
            "file:///etc/passwd",
            "gopher://shop.example.com/",
        ] {
            assert!(is_refused(address), "{address} was let through");
        }
    }

    #[test]
    fn a_public_shop_is_let_through() {
        for address in [
            "https://shop.example.com/",
            "http://shop.example.com:8080/wp",
            "https://93.184.215.14/",
        ] {
            assert!(!is_refused(address), "{address} was refused");
        }
    }

    #[tokio::test]
    async fn a_name_that_resolves_inwards_is_not_connected_to() {
        let http = super::super::Http::new(false, std::time::Duration::from_secs(5));
        let resolver = GuardedResolver {
            allow_private: false,
        };

        let found = resolver.resolve("localhost".parse().unwrap()).await;

        assert!(found.is_err());
        drop(http);
    }
}
