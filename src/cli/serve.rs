//! `serve`: the door to the web, in a process of its own.

use std::{
    fmt::Display,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
};

use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{Exit, Failure, setup, signals};
use crate::{
    amqp::connection::error::ConnectError,
    app::{self, DoorFault},
    config::Origin,
    door::Door,
    http::{self, Served},
    telemetry,
};

/// Where it listens unless the settings say.
pub(super) const LISTENS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8000);

pub(super) const HELP: &str = "\
The door asks the bot over RabbitMQ, as any client does; so it needs a worker that runs, here or elsewhere, and there may
be several doors. It listens on CHATBOT_DOOR_LISTEN, else on 127.0.0.1:8000:
  /                        a page to talk to the bot; /widget.js puts it into any page
  /api/messages            the bot's own form: JSON, or server-sent events
  /api/socket              the same over a WebSocket
  /v1/chat/completions     OpenAI's form, also streamed; /v1/models
  /webhooks/rest/webhook   Rasa's form
  /livez /readyz           health

Examples:
  chatbot-worker serve
  curl -d '{\"body\": \"我想退货\"}' http://127.0.0.1:8000/api/messages
  CHATBOT_DOOR_LISTEN=0.0.0.0:8000 CHATBOT_DOOR_KEYS_PATH=keys.toml chatbot-worker serve

The first Ctrl-C or SIGTERM lets answers that are under way finish, for CHATBOT_WORKER_SHUTDOWN_GRACE at most; the second
ends at once. A broker that is away is waited for, and the door answers 503 meanwhile. `run` opens the door as well, where
CHATBOT_DOOR_LISTEN is set. Metrics are served only where CHATBOT_HTTP_LISTEN is set.

Exit codes:
    0  stopped, when told to
   71  the operating system refuses something, or an address is in use
   77  the broker refuses the user
   78  the settings aren't as they must be
  130  ended by a second Ctrl-C or SIGTERM";

/// Opens the door, until told to stop.
pub(super) fn run() -> Result<Exit, Failure> {
    let loaded = setup::settings()?;
    let settings = loaded.settings;
    setup::log(&settings);
    for notice in &loaded.notices {
        tracing::info!("{notice}");
    }
    let metrics = telemetry::start_metrics().map_err(|error| Failure::new(Exit::Os, error))?;
    let is_set = |setting: &crate::config::Effective| setting.key == "http.listen" && setting.origin != Origin::Default;
    let health = settings.http.listen.get().filter(|_| loaded.effective.iter().any(is_set));
    setup::runtime()?.block_on(async {
        let stop = CancellationToken::new();
        signals::watch(stop.clone(), || {
            tracing::info!("stopping: answers under way are finished first; once more ends at once");
        })?;
        let address = settings.door.listen.get().map_or(LISTENS, |listen| listen.get());
        let door = open(&settings, address).await?;
        let (ready, _serving) =
            (Arc::new(OnceLock::new()), AbortOnDropHandle::new(tokio::spawn(telemetry::upkeep(metrics.clone()))));
        let _health = match health {
            Some(address) => {
                let served = Served { ready: ready.clone(), metrics, watched: Arc::default() };
                let listener = http::bind(address.get()).await.map_err(|error| deaf(address, &error))?;
                let _ = ready.set(vec![door.asker().readiness()]);
                Some(AbortOnDropHandle::new(tokio::spawn(http::serve(listener, served, stop.clone()))))
            }
            None => None,
        };
        door.run(stop).await.map_err(refused)?;
        tracing::info!("stopped");
        Ok(Exit::Ok)
    })
}

/// Opens the door on an address, and tells where it is.
///
/// # Errors
/// Where it can't be opened.
pub(super) async fn open(settings: &app::settings::Settings, address: SocketAddr) -> Result<Door, Failure> {
    let door = app::door(settings, address).await.map_err(|error| {
        let exit = if let DoorFault::Listen(_, error) = &error { taken(error) } else { Exit::Config };
        Failure::new(exit, error)
    })?;
    match door.address() {
        Ok(address) => tracing::info!("the door is open: http://{address}/"),
        Err(error) => tracing::warn!(%error, "the door has no address"),
    }
    Ok(door)
}

/// That CHATBOT_HTTP_LISTEN can't be listened on.
pub(super) fn deaf(address: impl Display, error: &io::Error) -> Failure {
    let message = format!("CHATBOT_HTTP_LISTEN: can't listen on {address}: {error}; choose another, or off");
    Failure::new(taken(error), message)
}

/// How the program ends where an address can't be listened on. Whoever has it may just be ending: then whoever starts this
/// again does well.
fn taken(error: &io::Error) -> Exit {
    if error.kind() == io::ErrorKind::AddrInUse { Exit::Os } else { Exit::Config }
}

/// That the broker refuses the door's user.
pub(super) fn refused(error: ConnectError) -> Failure {
    Failure::new(Exit::Refused, error)
}
