//! By which name the door is called, and whether it is another site's page that asks.

use axum::http::{HeaderMap, header};

use super::keys::{Network, is_same_origin};
use crate::host;

/// What the door knows of where it stands.
pub(super) struct Origins {
    /// Whose word is believed on behalf of whom it asks.
    pub(super) trusted_proxies: Vec<Network>,
    /// Whether the door listens on loopback alone: then it is called so, and a name of another site that leads here is none
    /// (DNS rebinding).
    pub(super) is_local: bool,
}

impl Origins {
    /// The site of a page that isn't the door's own; none where none asks.
    pub(super) fn foreign<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        let origin = text(headers, header::ORIGIN)?;
        let host = text(headers, header::HOST).unwrap_or_default();
        (!is_same_origin(origin, host)).then_some(origin)
    }

    /// Whether it is a page that asks: one of another site, or, as browsers alone tell, of the door's own. (Programs may send
    /// either header, and hardly both.)
    pub(super) fn is_page(&self, headers: &HeaderMap) -> bool {
        const BROWSERS_OWN: &str = "sec-fetch-mode";
        self.foreign(headers).is_some() || (headers.contains_key(header::ORIGIN) && headers.contains_key(BROWSERS_OWN))
    }

    /// Whether the door is called by a name that may be its own.
    pub(super) fn is_called_right(&self, headers: &HeaderMap) -> bool {
        if !self.is_local {
            return true;
        }
        text(headers, header::HOST).is_some_and(host::is_this_machine)
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_page_is_told_from_a_program() {
        let check = |more: &[(&'static str, &str)], expected: bool| {
            let origins = Origins { trusted_proxies: Vec::new(), is_local: false };
            let headers = [("host", "bot.example.com")].iter().chain(more);
            let headers = headers.map(|&(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()));
            assert_eq!(origins.is_page(&headers.collect()), expected, "{more:?}");
        };
        let own = ("origin", "https://bot.example.com");
        check(&[("origin", "https://shop.example.com")], true);
        check(&[own, ("sec-fetch-mode", "cors")], true);
        // A library for sockets, and Node's `fetch`.
        check(&[own], false);
        check(&[("sec-fetch-mode", "cors")], false);
        check(&[], false);
    }

    #[test]
    fn a_door_on_loopback_is_called_by_names_of_this_machine_alone() {
        let check = |host: &str, is_local: bool, expected: bool| {
            let origins = Origins { trusted_proxies: Vec::new(), is_local };
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            assert_eq!(origins.is_called_right(&headers), expected, "{host}");
        };
        check("localhost:8000", true, true);
        check("evil.example", true, false);
        check("evil.example", false, true);
    }
}
