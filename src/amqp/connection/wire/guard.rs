//! The stream between the socket (or TLS) and lapin, with every frame from the broker mended on its way.
//!
//! **Invariant:** lapin never sees a byte of a method or content header frame before the whole frame was looked at;
//! bodies and heartbeats pass as they come.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use futures_util::io::{AsyncRead, AsyncWrite};

use super::frame::{Blemish, Told, cut_header, mend_header, mend_method};

const METHOD: u8 = 1;
const HEADER: u8 = 2;
/// Type, channel and size, before the payload.
const PREFIX: usize = 7;
/// What ends every frame.
const FRAME_END: u8 = 0xce;
/// Bytes asked of the socket at a time.
const CHUNK: usize = 16 * 1024;
/// A buffer larger than this is given back once it is empty.
const LARGE: usize = 128 * 1024;
/// The class and method of `connection.start`, with which the broker introduces itself.
const START: [u8; 4] = [0, 10, 0, 10];
/// The largest method or header frame looked at whole; larger than any `frame_max` in use.
const MAX_FRAME: usize = 1024 * 1024;

/// What was seen on one connection: the deliveries that were mended, until they are asked for; what came back; and how
/// the broker introduced itself, which lapin keeps to itself.
#[derive(Debug, Default)]
pub struct Mended {
    returns: Returns,
    start: OnceLock<Vec<u8>>,
    count: AtomicUsize,
    deliveries: Mutex<HashMap<(u16, u64), Vec<Blemish>>>,
}

/// How many messages came back, by exchange and routing key.
///
/// lapin gives a return to whichever publish on the channel is confirmed next, which with several in flight is often
/// another. The broker sends a return before the confirm of its message, so whoever sees no more returns of its address
/// after its confirm than before it published knows that its message wasn't returned. Addresses share counters by their
/// hash; a return of another's is then taken for one's own, which at worst makes a duplicate.
#[derive(Debug)]
pub(crate) struct Returns(Box<[AtomicUsize]>);

impl Default for Returns {
    fn default() -> Self {
        Self((0..1024).map(|_| AtomicUsize::new(0)).collect())
    }
}

impl Returns {
    fn add(&self, exchange: &str, routing_key: &str) {
        if let Some(counter) = self.counter(exchange, routing_key) {
            counter.fetch_add(1, Ordering::Release);
        }
    }

    /// The counter of an address: how many came back so far.
    pub(crate) fn counter(&self, exchange: &str, routing_key: &str) -> Option<&AtomicUsize> {
        let mut hasher = DefaultHasher::new();
        (exchange, routing_key).hash(&mut hasher);
        let counters = u64::try_from(self.0.len()).unwrap_or(1);
        self.0.get(usize::try_from(hasher.finish() % counters).unwrap_or(0))
    }
}

impl Mended {
    /// What came back.
    pub(crate) fn returns(&self) -> &Returns {
        &self.returns
    }

    /// What was mended on a delivery; nothing on most.
    pub fn take(&self, channel: u16, delivery_tag: u64) -> Vec<Blemish> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Vec::new();
        }
        let mut deliveries = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        let found = deliveries.remove(&(channel, delivery_tag)).unwrap_or_default();
        self.count.store(deliveries.len(), Ordering::Release);
        found
    }

    /// The payload of the broker's `connection.start`; none before it came.
    pub(crate) fn start(&self) -> Option<&[u8]> {
        self.start.get().map(Vec::as_slice)
    }

    fn add(&self, channel: u16, delivery_tag: u64, found: Vec<Blemish>) {
        let mut deliveries = self.deliveries.lock().unwrap_or_else(PoisonError::into_inner);
        deliveries.entry((channel, delivery_tag)).or_default().extend(found);
        self.count.store(deliveries.len(), Ordering::Release);
    }
}

/// A connection's stream with the frames from the broker mended.
#[derive(Debug)]
pub struct Guard<S> {
    inner: S,
    /// Room for what comes in; never cleared, as that would cost more than all the rest.
    buffer: Vec<u8>,
    /// How much of the buffer was handed on …
    handed: usize,
    /// … may be handed on …
    clean: usize,
    /// … and is filled.
    filled: usize,
    /// Bytes still to come of a frame that passes as it comes.
    passing: usize,
    /// The latest delivery's tag on each channel, for the content header that follows it.
    tags: HashMap<u16, u64>,
    mended: Arc<Mended>,
}

