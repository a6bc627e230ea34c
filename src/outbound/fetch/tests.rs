//! What is fetched from a hostile server, and what isn't.
#![expect(clippy::unwrap_used, reason = "a test may")]

use super::*;
use crate::outbound::stub::{Act, Stub};

const LIMIT: Duration = Duration::from_secs(20);

/// Public addresses, and the one at which this machine's servers of tests listen.
fn public_or_stub(address: IpAddr) -> bool {
    addresses::is_public(address) || address == IpAddr::from([127, 0, 0, 1])
}

fn settings(hosts: &[&str]) -> FetchSettings {
    let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
    FetchSettings { hosts, max_size: 1000, timeout: LIMIT }
}

/// Fetches from this machine as well.
fn fetcher(hosts: &[&str]) -> Fetcher {
    Fetcher::allowing(settings(hosts), public_or_stub).unwrap()
}

async fn fetch(fetcher: &Fetcher, url: &str) -> Result<Fetched, FetchError> {
    fetcher.fetch(url, "image/png", 1 << 20, Instant::now() + LIMIT).await
}

fn png() -> Act {
    Act::Answer(200, "content-type: image/png\r\n", "png".into())
}

/// A redirect to there.
fn to(location: String) -> Act {
    Act::Answer(302, Box::leak(format!("location: {location}\r\n").into_boxed_str()), String::new())
}

#[tokio::test]
async fn what_is_allowed_is_fetched_with_nothing_but_the_request() {
    let stub = Stub::script(vec![png()]).await;
    let fetched = fetch(&fetcher(&[&stub.url]), &format!("{}/a.png?key=1#part", stub.url)).await;
    assert_eq!(fetched, Ok(Fetched { bytes: "png".into(), media_type: "image/png".into() }));
    let seen = &stub.seen()[0];
    assert!(seen.head.starts_with("GET /a.png?key=1 HTTP/1.1"), "{}", seen.head);
    for header in ["authorization", "cookie", "referer", "accept-encoding"] {
        assert_eq!(seen.header(header), None, "{}", seen.head);
    }
}

#[tokio::test]
async fn a_private_address_is_never_asked_however_it_is_named() {
    let stub = Stub::script(vec![png()]).await;
    let port = stub.url.rsplit(':').next().unwrap();
    let hosts = ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "169.254.169.254"];
    let allowed: Vec<String> = hosts.iter().map(|host| format!("http://{host}:{port}")).collect();
    let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
    let real = Fetcher::new(settings(&allowed)).unwrap();
    // Numbers stand for the same address, as URLs are written.
    for host in hosts.iter().chain(&["127.1", "2130706433", "0x7f000001", "017700000001"]) {
        let fetched = fetch(&real, &format!("http://{host}:{port}/a.png")).await;
        assert!(matches!(fetched, Err(FetchError::NotPublic(_))), "{host}: {fetched:?}");
    }
    assert!(stub.seen().is_empty());
    // The same server is asked where its address is allowed, so that it isn't something else that stops it.
    assert!(fetch(&fetcher(&allowed), &format!("http://localhost:{port}/a.png")).await.is_ok());
}

#[tokio::test]
async fn a_redirect_is_looked_at_like_the_address_itself() {
    let inner = Stub::script(vec![png()]).await;
    let inner_port = inner.url.rsplit(':').next().unwrap().to_owned();
    let check = |target: String, hosts: Vec<String>, expected: fn(&FetchError) -> bool| async move {
        let stub = Stub::start(move |_| to(target.clone())).await;
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).chain([stub.url.as_str()]).collect();
        let fetched = fetch(&fetcher(&hosts), &format!("{}/a.png", stub.url)).await;
        assert!(fetched.as_ref().is_err_and(expected), "{fetched:?}");
    };
    let not_public: fn(&FetchError) -> bool = |error| matches!(error, FetchError::NotPublic(_));
    let not_allowed: fn(&FetchError) -> bool = |error| matches!(error, FetchError::NotAllowed(_));
    // Its host is allowed, and its address is private.
    for host in ["127.0.0.2", "10.0.0.1", "[::1]", "0.0.0.0"] {
        let target = format!("http://{host}:{inner_port}/");
        check(target.clone(), vec![target.trim_end_matches('/').to_owned()], not_public).await;
    }
    // Its address is allowed, and its host isn't.
    check(format!("http://127.0.0.1:{inner_port}/"), Vec::new(), not_allowed).await;
    check("https://files.example.com/".into(), Vec::new(), not_allowed).await;
    check("file:///etc/passwd".into(), Vec::new(), not_allowed).await;
    check(format!("http://user@127.0.0.1:{inner_port}/"), vec![inner.url.clone()], not_allowed).await;
    check("/again".into(), Vec::new(), |error| *error == FetchError::Redirects).await;
    assert!(inner.seen().is_empty());
    // Three are followed.
    let stub = Stub::script(vec![to("/1".into()), to("/2".into()), to("/3".into()), png()]).await;
    assert!(fetch(&fetcher(&[&stub.url]), &stub.url).await.is_ok());
    assert_eq!(stub.seen().len(), 4);
}

