//! What hostile bytes pass through, and what has to hold of it: for the fuzz targets, and for the test that replays what
//! they found.
//!
//! Every target takes any bytes. None may panic, overflow the stack, or take more memory than a few bodies.

use chatbot_worker::{
    amqp::{
        Names, WorkQueue,
        connection::wire::{Guard, Mended},
        message::{
            admit::{self, Limits},
            properties::{Purpose, Received},
            reply_to,
        },
    },
    domain::{
        DeadLetter, DeadReason, Handed, IntentName, Key, Lane, Pass, Token,
        codec::{ContentEncoding, Envelope, decode_request, encode_request},
    },
};
use futures_util::{AsyncRead, AsyncReadExt, FutureExt};
use lapin::{BasicProperties, message::Delivery, types::ShortString};
use peak_alloc::PeakAlloc;
use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The largest body, as `worker.max_body` has it.
const MAX_BODY: usize = 64 * 1024;
/// What one input may take of memory, in bytes: a body as it came, decompressed, as UTF-8, and parsed (a JSON text's
/// largest part twice); the properties as they came and as they are published again; and the state of a decompressor.
/// What zstd takes isn't counted: it is C. libFuzzer's `-rss_limit_mb` bounds it.
const MEMORY_LIMIT: usize = 8 * MAX_BODY + 512 * 1024;
/// The frames of the connection that replies, and of the one that forwards, in bytes.
const REPLY_FRAME: usize = 16 * 1024;
const FORWARD_FRAME: usize = 64 * 1024;
/// When everything happens, in Unix milliseconds.
const NOW: u64 = 1_800_000_000_000;

/// Runs a target on an input, and holds its memory to the limit.
pub(crate) fn bounded(target: fn(&[u8]), data: &[u8]) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    target(data);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(taken <= MEMORY_LIMIT + 16 * data.len(), "{} bytes of input took {taken} bytes", data.len());
}

/// Decodes a body: which properties it has is told by the first bytes.
pub(crate) fn decode(data: &[u8]) {
    const TYPES: [&str; 10] = [
        "",
        "application/json",
        "text/plain",
        "application/octet-stream",
        "text/plain; charset=gbk",
        "text/plain; charset=gb18030",
        "application/json; charset=utf-16",
        "text/plain; charset=us-ascii",
        "application/vnd.x+json; charset=big5",
        "text/plain; charset=iso-2022-jp",
    ];
    const ENCODINGS: [&str; 8] = ["", "gzip", "zstd", "utf-8", "gzip, UTF-8", "gbk,zstd", "binary", "identity"];
    const KINDS: [&str; 4] = ["", "chat.request", "chat.reply", "amqp-1.0"];
    let mut input = Input(data);
    let content_type = input.choice(&TYPES);
    let content_encoding = input.choice(&ENCODINGS);
    let message_id = input.choice(&["", "id"]);
    // One byte for both: what the corpus holds means what it meant.
    let kind = input.byte();
    let (kind, compression) = match KINDS.get(usize::from(kind)) {
        Some(kind) => ((*kind).to_owned(), ""),
        None if kind < 16 => (String::new(), ["application/x-gzip", "zlib", "deflate", "zstd"][usize::from(kind) % 4]),
        None => (String::from_utf8_lossy(input.take(usize::from(kind) - 16)).into_owned(), ""),
    };
    let envelope = Envelope {
        content_type: Some(&content_type),
        content_encoding: Some(&content_encoding),
        compression: Some(compression),
        message_id: Some(&message_id),
        kind: Some(&kind),
        user_id: None,
        app_id: None,
    };
    let _ = ContentEncoding::accepted(&content_encoding);
    let Ok(request) = decode_request(&envelope, input.0, MAX_BODY) else { return };
    // What was read is written, and read again, as it was.
    let written = encode_request(&request);
    let json = Envelope { content_type: Some("application/json"), ..Envelope::default() };
    let again = decode_request(&json, &written, usize::MAX).expect("what was written can be read");
    assert_eq!(encode_request(&again), written);
}

/// Passes bytes through the wire's guard as a broker would send them.
pub(crate) fn frames(data: &[u8]) {
    let mut input = Input(data);
    let size = usize::from(input.byte()).max(1);
    let (whole, chunks) = (guarded(input.0, usize::MAX), guarded(input.0, size));
    assert!(whole == chunks, "it hangs on how the bytes arrive");
    assert!(whole.len() <= input.0.len());
    assert!(guarded(&whole, usize::MAX) == whole, "what is mended needs no mending");
}

