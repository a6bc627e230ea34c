//! Whether a service can be reached: its name is known, something listens, TLS holds. Nothing is sent to it.
//!
//! **Invariant:** the way is the one that a request takes, proxies and certificates included, and ends where the request
//! would begin.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::time::{Instant, timeout_at};
use tower_layer::Layer;
use tower_service::Service;

use super::{Connection, Failure, ServiceError, endpoint};

/// Stands for a connection that is there, in place of the request that would be sent over it.
#[derive(Debug)]
struct Reached;

/// Lets connections be made, and none be used.
#[derive(Debug, Clone)]
struct UpToHere<S>(S);

#[derive(Debug, Clone)]
struct Stopping;

type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Connects to a service, and sends it nothing.
///
/// # Errors
/// [`ServiceError`], where there is no connection until `deadline`.
pub async fn reach(name: &Arc<str>, connection: Connection, deadline: Instant) -> Result<(), ServiceError> {
    let url = connection.url.clone();
    let client = endpoint::client(&connection)
        .and_then(|client| client.connector_layer(Stopping).build().map_err(|error| endpoint::innermost(&error)));
    let client = client.map_err(|reason| ServiceError::new(name, Failure::Internal, reason))?;
    match timeout_at(deadline, client.head(url).send()).await {
        Ok(Err(error)) if is_reached(&error) => Ok(()),
        Ok(Err(error)) => Err(ServiceError::new(name, Failure::Unreachable, endpoint::innermost(&error))),
        // No connection is ever used.
        Ok(Ok(_)) => Ok(()),
        Err(_) => Err(ServiceError::new(name, Failure::Timeout, "no connection in time")),
    }
}

fn is_reached(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.is::<Reached>() {
            return true;
        }
        cause = error.source();
    }
    false
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it can be reached, and nothing was to be sent")
    }
}

impl std::error::Error for Reached {}

impl<S> Layer<S> for Stopping {
    type Service = UpToHere<S>;

    fn layer(&self, connector: S) -> UpToHere<S> {
        UpToHere(connector)
    }
}

impl<S, R> Service<R> for UpToHere<S>
where
    S: Service<R, Error = Failed>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = Failed;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, Failed>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, to: R) -> Self::Future {
        let connecting = self.0.call(to);
        Box::pin(async move {
            connecting.await?;
            Err(Failed::from(Reached))
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::time::Duration;

    use super::*;
    use crate::outbound::stub::{Act, Stub};

    async fn reached(url: &str) -> Result<(), ServiceError> {
        let timeout = Duration::from_secs(20);
        let url = url.parse().unwrap();
        let connection =
            Connection { url, local: true, key: None, ca: None, connect_timeout: timeout, max_response: 1024 };
        reach(&"x".into(), connection, Instant::now() + timeout).await
    }

    #[tokio::test]
    async fn what_listens_is_reached_and_nothing_is_sent_to_it() {
        let stub = Stub::start(|_| Act::Close).await;
        reached(&stub.url).await.unwrap();
        assert_eq!(stub.seen().len(), 0);
        // What listens there speaks no TLS.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let closing = tokio::spawn(async move { drop(listener.accept().await) });
        let error = reached(&url).await.unwrap_err();
        closing.await.unwrap();
        assert_eq!(error.failure, Failure::Unreachable, "{error}");
        let error = reached("http://127.0.0.1:1/orders").await.unwrap_err();
        assert!(error.failure == Failure::Unreachable && error.reason.contains("refused"), "{error}");
        let error = reached("http://nobody.invalid/").await.unwrap_err();
        assert_eq!(error.failure, Failure::Unreachable, "{error}");
    }
}