#[tokio::test]
async fn what_is_too_large_or_something_else_is_not_taken() {
    async fn check(act: Act, expected: Result<&str, FetchError>) {
        let stub = Stub::script(vec![act.clone()]).await;
        let fetched = fetch(&fetcher(&[&stub.url]), &stub.url).await;
        assert_eq!(fetched.as_ref().map(|fetched| fetched.media_type.as_str()), expected.as_ref().copied(), "{act:?}");
    }
    let answer = |headers, body: &str| Act::Answer(200, headers, body.to_owned());
    check(answer("content-type: image/png\r\n", &"x".repeat(1000)), Ok("image/png")).await;
    check(answer("content-type: image/png\r\n", &"x".repeat(1001)), Err(FetchError::TooLarge(1000))).await;
    // Without a length it is read as far as it may be.
    let pieces = vec!["x".repeat(600); 2];
    let endless = Stub::script(vec![Act::Events { pieces, cut: false }]).await;
    let fetched =
        fetcher(&[&endless.url]).fetch(&endless.url, "text/event-stream", 1 << 20, Instant::now() + LIMIT).await;
    assert_eq!(fetched, Err(FetchError::TooLarge(1000)));
    check(answer("content-type: IMAGE/JPEG; q=1\r\n", "x"), Ok("image/jpeg")).await;
    check(answer("content-type: application/octet-stream\r\n", "x"), Ok("image/png")).await;
    check(answer("", "x"), Ok("image/png")).await;
    check(answer("content-type: text/html\r\n", "x"), Err(FetchError::MediaType)).await;
    check(answer("content-type: audio/ogg\r\n", "x"), Err(FetchError::MediaType)).await;
    check(answer("content-type: image/png\r\ncontent-encoding: gzip\r\n", "x"), Err(FetchError::MediaType)).await;
    check(answer("content-type: image/png\r\n", ""), Err(FetchError::MediaType)).await;
    check(Act::Answer(404, "", String::new()), Err(FetchError::Status(404))).await;
    check(Act::Answer(302, "", String::new()), Err(FetchError::Status(302))).await;
    assert_eq!(agreed("audio/webm", "video/webm"), Some("video/webm".into()));
    assert_eq!(agreed("application/pdf", "application/zip"), None);
}

#[tokio::test]
async fn what_fails_is_asked_once_more_and_a_slow_server_is_left() {
    let stub = Stub::script(vec![Act::Close, png()]).await;
    assert!(fetch(&fetcher(&[&stub.url]), &stub.url).await.is_ok());
    let stub = Stub::script(vec![Act::Answer(503, "", String::new())]).await;
    assert_eq!(fetch(&fetcher(&[&stub.url]), &stub.url).await, Err(FetchError::Status(503)));
    assert_eq!(stub.seen().len(), 2);
    // A server that takes a connection and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let fetcher = fetcher(&[&url]);
    let fetched = fetcher.fetch(&url, "image/png", 1 << 20, Instant::now() + Duration::from_millis(50)).await;
    assert_eq!(fetched, Err(FetchError::TimedOut));
}

#[test]
fn no_error_tells_more_of_an_address_than_its_host() {
    let fetcher = fetcher(&["files.example.com"]);
    let url = "https://other.example/SECRET?SECRET#SECRET".parse().unwrap();
    let error = fetcher.check(&url).unwrap_err().to_string();
    assert_eq!(error, "the host 'other.example' isn't among CHATBOT_ATTACHMENTS_HOSTS");
}