impl<S> Guard<S> {
    /// Guards a stream that hasn't carried anything yet.
    pub fn new(inner: S, mended: Arc<Mended>) -> Self {
        Self { inner, buffer: Vec::new(), handed: 0, clean: 0, filled: 0, passing: 0, tags: HashMap::new(), mended }
    }

    /// Looks at what came in, and marks what may be handed on.
    fn inspect(&mut self) {
        loop {
            let passed = self.passing.min(self.filled - self.clean);
            self.clean += passed;
            self.passing -= passed;
            let Some((frame_type, channel, size)) = self.buffer.get(self.clean..self.filled).and_then(prefix) else {
                return;
            };
            let mut whole = size.saturating_add(PREFIX + 1);
            if !matches!(frame_type, METHOD | HEADER) || whole > MAX_FRAME {
                self.passing = whole;
                continue;
            }
            let frame = self.buffer.get_mut(self.clean..self.filled).and_then(|rest| rest.get_mut(..whole));
            let Some(frame) = frame else { return };
            let payload = &mut frame[PREFIX..PREFIX + size];
            let mut found = Vec::new();
            if frame_type == METHOD {
                if channel == 0 && payload.starts_with(&START) {
                    let _ = self.mended.start.set(payload.to_vec());
                }
                match mend_method(payload, &mut found) {
                    Some(Told::Delivery(tag)) => {
                        self.tags.insert(channel, tag);
                    }
                    Some(Told::Returned { exchange, routing_key }) => self.mended.returns.add(&exchange, &routing_key),
                    None => {}
                }
            } else {
                mend_header(payload, &mut found);
                if let Some(cut) = cut_header(payload) {
                    found.push(Blemish::TooLarge);
                    whole = self.replace(whole, &cut);
                }
            }
            if let (false, Some(tag)) = (found.is_empty(), self.tags.get(&channel)) {
                self.mended.add(channel, *tag, found);
            }
            self.clean += whole;
        }
    }

    /// Puts a shorter payload in the place of the first frame that isn't clean, which has `whole` bytes; returns how many
    /// it has then.
    fn replace(&mut self, whole: usize, payload: &[u8]) -> usize {
        let (start, end) = (self.clean, self.clean + whole);
        let size = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
        let channel: Vec<u8> = self.buffer[start..start + 3].to_vec();
        let frame = channel.into_iter().chain(size).chain(payload.iter().copied()).chain([FRAME_END]);
        self.buffer.splice(start..end, frame);
        self.filled -= whole - (payload.len() + PREFIX + 1);
        payload.len() + PREFIX + 1
    }

    /// What was handed on makes room for what comes.
    fn make_room(&mut self) {
        if self.buffer.len() - self.filled >= CHUNK {
            return;
        }
        self.buffer.copy_within(self.handed..self.filled, 0);
        self.clean -= self.handed;
        self.filled -= self.handed;
        self.handed = 0;
        if self.buffer.len() - self.filled < CHUNK {
            self.buffer.resize(self.filled + 2 * CHUNK, 0);
        }
    }

    fn hand_on(&mut self, buf: &mut [u8]) -> usize {
        let length = buf.len().min(self.clean - self.handed);
        buf[..length].copy_from_slice(&self.buffer[self.handed..self.handed + length]);
        self.handed += length;
        if self.handed == self.filled {
            (self.handed, self.clean, self.filled) = (0, 0, 0);
            if self.buffer.len() > LARGE {
                self.buffer.truncate(CHUNK);
                self.buffer.shrink_to_fit();
            }
        }
        length
    }
}

