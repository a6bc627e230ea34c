//! Connections: accepted up to a number, each bounded in how long and how much its head may be.
//!
//! **Invariant:** whoever connects and says nothing, or says it slowly, or takes what is sent slowly, loses its connection; and
//! holds up nobody.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use metrics::gauge;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_service::Service;

use super::half_closed::{HalfClosed, UnderWay};

/// How long the head of a request may take to come, and a connection stay without one.
const HEAD: Duration = Duration::from_secs(15);
/// The most bytes of a head; a line of a request and its headers.
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADERS: usize = 100;
/// How long what is sent may be left untaken.
const UNTAKEN: Duration = Duration::from_secs(30);
/// The pause after a connection that can't be accepted, for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until told to stop; then lets what is under way finish, for so long.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    most: usize,
    stop: CancellationToken,
    grace: Duration,
) {
    let (places, open) = (Arc::new(Semaphore::new(most)), TaskTracker::new());
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the door can't accept a connection");
                sleep(PAUSE).await;
                continue;
            }
        };
        let (router, peer) = (router.clone(), Peer { address: peer, _place: Arc::new(place) });
        let under_way = UnderWay::default();
        let mut stream = TimeoutStream::new(HalfClosed::new(stream, under_way.clone()));
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            let (answer, one) = (router.clone().call(request), under_way.one());
            async { answer.await.map(|response| one.with(response)) }
        });
        stream.set_write_timeout(Some(UNTAKEN));
        let stream = TokioIo::new(Box::pin(stream));
        let (connection, stops) = (http.serve_connection(stream, service).with_upgrades(), stop.clone());
        open.spawn(async move {
            let mut connection = std::pin::pin!(connection);
            let connections = gauge!("chatbot_door_connections");
            connections.increment(1);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stops.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            // Why one ended is its client's affair: it left, was slow, or spoke no HTTP.
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection to the door ended");
            }
            connections.decrement(1);
        });
    }
    drop(listener);
    open.close();
    if timeout(grace, open.wait()).await.is_err() {
        tracing::warn!("the door stopped; some answers took longer than the grace time");
    }
}

/// Where a request comes from. Its connection has its place for as long as this is kept.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    _place: Arc<Place>,
}

type Place = tokio::sync::OwnedSemaphorePermit;

/// The next connection, once there is a place for it: those that come meanwhile wait in the system's queue.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(TcpStream, SocketAddr, Place)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}
