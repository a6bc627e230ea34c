//! The doors: HTTP and WebSocket, in the forms that clients have already, and a page to talk to the bot.
//!
//! A door is a client of RabbitMQ like any other ([`crate::amqp::asking`]): it asks, and waits for the answer. So the promise
//! stays one, and doors may be as many as there is need for.
//!
//! [`server`] has the connections, [`around`] what holds for every request; [`talk`] is from what a client says to what the bot
//! is asked; [`own`], [`openai`] and [`rasa`] are forms of it.
//!
//! **Invariant:** every request is answered, in its own form; no request, header, frame or answer panics, or takes memory that
//! isn't bounded.

mod around;
mod body;
mod described;
mod fault;
mod half_closed;
mod inbox;
pub mod keys;
mod now_and_then;
mod openai;
mod origins;
mod own;
mod page;
mod paths;
mod rasa;
mod reply;
mod server;
mod sockets;
mod talk;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::State, http::StatusCode, middleware, response::IntoResponse, routing::get};
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use self::{
    inbox::Inbox,
    keys::{Keys, Network},
    now_and_then::{EachNowAndThen, EachOnce, NowAndThen},
    origins::Origins,
    sockets::Sockets,
    talk::Talk,
};
use crate::amqp::{
    Names,
    asking::{Asker, Running},
    connection::{address::Broker, error::ConnectError},
};

/// The door's plain settings.
pub struct Settings {
    pub keys: Keys,
    pub trusted_proxies: Vec<Network>,
    /// The longest that an answer is waited for.
    pub timeout: Duration,
    /// The most bytes of a request's body.
    pub max_body: usize,
    pub max_connections: usize,
    /// How long what is under way may take once the door is told to stop.
    pub grace: Duration,
}

/// A door that isn't open yet.
pub struct Door {
    talk: Arc<Talk>,
    running: Running,
    listener: TcpListener,
    max_connections: usize,
    grace: Duration,
}

impl Door {
    /// Binds an address; port 0 picks one.
    ///
    /// # Errors
    /// The system's, such as that the address is in use.
    pub async fn bind(address: SocketAddr, broker: Broker, names: Names, settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let inbox = Arc::new(Inbox::default());
        let heard = inbox.clone();
        let (asker, running) = Asker::new(broker, names, Box::new(move |body| heard.said(body)));
        let Settings { keys, trusted_proxies, timeout, max_body, max_connections, grace } = settings;
        let origins = Origins { trusted_proxies, is_local: address.ip().is_loopback() };
        let talk = Arc::new(Talk {
            asker,
            inbox,
            keys,
            origins,
            timeout,
            max_body,
            told_of_wrong_keys: NowAndThen::default(),
            told_of_origins: EachNowAndThen::default(),
            told_of_secrets: EachOnce::default(),
        });
        Ok(Self { talk, running, listener, max_connections, grace })
    }

    /// The address that was bound.
    ///
    /// # Errors
    /// The system's.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// What tells whether the bot can be asked now.
    pub fn asker(&self) -> Asker {
        self.talk.asker.clone()
    }

    /// Answers until told to stop; then what is under way is finished, within the time of grace.
    ///
    /// # Errors
    /// [`ConnectError`] where the broker refuses the user from the start.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ConnectError> {
        let Self { talk, running, listener, max_connections, grace } = self;
        let (sockets, asks) = (Sockets::default(), CancellationToken::new());
        let router = router(talk.clone(), sockets.clone());
        let keys_read = async {
            let mut before = talk.keys.entries();
            loop {
                // For the sake of open sockets, which ask nothing.
                sleep(keys::BETWEEN_LOOKS).await;
                let now = talk.keys.entries();
                if !Arc::ptr_eq(&before, &now) {
                    sockets.keys_read.send_replace(());
                }
                before = now;
            }
        };
        let asking = running.run(asks.clone());
        let serving = async {
            let leaving = async {
                stop.cancelled().await;
                sockets.stop.cancel();
            };
            tokio::join!(server::serve(listener, router, max_connections, stop.clone(), grace), leaving);
            sockets.open.close();
            let _ = timeout(grace, sockets.open.wait()).await;
            asks.cancel();
        };
        tokio::pin!(asking);
        tokio::select! {
            asked = &mut asking => asked,
            () = serving => asking.await,
            never = keys_read, if talk.keys.are_required() => never,
        }
    }
}

fn router(talk: Arc<Talk>, sockets: Sockets) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz).with_state(talk.clone()))
        .merge(own::routes(talk.clone(), sockets))
        .merge(openai::routes(talk.clone()))
        .merge(rasa::routes(talk.clone()))
        .merge(page::routes(talk.clone()))
        .merge(described::routes())
        .fallback(paths::unknown)
        .method_not_allowed_fallback(paths::other_method)
        .layer(middleware::from_fn_with_state(talk, around::around))
}

async fn readyz(State(talk): State<Arc<Talk>>) -> impl IntoResponse {
    let is_ready = *talk.asker.readiness().borrow();
    match is_ready {
        true => (StatusCode::OK, "ready\n"),
        false if talk.asker.is_missing() => (StatusCode::SERVICE_UNAVAILABLE, "not ready: no worker has run yet\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready: no session with the broker; the log says why\n"),
    }
}
