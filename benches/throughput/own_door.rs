//! A door in a process of its own.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::bail;
use chatbot_worker::amqp::Names;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};

use crate::{
    contestant::{WORKER, worker},
    http, process,
};

/// How long the door may take until it can ask.
const PATIENCE: Duration = Duration::from_secs(30);

/// A door in a process of its own; killed when dropped.
pub(crate) struct Door {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Door {
    pub(crate) async fn open(url: &str, names: &Names) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(WORKER);
        // As the worker's, without its command.
        for (name, value) in worker(Path::new(WORKER), url, names).get_envs() {
            match value {
                Some(value) => _ = command.env(name, value),
                None => _ = command.env_remove(name),
            }
        }
        command.arg("serve").env("CHATBOT_DOOR_LISTEN", address.to_string());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let door = Self { child, address };
        let begin = Instant::now();
        loop {
            if let Ok(stream) = TcpStream::connect(address).await {
                let mut stream = tokio::io::BufReader::new(stream);
                stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
                if http::answer_head(&mut stream).await?.0 == 200 {
                    return Ok(door);
                }
            }
            if begin.elapsed() > PATIENCE {
                bail!("the door isn't ready after {PATIENCE:?}");
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The memory that it holds, in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        process::memory(self.child.id())
    }

    /// The processor time that it has used.
    pub(crate) fn processor_time(&self) -> anyhow::Result<Duration> {
        process::processor_time(self.child.id())
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
