//! Health, metrics, and a page to watch the worker, over HTTP.
//!
//! **Invariant:** readiness is asked, never remembered: it is false the moment that a consumer is gone. `/livez` answers
//! from the worker's start on, whatever the worker waits for. Nothing here holds a text of a user, or changes anything. On
//! loopback, whoever calls it by another name is told nothing but its health.

mod page;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderName, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::host;

/// What is said to whoever calls a listener on loopback by another name.
const OTHER_NAME: &str = "this listens on this machine alone, and is called by another name in the header Host, as a page of another \
                          site could have it called: call it localhost. A proxy in front has to leave the name as it is here, or \
                          CHATBOT_HTTP_LISTEN to be another address\n";

#[derive(Clone)]
pub struct Served {
    /// Whether every part is ready now: the worker's consumers, the door; not set while the worker trains its model.
    pub ready: Arc<OnceLock<Vec<watch::Receiver<bool>>>>,
    /// The metrics.
    pub metrics: PrometheusHandle,
    /// What the page to watch it shows beside the metrics; not set while the worker trains its model, and never for a door.
    pub watched: Arc<OnceLock<Watched>>,
}

/// What is known of workers and queues, as JSON.
pub struct Watched {
    /// Who is alive.
    pub workers: Box<Tells>,
    /// What waits in the queues.
    pub queues: Box<Tells>,
}

/// Tells something, at once.
pub type Tells = dyn Fn() -> String + Send + Sync;

/// Binds the address; port 0 picks one.
///
/// # Errors
/// The system's, such as that the address is in use.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until told to stop.
///
/// # Errors
/// The system's, where the listener fails.
pub async fn serve(listener: TcpListener, served: Served, stop: CancellationToken) -> io::Result<()> {
    let mut watching: Router<Served> = Router::new()
        .route("/metrics", get(metrics))
        .route("/workers", get(async |watched| told(watched, |watched| &watched.workers)))
        .route("/queues", get(async |watched| told(watched, |watched| &watched.queues)))
        .merge(page::routes());
    if listener.local_addr()?.ip().is_loopback() {
        watching = watching.layer(middleware::from_fn(by_its_own_name));
    }
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .merge(watching)
        .with_state(served);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}

/// Lets in who calls this by a name of this machine. Who names none, as in HTTP/1.0, is no browser.
async fn by_its_own_name(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    match host.is_none_or(|host| host.to_str().is_ok_and(host::is_this_machine)) {
        true => next.run(request).await,
        false => (StatusCode::FORBIDDEN, OTHER_NAME).into_response(),
    }
}

async fn readyz(State(served): State<Served>) -> impl IntoResponse {
    match served.ready.get().map(|parts| parts.iter().all(|part| *part.borrow())) {
        Some(true) => (StatusCode::OK, "ready\n"),
        Some(false) => (StatusCode::SERVICE_UNAVAILABLE, "not ready: no session with the broker; the log says why\n"),
        None => (StatusCode::SERVICE_UNAVAILABLE, "not ready: training the intent model\n"),
    }
}

/// What is told, or `null` where there is nothing to tell.
fn told(State(served): State<Served>, what: impl Fn(&Watched) -> &Tells) -> impl IntoResponse {
    let told = served.watched.get().map_or_else(|| "null".to_owned(), |watched| what(watched)());
    (JSON, told)
}

/// The headers of what is told; no page of another site may use it.
const JSON: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "application/json"),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

async fn metrics(State(served): State<Served>) -> impl IntoResponse {
    served.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], served.metrics.render())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use metrics_exporter_prometheus::PrometheusBuilder;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;

    #[tokio::test]
    async fn on_loopback_who_calls_it_by_another_name_is_told_its_health_alone() {
        const EVIL: &str = "host: rebound.example\r\n";
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let served = Served { ready: Arc::default(), metrics, watched: Arc::default() };
        for (listen, told) in [("127.0.0.1:0", "403"), ("0.0.0.0:0", "200")] {
            let listener = bind(listen.parse().unwrap()).await.unwrap();
            let port = listener.local_addr().unwrap().port();
            let (served, stop) = (served.clone(), CancellationToken::new());
            let serving = tokio::spawn(serve(listener, served, stop.clone()));
            let check = async |path: &str, host: &str, expected: &str| {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                let version = if host.is_empty() { "1.0" } else { "1.1" };
                let request = format!("GET {path} HTTP/{version}\r\n{host}connection: close\r\n\r\n");
                stream.write_all(request.as_bytes()).await.unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await.unwrap();
                assert_eq!(answer.split(' ').nth(1), Some(expected), "{listen} {path} {host}: {answer}");
            };
            for path in ["/", "/page/main.js", "/metrics", "/workers", "/queues"] {
                check(path, EVIL, told).await;
                check(path, "host: localhost:8080\r\n", "200").await;
                check(path, "host: [::1]:8080\r\n", "200").await;
                check(path, "", "200").await;
            }
            check("/livez", EVIL, "200").await;
            check("/readyz", EVIL, "503").await;
            stop.cancel();
            serving.await.unwrap().unwrap();
        }
    }
}