/// A frame's type, channel and payload size, once its first seven bytes are there.
fn prefix(bytes: &[u8]) -> Option<(u8, u16, usize)> {
    let &[frame_type, c1, c2, s1, s2, s3, s4] = bytes.first_chunk::<PREFIX>()?;
    Some((frame_type, u16::from_be_bytes([c1, c2]), usize::try_from(u32::from_be_bytes([s1, s2, s3, s4])).ok()?))
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        while this.handed == this.clean && !buf.is_empty() {
            this.make_room();
            let length = ready!(Pin::new(&mut this.inner).poll_read(cx, &mut this.buffer[this.filled..]))?;
            if length == 0 {
                return Poll::Ready(Ok(0));
            }
            this.filled += length;
            this.inspect();
        }
        Poll::Ready(Ok(this.hand_on(buf)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use futures_util::AsyncReadExt;

    use super::*;

    /// Yields its chunks one read at a time.
    struct Chunks(Vec<Vec<u8>>);

    impl AsyncRead for Chunks {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            if self.0.is_empty() {
                return Poll::Ready(Ok(0));
            }
            let chunk = self.0.remove(0);
            buf[..chunk.len()].copy_from_slice(&chunk);
            Poll::Ready(Ok(chunk.len()))
        }
    }

    fn frame(frame_type: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len()).unwrap();
        [&[frame_type][..], &channel.to_be_bytes(), &size.to_be_bytes(), payload, &[0xce]].concat()
    }

    fn delivery(channel: u16, tag: u64, correlation_id: &[u8], body: &[u8]) -> Vec<u8> {
        let deliver = [&[0, 60, 0, 60, 1, b'c'][..], &tag.to_be_bytes(), &[0, 0, 1, b'k']].concat();
        let length = u8::try_from(correlation_id.len()).unwrap();
        let header = [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 4, 0, length][..], correlation_id].concat();
        [frame(1, channel, &deliver), frame(2, channel, &header), frame(3, channel, body)].concat()
    }

    #[tokio::test]
    async fn a_content_header_that_is_too_large_is_cut_and_the_frames_after_it_stay() {
        let deliver = [&[0, 60, 0, 60, 1, b'c'][..], &7_u64.to_be_bytes(), &[0, 0, 1, b'k']].concat();
        let table = [&b"\x01aS"[..], &200_000_u32.to_be_bytes(), &vec![b'x'; 200_000]].concat();
        let size = u32::try_from(table.len()).unwrap().to_be_bytes();
        let large = [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20, 0][..], &size, &table].concat();
        let small = [0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0];
        let rest = [frame(3, 1, b"x"), delivery(1, 8, b"id", b"y")].concat();
        let bytes = [frame(1, 1, &deliver), frame(2, 1, &large), rest.clone()].concat();
        let expected = [frame(1, 1, &deliver), frame(2, 1, &small), rest].concat();
        let mended = Arc::new(Mended::default());
        let chunks = bytes.chunks(CHUNK).map(<[u8]>::to_vec).collect();
        let mut seen = Vec::new();
        Guard::new(Chunks(chunks), mended.clone()).read_to_end(&mut seen).await.unwrap();
        assert_eq!(seen, expected);
        assert_eq!(mended.take(1, 7), [Blemish::TooLarge]);
        assert_eq!(mended.take(1, 8), []);
    }

    #[tokio::test]
    async fn frames_are_mended_however_the_bytes_arrive() {
        let bytes =
            [delivery(1, 1, b"good", b"\xff\xfe"), delivery(2, 9, b"\xff", b"x"), delivery(1, 2, b"ok", b"")].concat();
        let expected =
            [delivery(1, 1, b"good", b"\xff\xfe"), delivery(2, 9, b"?", b"x"), delivery(1, 2, b"ok", b"")].concat();
        for size in [1, 2, 7, 30, 4096] {
            let mended = Arc::new(Mended::default());
            let chunks = bytes.chunks(size).map(<[u8]>::to_vec).collect();
            let mut seen = Vec::new();
            Guard::new(Chunks(chunks), mended.clone()).read_to_end(&mut seen).await.unwrap();
            assert_eq!(seen, expected);
            assert_eq!(mended.take(1, 1), []);
            assert_eq!(mended.take(2, 9), [Blemish::NotUtf8("correlation id")]);
            assert_eq!(mended.take(2, 9), []);
        }
    }
}
