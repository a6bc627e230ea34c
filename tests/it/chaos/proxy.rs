//! A TCP proxy in front of a broker, with the faults of a network.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// Which way bytes go.
#[derive(Clone, Copy)]
pub enum Way {
    /// To the broker.
    Up,
    /// From the broker.
    Down,
}

/// A proxy; it ends when dropped.
pub struct Proxy {
    network: Arc<Network>,
    listening: SocketAddr,
    accepting: JoinSet<()>,
    url: String,
}

struct Network {
    broker: String,
    /// Whether bytes are carried, up and down; else they are held.
    carries: [watch::Sender<bool>; 2],
    delay_ms: AtomicU64,
    /// Counts how often all connections were cut.
    cuts: watch::Sender<u64>,
}

impl Proxy {
    /// Listens on a free port for the node of this AMQP URL.
    pub async fn start(url: &str) -> Self {
        let (user, rest) = url.split_once('@').unwrap();
        let (broker, vhost) = rest.split_once('/').unwrap();
        let network = Network {
            broker: broker.to_owned(),
            carries: [watch::Sender::new(true), watch::Sender::new(true)],
            delay_ms: AtomicU64::new(0),
            cuts: watch::Sender::new(0),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let listening = listener.local_addr().unwrap();
        let mut this = Self {
            network: Arc::new(network),
            listening,
            accepting: JoinSet::new(),
            url: format!("{user}@{listening}/{vhost}"),
        };
        this.accept(listener);
        this
    }

    /// The broker's URL, by way of the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    fn accept(&mut self, listener: TcpListener) {
        let network = self.network.clone();
        self.accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(network.clone().carry(client));
            }
        });
    }

    /// Resets every connection; new ones are carried.
    pub fn cut(&self) {
        self.network.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Resets every connection, and refuses new ones.
    pub async fn refuse(&mut self) {
        self.accepting.shutdown().await;
        self.cut();
    }

    /// Holds what goes this way; connections stand, and new ones are accepted.
    pub fn hold(&self, way: Way) {
        self.network.carries[way as usize].send_replace(false);
    }

    /// Carries everything so much later.
    pub fn delay(&self, by: Duration) {
        self.network.delay_ms.store(u64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// Ends every fault; what was held is carried.
    pub async fn heal(&mut self) {
        self.delay(Duration::ZERO);
        for carries in &self.network.carries {
            carries.send_replace(true);
        }
        if self.accepting.is_empty() {
            self.accept(TcpListener::bind(self.listening).await.unwrap());
        }
    }
}

impl Network {
    async fn carry(self: Arc<Self>, client: TcpStream) {
        let mut cuts = self.cuts.subscribe();
        let broker = tokio::select! {
            broker = TcpStream::connect(&self.broker) => broker,
            _ = cuts.changed() => return,
        };
        let Ok(broker) = broker else { return };
        for stream in [&client, &broker] {
            stream.set_nodelay(true).unwrap();
            stream.set_zero_linger().unwrap(); // an end is a reset
        }
        let ((from_client, to_client), (from_broker, to_broker)) = (client.into_split(), broker.into_split());
        tokio::select! {
            () = self.pump(Way::Up, from_client, to_broker) => {}
            () = self.pump(Way::Down, from_broker, to_client) => {}
            _ = cuts.changed() => {}
        }
    }

    async fn pump(&self, way: Way, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        // Bounded, so that a fast sender feels a slow receiver, as through a network.
        let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(256);
        let read = async {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(size @ 1..) = from.read(&mut buffer).await {
                let due = Instant::now() + Duration::from_millis(self.delay_ms.load(Ordering::Relaxed));
                if sender.send((due, buffer[..size].to_vec())).await.is_err() {
                    break;
                }
            }
            drop(sender); // ends the writing
        };
        let write = async {
            let mut carries = self.carries[way as usize].subscribe();
            while let Some((due, chunk)) = chunks.recv().await {
                sleep_until(due).await;
                let carried = carries.wait_for(|carries| *carries).await.is_ok();
                if !carried || to.write_all(&chunk).await.is_err() {
                    break;
                }
            }
        };
        tokio::join!(read, write);
    }
}
