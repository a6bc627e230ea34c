//! Whether the other side speaks TLS, where connecting failed. The error doesn't say so: a Redis without TLS takes what begins
//! TLS for a command, and waits for its end; one with TLS hangs up on a command.

use std::time::Duration;

use redis::ConnectionAddr;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::Failed;

/// How long the other side may take to show what it speaks.
const LIMIT: Duration = Duration::from_secs(1);
/// What each Redis without TLS answers, if only by an error: a line that begins with one of [`ANSWERS`].
const PING: &[u8] = b"PING\r\n";
const ANSWERS: [u8; 2] = *b"+-";
/// A record of TLS with a `ClientHello` that is empty, which is answered by an alert.
const EMPTY_HELLO: &[u8] = &[22, 3, 1, 0, 4, 1, 0, 0, 0];
/// How a record of TLS begins that is an alert, or the answer to a `ClientHello`.
const RECORDS: [u8; 2] = [21, 22];

/// What is the matter, where the other side plainly speaks TLS and wasn't spoken to so, or the other way round.
pub(super) async fn mismatch(address: &ConnectionAddr) -> Option<Failed> {
    match address {
        ConnectionAddr::TcpTls { host, port, .. } => {
            let first = first_of_answer(host, *port, PING).await?;
            ANSWERS.contains(&first).then_some(Failed::SpeaksNoTls)
        }
        ConnectionAddr::Tcp(host, port) => {
            let first = first_of_answer(host, *port, EMPTY_HELLO).await?;
            RECORDS.contains(&first).then_some(Failed::SpeaksTls)
        }
        _ => None,
    }
}

async fn first_of_answer(host: &str, port: u16, sent: &[u8]) -> Option<u8> {
    let asked = async {
        let mut stream = TcpStream::connect((host, port)).await.ok()?;
        stream.write_all(sent).await.ok()?;
        stream.read_u8().await.ok()
    };
    timeout(LIMIT, asked).await.ok()?
}
