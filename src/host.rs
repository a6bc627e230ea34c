//! The name by which a server is called: the header `Host`.

use std::net::IpAddr;

/// Whether a `Host` is a name or an address of this machine alone. One of another site may lead here as well, which lets that site's
/// pages in (DNS rebinding); the name stays theirs.
pub(crate) fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.to_ascii_lowercase().ends_with(".localhost")
        || name.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_another_site_is_none_of_this_machine() {
        for host in ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "127.1.2.3", "[::1]:8000", "bot.localhost:1"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:8000", "10.0.0.1", "[::2]:8000", "notlocalhost", "", "["] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