/// Takes a delivery all the way: mended, parsed by lapin, read, decided, and published again.
pub(crate) fn delivery(data: &[u8]) {
    let mut input = Input(data);
    let flags = input.byte();
    let count = usize::from(u16::from_be_bytes([input.byte(), input.byte()])).min(input.0.len());
    let (properties, body) = input.0.split_at(count);

    let deliver = [&[0, 60, 0, 60, 1, b'c'][..], &7_u64.to_be_bytes(), &[flags & 1, 0, 1, b'k']].concat();
    let header = [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], properties].concat();
    let bytes = [frame(1, &deliver), frame(2, &header)].concat();
    let mended = Arc::new(Mended::default());
    let clean = read(&bytes, usize::MAX, mended.clone());
    let blemishes = mended.take(1, 7);
    let start = deliver.len() + 8 + 7 + 12;
    let Some(clean) = clean.get(start..clean.len() - 1) else { return };
    let Ok((rest, parsed)) = lapin::protocol::basic::parse_properties(clean) else { return };
    if !rest.is_empty() {
        return;
    }

    let names = Names::new("chatbot").expect("a name");
    let refund = IntentName::new("refund").expect("a name");
    let lane = WorkQueue::Conversation(Lane::of("c"));
    let intent = WorkQueue::Intent(refund.clone());
    let queues = [None, Some(WorkQueue::Requests), Some(WorkQueue::Suspects), Some(intent), Some(lane)];
    for queue in queues {
        let short = |text| ShortString::try_new(text).expect("a short text");
        let exchange = if flags & 4 == 4 { "chatbot" } else { "" };
        let mut delivery = Delivery::mock(7, short(exchange), short("request.x"), flags & 1 == 1, body.to_vec());
        delivery.properties = parsed.clone();
        let ttl = (flags & 2 == 2).then_some(Duration::from_secs(30));
        let mut received = Received::read(delivery, queue.clone(), &blemishes, &names, NOW, ttl);
        received.keep_known(&names, |intent| *intent == refund);
        let address = reply_to::check(received.properties.reply_to().as_ref(), &names, &[]);
        match &queue {
            None => drop(admit::died(&received, &address, &names)),
            Some(queue) => {
                let limits = Limits { has_conversations: true, max_body: MAX_BODY, max_age: ttl, too_many: false };
                drop(admit::admit(&received, queue, &address, &limits, NOW));
            }
        }
        let _ = received.accepted_encoding();
        let reply = received.reply_properties("chat.reply", "id", received.message_id(), Some(ContentEncoding::Gzip));
        assert!(header_frame(&reply) <= REPLY_FRAME, "a reply's header doesn't fit into a frame");
        let letter = DeadLetter { reason: DeadReason::NotARequest, message: "不".repeat(400) };
        let classification = received.trail.classification.clone();
        let slots = BTreeMap::from([("order".to_owned(), "x".repeat(8_000))]);
        let pass = Pass { lane: Lane::of("c"), key: Key::of([]), token: Token::of(1) };
        let handed = Handed {
            intent: refund.clone(),
            classification: classification.clone().map(Box::new),
            pass,
            body: Default::default(),
            wait: Duration::from_secs(1800),
        };
        for purpose in [
            Purpose::Forward { intent: &refund, classification: classification.as_ref(), slots: &slots },
            Purpose::Person(&handed),
            Purpose::Relay,
            Purpose::Suspect { starts: 1 },
            Purpose::Retry { delay: Duration::from_secs(1) },
            Purpose::Dead { letter: &letter, worker: "w", at: NOW },
            Purpose::Replay { deadline: Some(NOW) },
        ] {
            may_be_published(&received.republished(&names, purpose, NOW), purpose);
        }
    }
}

/// A message that is published again carries nothing that the broker or another worker would act on.
fn may_be_published(properties: &BasicProperties, purpose: Purpose<'_>) {
    let headers = properties.headers().as_ref().expect("it has headers of ours");
    for name in headers.inner().keys().map(ShortString::as_str) {
        assert!(!matches!(name, "CC" | "BCC" | "x-death" | "x-delivery-count" | "x-acquired-count"), "{name}");
        assert!(!name.starts_with("x-first-death-") && !name.starts_with("x-last-death-"), "{name}");
    }
    assert_eq!(properties.delivery_mode(), &Some(2));
    assert!(properties.user_id().is_none());
    let may_expire = matches!(purpose, Purpose::Forward { .. } | Purpose::Person(_) | Purpose::Relay);
    assert!(properties.expiration().is_none() || may_expire);
    assert!(header_frame(properties) <= FORWARD_FRAME, "a header that is published again doesn't fit into a frame");
}

/// How large a message's content header is as a frame.
fn header_frame(properties: &BasicProperties) -> usize {
    let written = lapin::protocol::basic::gen_properties(properties)(Vec::new().into());
    let (bytes, _): (Vec<u8>, u64) = written.expect("memory takes all").into_inner();
    // The frame's own eight bytes; class, weight and the body's size.
    bytes.len() + 8 + 12
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).expect("a small payload").to_be_bytes();
    [&[kind, 0, 1][..], &size, payload, &[0xce]].concat()
}

fn guarded(bytes: &[u8], chunk: usize) -> Vec<u8> {
    read(bytes, chunk, Arc::default())
}

fn read(bytes: &[u8], chunk: usize, mended: Arc<Mended>) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut guard = Guard::new(Chunks { bytes, chunk }, mended);
    let read = guard.read_to_end(&mut seen).now_or_never().expect("the bytes are there");
    read.expect("reading memory can't fail");
    seen
}

/// Yields so many bytes at a time.
struct Chunks<'a> {
    bytes: &'a [u8],
    chunk: usize,
}

impl AsyncRead for Chunks<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let length = buf.len().min(self.chunk).min(self.bytes.len());
        let (now, later) = self.bytes.split_at(length);
        buf[..length].copy_from_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(length))
    }
}

/// Bytes that choices are read from; zeros where they end.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// One of these, or, past them, a text that is given byte for byte.
    fn choice(&mut self, of: &[&str]) -> String {
        let number = usize::from(self.byte());
        if let Some(text) = of.get(number) {
            return (*text).to_owned();
        }
        String::from_utf8_lossy(self.take(number - of.len())).into_owned()
    }

    /// So many bytes, or as many as there are.
    fn take(&mut self, count: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
