//! `health`: whether a worker on this machine is ready, asked over HTTP; for a container's health check.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use reqwest::{Client, StatusCode, Url, redirect};

use super::{Exit, Failure, output, setup};
use crate::{app::settings::Settings, outbound::innermost};

const TIMEOUT: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  chatbot-worker health
  CHATBOT_HTTP_LISTEN=0.0.0.0:9000 chatbot-worker health    a worker that listens elsewhere
  chatbot-worker health --url http://10.0.0.7:8080/readyz   one on another machine
  HEALTHCHECK CMD [\"chatbot-worker\", \"health\"]              in a Dockerfile

A worker is ready while it consumes from the broker; one that isn't says whether it trains its model or has no broker.

Exit codes:
   0  ready
   1  not ready
  69  nobody answers
  78  the settings say that health isn't served, or not where";

/// The command's arguments.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Ask here, rather than where CHATBOT_HTTP_LISTEN says
    #[arg(long)]
    url: Option<Url>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let url = match &arguments.url {
        Some(url) => url.clone(),
        None => url_of(&setup::settings()?.settings)?,
    };
    setup::runtime()?.block_on(ask(url))
}

async fn ask(url: Url) -> Result<Exit, Failure> {
    let unreachable = |error: reqwest::Error| {
        let what = match error.is_timeout() {
            true => format!("no answer within {TIMEOUT:?}"),
            false => innermost(&error),
        };
        Failure::new(Exit::Unavailable, format!("{url} can't be reached: {what}; is a worker running there?"))
    };
    let mut client = Client::builder().timeout(TIMEOUT).no_proxy().redirect(redirect::Policy::none());
    if url.scheme() == "http" {
        // The system's certificates aren't needed, and a small container image has none, which would be an error.
        client = client.tls_certs_only([]);
    }
    let client = client.build().map_err(unreachable)?;
    let response = client.get(url.clone()).send().await.map_err(unreachable)?;
    let status = response.status();
    let answer = response.text().await.map_err(unreachable)?;
    output::print(&format!("{}\n", output::printable(answer.trim_end())))?;
    Ok(if status == StatusCode::OK { Exit::Ok } else { Exit::No })
}

fn url_of(settings: &Settings) -> Result<Url, Failure> {
    let refused = |message: &str| Failure::new(Exit::Config, format!("CHATBOT_HTTP_LISTEN {message}"));
    let address = match settings.http.listen.get() {
        None => return Err(refused("is off: the worker serves no health")),
        Some(address) => address.get(),
    };
    if address.port() == 0 {
        return Err(refused("has port 0, and the worker picks one: pass the one in its log with --url"));
    }
    let url = format!("http://{}/readyz", reachable(address));
    url.parse().map_err(|error| refused(&format!("makes no URL, {url}: {error}")))
}

/// Where a listener on this machine can be reached: one on every address, on the loopback.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn a_listener_on_every_address_is_asked_on_the_loopback() {
        fn check(listen: &str, expected: &str) {
            assert_eq!(reachable(listen.parse().unwrap()).to_string(), expected);
        }
        check("0.0.0.0:8080", "127.0.0.1:8080");
        check("[::]:8080", "[::1]:8080");
        check("10.0.0.7:80", "10.0.0.7:80");
        check("[fe80::1]:80", "[fe80::1]:80");
    }
}
