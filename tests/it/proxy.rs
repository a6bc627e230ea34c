//! A proxy of the environment, as developers' machines have it: a SOCKS one is spoken to as such.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use crate::cli::program::Program;

/// Takes one connection through SOCKS 5 (RFC 1928), and answers as the server behind it. Returns which host was asked for.
fn serve(mut client: TcpStream, answer: &str) -> String {
    let mut read = |length: usize| {
        let mut bytes = vec![0; length];
        client.read_exact(&mut bytes).unwrap();
        bytes
    };
    let methods = read(2)[1];
    read(methods.into());
    client.write_all(b"\x05\0").unwrap();
    let mut read = |length: usize| {
        let mut bytes = vec![0; length];
        client.read_exact(&mut bytes).unwrap();
        bytes
    };
    // Connect, to a name that the proxy looks up.
    assert_eq!(read(4), b"\x05\x01\0\x03");
    let length = read(1)[0];
    let host = String::from_utf8(read(length.into())).unwrap();
    read(2);
    client.write_all(b"\x05\0\0\x01\0\0\0\0\0\0").unwrap();
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut some = [0; 1024];
        let length = client.read(&mut some).unwrap();
        assert!(length > 0, "the request isn't whole");
        request.extend_from_slice(&some[..length]);
    }
    let length = answer.len();
    write!(client, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}").unwrap();
    host
}

#[test]
fn a_socks_proxy_of_the_environment_is_used() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("socks5h://{}", listener.local_addr().unwrap());
    let answer =
        r#"{"intent":{"name":"refund","confidence":0.9},"intent_ranking":[{"name":"refund","confidence":0.9}]}"#;
    let served = thread::spawn(move || serve(listener.accept().unwrap().0, answer));
    let program = [
        ("ALL_PROXY", proxy.as_str()),
        ("CHATBOT_MODEL_CHAIN", "far"),
        ("CHATBOT_MODEL_LAST_RESORT", "off"),
        ("CHATBOT_FAR_KIND", "rasa"),
        ("CHATBOT_FAR_URL", "http://rasa.example"),
        ("CHATBOT_BACKEND_TIMEOUT", "20s"),
        ("CHATBOT_BACKEND_CONNECT_TIMEOUT", "20s"),
        ("CHATBOT_MODEL_TIMEOUT", "60s"),
    ]
    .into_iter()
    .fold(Program::new(), |program, (name, value)| program.with(name, value));
    let out = program.run(&["classify", "money back"]);
    assert!(out.ok().contains("refund answers"), "{out:?}");
    assert_eq!(served.join().unwrap(), "rasa.example");
}
