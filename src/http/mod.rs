//! Health, metrics, and a page to watch the worker, over HTTP.
//!
//! **Invariant:** readiness is asked, never remembered: it is false the moment that a consumer is gone. `/livez` answers
//! from the worker's start on, whatever the worker waits for. Nothing here holds a text of a user, or changes anything.

mod page;

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

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
    let router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/workers", get(async |watched| told(watched, |watched| &watched.workers)))
        .route("/queues", get(async |watched| told(watched, |watched| &watched.queues)))
        .merge(page::routes())
        .with_state(served);
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
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
