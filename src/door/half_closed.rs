//! Clients that close their sending side once they have asked (shutdown(2), as `nc -N` does), and those that left: TCP tells
//! both alike.
//!
//! **Invariant:** while a request is being answered, the end of what its client sends is kept back, for [`STAYS`] after the
//! last that it took of its answer; then it means that the client left. Where none is, it means so at once.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{body::Body, http::StatusCode, response::Response};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// How long a client that sends nothing more is taken to be there still, and to wait for its answer.
const STAYS: Duration = Duration::from_secs(5);

/// A connection whose end is kept back.
pub(super) struct HalfClosed<S> {
    stream: S,
    under_way: UnderWay,
    /// Set once the client has closed its side.
    ends: Option<Pin<Box<Sleep>>>,
    /// Whether some of an answer may be left to write.
    is_writing: bool,
}

/// How many requests of a connection are being answered; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct UnderWay(Arc<AtomicUsize>);

/// One of them, until dropped.
pub(super) struct One(UnderWay);

impl UnderWay {
    pub(super) fn one(&self) -> One {
        self.0.fetch_add(1, Ordering::AcqRel);
        One(self.clone())
    }
}

impl One {
    /// An answer with which the request is answered once its body is over; at once where it is a WebSocket that begins.
    pub(super) fn with(self, response: Response) -> Response {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return response;
        }
        response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let _kept = &self;
                frame
            }))
        })
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<S> HalfClosed<S> {
    pub(super) fn new(stream: S, under_way: UnderWay) -> Self {
        Self { stream, under_way, ends: None, is_writing: false }
    }

    /// Notes what became of writing: whoever takes something is there. (A client that left answers with a reset.)
    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.is_writing = true;
        if let (Poll::Ready(Ok(_)), Some(ends)) = (&written, &mut self.ends) {
            ends.as_mut().reset(Instant::now() + STAYS);
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HalfClosed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ends.is_none() {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
            if buffer.filled().len() > before || buffer.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        if self.under_way.0.load(Ordering::Acquire) == 0 && !self.is_writing {
            return Poll::Ready(Ok(()));
        }
        self.ends.get_or_insert_with(|| Box::pin(sleep(STAYS))).as_mut().poll(context).map(Ok)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HalfClosed<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Asked for once all is written.
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        self.is_writing = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
