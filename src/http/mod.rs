//! Health and metrics over HTTP.
//!
//! **Invariant:** readiness is asked, never remembered: it is false the moment that a consumer is gone. `/livez` answers
//! from the worker's start on, whatever the worker waits for.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
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
}

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

async fn metrics(State(served): State<Served>) -> impl IntoResponse {
    served.metrics.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], served.metrics.render())
}
