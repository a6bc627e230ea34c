//! A request's body, bounded in size and in time.

use std::time::Duration;

use axum::body::{Body, HttpBody, to_bytes};
use bytes::Bytes;
use http_body_util::BodyExt;
use tokio::time::timeout;

use super::fault::{Code, Fault};
use crate::domain::ErrorCode;

/// How long a body may take to come.
const TIME: Duration = Duration::from_secs(30);
/// How long, and how much of it, a body that is refused is taken and thrown away: a connection that is closed with something
/// left to read is reset, and its client may never see why.
const LINGERS: Duration = Duration::from_secs(1);
const TAKEN: usize = 1 << 20;

/// The whole body.
///
/// # Errors
/// Where it is larger than `most` bytes, takes too long, or ends before its end.
pub(super) async fn read(body: Body, most: usize) -> Result<Bytes, Fault> {
    let limit = format!("the body has more than the {most} bytes that are accepted");
    // What says so beforehand isn't kept.
    if body.size_hint().lower() > most as u64 {
        let _ = timeout(LINGERS, take(body)).await;
        return Err(Fault::new(Code::Contract(ErrorCode::PayloadTooLarge), limit));
    }
    match timeout(TIME, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(error)) if is_too_long(&error) => Err(Fault::new(Code::Contract(ErrorCode::PayloadTooLarge), limit)),
        Ok(Err(_)) => Err(Fault::invalid("the body ended before its end")),
        Err(_) => Err(Fault::new(Code::RequestTimeout, format!("the body didn't come within {TIME:?}"))),
    }
}

/// Takes a body, as far as it is taken at all.
async fn take(mut body: Body) {
    let mut taken = 0;
    while let Some(Ok(frame)) = body.frame().await {
        taken += frame.data_ref().map_or(0, Bytes::len);
        if taken > TAKEN {
            return;
        }
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<http_body_util::LengthLimitError>())
}
