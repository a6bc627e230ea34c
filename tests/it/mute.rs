//! A TCP proxy that can swallow a worker's acks: its replies are confirmed, and the broker delivers again all the same.

use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
    task::JoinSet,
};

/// What the name of a worker's consuming connection ends with; the client tells it when it logs in.
const CONSUMING: &[u8] = b" consume";

/// The proxy; it ends when dropped.
pub struct Mute {
    pub url: String,
    state: Arc<watch::Sender<State>>,
    _accepting: JoinSet<()>,
}

#[derive(Default)]
struct State {
    swallows: bool,
    refuses: bool,
    /// How often everything was cut.
    cuts: u32,
}

impl Mute {
    /// Listens on a free port for the node of this AMQP URL.
    pub async fn start(url: &str) -> Self {
        let (user, rest) = url.split_once('@').unwrap();
        let (broker, vhost) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{user}@{}/{vhost}", listener.local_addr().unwrap());
        let state = Arc::new(watch::Sender::new(State::default()));
        let mut accepting = JoinSet::new();
        let (broker, states) = (broker.to_owned(), state.clone());
        accepting.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((worker, _)) = listener.accept().await {
                if !states.borrow().refuses {
                    connections.spawn(carry(worker, broker.clone(), states.clone()));
                }
            }
        });
        Self { url, state, _accepting: accepting }
    }

    /// Swallows what the consuming connections say from now on.
    pub fn swallow_acks(&self) {
        self.state.send_modify(|state| state.swallows = true);
    }

    /// Cuts every connection; new ones are carried as they should be.
    pub fn cut(&self) {
        self.state.send_modify(|state| *state = State { cuts: state.cuts + 1, ..State::default() });
    }

    /// Cuts every connection, and lets no new one in.
    pub fn cut_for_good(&self) {
        self.state.send_modify(|state| *state = State { cuts: state.cuts + 1, refuses: true, swallows: false });
    }
}

async fn carry(worker: TcpStream, broker: String, state: Arc<watch::Sender<State>>) {
    let mut changes = state.subscribe();
    let cuts = changes.borrow_and_update().cuts;
    let broker = TcpStream::connect(broker).await.unwrap();
    let ((from_worker, to_worker), (from_broker, to_broker)) = (worker.into_split(), broker.into_split());
    let (mut from_broker, mut to_worker) = (from_broker, to_worker);
    tokio::select! {
        () = up(from_worker, to_broker, &state, cuts) => {}
        _ = copy(&mut from_broker, &mut to_worker) => {}
        _ = changes.wait_for(|state| state.cuts != cuts) => {}
    }
}

async fn up(mut from_worker: OwnedReadHalf, mut to_broker: OwnedWriteHalf, state: &watch::Sender<State>, cuts: u32) {
    let (mut buffer, mut consumes) = (vec![0; 64 * 1024], false);
    while let Ok(size @ 1..) = from_worker.read(&mut buffer).await {
        let said = &buffer[..size];
        consumes |= said.windows(CONSUMING.len()).any(|window| window == CONSUMING);
        // What is said when the cut has been told, and not yet made, isn't carried either.
        let swallowed = {
            let state = state.borrow();
            consumes && state.swallows || state.cuts != cuts
        };
        if !swallowed && to_broker.write_all(said).await.is_err() {
            break;
        }
    }
}
