//! A secret key that stands in a page.

use reqwest::Client;

use crate::{cli::program::Program, support::eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_key_that_comes_from_a_page_is_told_once() {
    const PAGE: (&str, &str) = ("origin", "https://shop.example");
    let file = std::env::temp_dir().join(format!("keys-{}.toml", uuid::Uuid::now_v7()));
    let path = file.to_str().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let program = Program::new()
        .with("CHATBOT_DOOR_LISTEN", &port.to_string())
        .with("CHATBOT_DOOR_KEYS_PATH", path)
        .with("CHATBOT_DOOR_ORIGINS", PAGE.1);
    let made = |arguments: &[&str]| {
        let all: Vec<&str> = ["key", "new"].iter().chain(arguments).chain(&["--file", path]).copied().collect();
        program.run(&all).out.trim().to_owned()
    };
    let (secret, public) = (made(&["shop"]), made(&["page", "--public", "--origin", PAGE.1]));
    let worker = program.start_ready();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = Client::builder().no_proxy().build().unwrap();
    let ask = async |key: &str, headers: &[(&str, &str)]| {
        let asked = http.post(format!("http://{port}/api/conversations")).bearer_auth(key);
        let asked = headers.iter().fold(asked, |asked, (name, value)| asked.header(*name, *value));
        asked.send().await.ok().map(|answer| answer.status().as_u16())
    };
    // Neither a program, such as Node with its `fetch`, nor a public key.
    let programs = [("sec-fetch-mode", "cors")];
    eventually("the door answers", || async { (ask(&secret, &programs).await == Some(201)).then_some(()) }).await;
    assert_eq!(ask(&public, &[PAGE]).await, Some(201));
    for _ in 0..2 {
        assert_eq!(ask(&secret, &[PAGE]).await, Some(201));
    }
    worker.signal("TERM");
    let (code, log) = worker.end();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("a secret key came from a page")).collect();
    assert!(code == Some(0) && told.len() == 1 && told[0].contains("shop") && !log.contains(&secret), "{log}");
    std::fs::remove_file(file).unwrap();
    program.remove().await;
}
