//! Mends frames that would end the connection or the process that parses them.
//!
//! RabbitMQ hands on what a client sent; lapin can't take all of it. A short string that isn't UTF-8 (a routing key, a
//! correlation id, a header's name) makes it drop the connection, again at each redelivery, and headers nested a few
//! thousand deep overflow its parser's stack, which ends the process. Both are mended in place, so that no length in the
//! frame changes: a byte that isn't UTF-8 becomes `?`, and a table or array nested too deep becomes a long string (the
//! same layout under another type octet). What was mended is reported, and the delivery is treated as unreadable.
//!
//! Frame layout: AMQP 0-9-1 specification, sections 2.3.5 and 4.2; field types as RabbitMQ writes them
//! (<https://www.rabbitmq.com/amqp-0-9-1-errata>).

/// What was wrong with a delivery's frames, in words that complete 'the message has …'.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blemish {
    /// A property isn't UTF-8; which one.
    NotUtf8(&'static str),
    /// A header's name isn't UTF-8.
    HeaderName,
    /// Headers are nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// The content header is larger than [`MAX_HEADER`]; it lost its headers.
    TooLarge,
}

/// What a method frame tells besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// A delivery comes, with this tag.
    Delivery(u64),
    /// A message that was published to this exchange with this routing key comes back.
    Returned {
        /// The exchange.
        exchange: String,
        /// The routing key.
        routing_key: String,
    },
}

/// The largest content header, in bytes, that keeps its headers. The broker takes headers up to its own `frame_max` and
/// then adds some, and lapin loses the connection over a frame larger than was agreed.
pub(crate) const MAX_HEADER: usize = 96 * 1024;
/// The deepest nesting of header tables and arrays that is let through.
pub(crate) const MAX_DEPTH: usize = 16;

const BASIC: u16 = 60;
const RETURN: u16 = 50;
const DELIVER: u16 = 60;
const GET_OK: u16 = 71;

/// Reads a frame's payload from the front, mending as it goes. `None` anywhere means that the payload is cut short or
/// of a kind not known here; then the frame is left for lapin to judge.
struct Cursor<'a> {
    rest: &'a mut [u8],
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Option<&'a mut [u8]> {
        let (head, tail) = std::mem::take(&mut self.rest).split_at_mut_checked(n)?;
        self.rest = tail;
        Some(head)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes((*self.take(2)?).try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes((*self.take(4)?).try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes((*self.take(8)?).try_into().ok()?))
    }

    fn short(&mut self) -> Option<&'a mut [u8]> {
        let length = self.u8()?;
        self.take(length.into())
    }

    fn long(&mut self) -> Option<&'a mut [u8]> {
        let length = self.u32()?;
        self.take(usize::try_from(length).ok()?)
    }
}

/// Replaces every byte that isn't part of valid UTF-8 by `?`; tells whether there was one.
fn mend_utf8(mut bytes: &mut [u8]) -> bool {
    let mut mended = false;
    while let Err(error) = std::str::from_utf8(bytes) {
        mended = true;
        let bad = error.valid_up_to();
        let length = error.error_len().unwrap_or(bytes.len() - bad);
        bytes[bad..bad + length].fill(b'?');
        bytes = &mut bytes[bad + length..];
    }
    mended
}

/// Mends a method frame's payload.
pub(crate) fn mend_method(payload: &mut [u8], found: &mut Vec<Blemish>) -> Option<Told> {
    let mut cursor = Cursor { rest: payload };
    if cursor.u16()? != BASIC {
        return None;
    }
    let tag = match cursor.u16()? {
        DELIVER => {
            cursor.short()?;
            let tag = cursor.u64()?;
            cursor.u8()?;
            Some(tag)
        }
        GET_OK => {
            let tag = cursor.u64()?;
            cursor.u8()?;
            Some(tag)
        }
        RETURN => {
            cursor.u16()?;
            mend_utf8(cursor.short()?);
            None
        }
        _ => return None,
    };
    let exchange = cursor.short()?;
    mend_utf8(exchange);
    let routing_key = cursor.short()?;
    if mend_utf8(routing_key) {
        found.push(Blemish::NotUtf8("routing key"));
    }
    Some(match tag {
        Some(tag) => Told::Delivery(tag),
        None => Told::Returned {
            exchange: String::from_utf8_lossy(exchange).into_owned(),
            routing_key: String::from_utf8_lossy(routing_key).into_owned(),
        },
    })
}

/// A content header's payload without its headers, where it is larger than [`MAX_HEADER`].
pub(crate) fn cut_header(payload: &[u8]) -> Option<Vec<u8>> {
    const HEADERS: u16 = 0x2000;
    if payload.len() <= MAX_HEADER {
        return None;
    }
    let mut copy = payload.to_vec();
    let mut cursor = Cursor { rest: &mut copy };
    cursor.take(12)?;
    let flags = cursor.u16()?;
    if flags & HEADERS == 0 {
        return None;
    }
    // Content type and content encoding stand before the headers.
    for flag in [0x8000, 0x4000] {
        if flags & flag != 0 {
            cursor.short()?;
        }
    }
    let before = payload.len() - cursor.rest.len();
    cursor.long()?;
    let after = payload.len() - cursor.rest.len();
    let mut cut = [payload.get(..before)?, payload.get(after..)?].concat();
    cut.get_mut(12..14)?.copy_from_slice(&(flags & !HEADERS).to_be_bytes());
    Some(cut)
}

/// A property of the content header: its flag and what it holds.
enum Property {
    Short(&'static str),
    Table,
    Octet,
    Timestamp,
}

/// The properties of class basic, from flag bit 15 down.
const PROPERTIES: [Property; 14] = [
    Property::Short("content type"),
    Property::Short("content encoding"),
    Property::Table,
    Property::Octet,
    Property::Octet,
    Property::Short("correlation id"),
    Property::Short("reply_to"),
    Property::Short("expiration"),
    Property::Short("message id"),
    Property::Timestamp,
    Property::Short("type"),
    Property::Short("user id"),
    Property::Short("app id"),
    Property::Short("cluster id"),
];

/// Mends a content header frame's payload.
pub(crate) fn mend_header(payload: &mut [u8], found: &mut Vec<Blemish>) {
    mend_properties(payload, found);
}

fn mend_properties(payload: &mut [u8], found: &mut Vec<Blemish>) -> Option<()> {
    let mut cursor = Cursor { rest: payload };
    cursor.take(12)?; // class, weight, body size
    let flags = cursor.u16()?;
    for (position, property) in PROPERTIES.iter().enumerate() {
        if flags & (0x8000 >> position) == 0 {
            continue;
        }
        match property {
            Property::Short(name) => {
                if mend_utf8(cursor.short()?) {
                    found.push(Blemish::NotUtf8(name));
                }
            }
            Property::Table => mend_table(cursor.long()?, 1, found)?,
            Property::Octet => {
                cursor.u8()?;
            }
            Property::Timestamp => {
                cursor.u64()?;
            }
        }
    }
    Some(())
}

fn mend_table(table: &mut [u8], depth: usize, found: &mut Vec<Blemish>) -> Option<()> {
    let mut cursor = Cursor { rest: table };
    while !cursor.rest.is_empty() {
        if mend_utf8(cursor.short()?) && !found.contains(&Blemish::HeaderName) {
            found.push(Blemish::HeaderName);
        }
        mend_value(&mut cursor, depth, found)?;
    }
    Some(())
}

fn mend_value(cursor: &mut Cursor<'_>, depth: usize, found: &mut Vec<Blemish>) -> Option<()> {
    let kind = cursor.take(1)?.first_mut()?;
    match *kind {
        b'F' | b'A' if depth >= MAX_DEPTH => {
            *kind = b'S';
            if !found.contains(&Blemish::TooDeep) {
                found.push(Blemish::TooDeep);
            }
            cursor.long()?;
        }
        b'F' => mend_table(cursor.long()?, depth + 1, found)?,
        b'A' => {
            let mut items = Cursor { rest: cursor.long()? };
            while !items.rest.is_empty() {
                mend_value(&mut items, depth + 1, found)?;
            }
        }
        b'S' | b'x' => {
            cursor.long()?;
        }
        b't' | b'b' | b'B' => {
            cursor.take(1)?;
        }
        b's' | b'U' | b'u' => {
            cursor.take(2)?;
        }
        b'I' | b'i' | b'f' => {
            cursor.take(4)?;
        }
        b'D' => {
            cursor.take(5)?;
        }
        b'L' | b'l' | b'd' | b'T' => {
            cursor.take(8)?;
        }
        b'V' => {}
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn short(bytes: &[u8]) -> Vec<u8> {
        [&[u8::try_from(bytes.len()).unwrap_or(0)], bytes].concat()
    }

    fn long(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes()[..], bytes].concat()
    }

    fn header(flags: u16, properties: &[u8]) -> Vec<u8> {
        [&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9], &flags.to_be_bytes()[..], properties].concat()
    }

    fn nested(depth: usize) -> Vec<u8> {
        (0..depth).fold(Vec::new(), |inner, _| [&b"\x01aF"[..], &long(&inner)].concat())
    }

    fn check(mut payload: Vec<u8>, expected: &[Blemish]) -> Vec<u8> {
        let length = payload.len();
        let mut found = Vec::new();
        mend_header(&mut payload, &mut found);
        assert_eq!(found, expected);
        assert_eq!(payload.len(), length);
        payload
    }

    #[test]
    fn good_headers_are_left_alone() {
        let table = long(&[&b"\x04name"[..], b"S", &long(b"\xff\xfe"), b"\x01bA", &long(b"t\x01V")].concat());
        let good = header(0xa000, &[short("应用/json".as_bytes()), table].concat());
        assert_eq!(check(good.clone(), &[]), good);
    }

    #[test]
    fn a_short_string_that_is_not_utf8_is_mended_and_named() {
        let mended = check(
            header(0x0480, &[short(b"a\xffb\xe4\xbd"), short(b"id")].concat()),
            &[Blemish::NotUtf8("correlation id")],
        );
        assert!(mended.ends_with(&[short(b"a?b??"), short(b"id")].concat()));
    }

    #[test]
    fn a_header_name_that_is_not_utf8_is_mended_at_any_depth() {
        let inner = [&b"\x02\xc3\x28"[..], b"V"].concat();
        let table = long(&[&b"\x01a"[..], b"F", &long(&inner)].concat());
        let mended = check(header(0x2000, &table), &[Blemish::HeaderName]);
        assert!(mended.ends_with(b"?(V"));
    }

    #[test]
    fn nesting_is_cut_at_the_limit() {
        check(header(0x2000, &long(&nested(MAX_DEPTH - 1))), &[]);
        for depth in [MAX_DEPTH + 1, 18_000] {
            let mended = check(header(0x2000, &long(&nested(depth))), &[Blemish::TooDeep]);
            let again = check(mended.clone(), &[]);
            assert_eq!(again, mended);
        }
    }

    #[test]
    fn a_payload_cut_short_is_left_for_the_parser() {
        let whole = header(0x2400, &[long(&nested(3)), short(b"\xff")].concat());
        for length in 0..whole.len() - 2 {
            let mut cut = whole[..length].to_vec();
            mend_header(&mut cut, &mut Vec::new());
            assert_eq!(cut, whole[..length]);
        }
    }

    #[test]
    fn a_routing_key_is_mended_and_the_delivery_tag_told() {
        let arguments =
            [&short(b"consumer")[..], &7_u64.to_be_bytes(), &[0], &short(b"chatbot"), &short(b"request.\xff")];
        let mut payload = [&[0, 60, 0, 60][..], &arguments.concat()].concat();
        let mut found = Vec::new();
        assert_eq!(mend_method(&mut payload, &mut found), Some(Told::Delivery(7)));
        assert_eq!(found, [Blemish::NotUtf8("routing key")]);
        assert!(payload.ends_with(b"request.?"));
    }

    #[test]
    fn a_return_is_told_with_its_address() {
        let arguments =
            [&312_u16.to_be_bytes()[..], &short(b"NO_ROUTE"), &short(b"x"), &short("键".as_bytes())].concat();
        let mut payload = [&[0, 60, 0, 50][..], &arguments].concat();
        let told = Told::Returned { exchange: "x".to_owned(), routing_key: "键".to_owned() };
        assert_eq!(mend_method(&mut payload, &mut Vec::new()), Some(told));
    }

    #[test]
    fn a_content_header_that_is_too_large_loses_its_headers_and_nothing_else() {
        let big = long(&[&b"\x01aS"[..], &long(&vec![b'x'; MAX_HEADER])].concat());
        let with = header(0xe400, &[short(b"text/plain"), short(b"gzip"), big, short(b"id")].concat());
        let without = header(0xc400, &[short(b"text/plain"), short(b"gzip"), short(b"id")].concat());
        assert_eq!(cut_header(&with), Some(without.clone()));
        assert_eq!(cut_header(&without), None);
        assert_eq!(cut_header(&with[..MAX_HEADER + 20]), None);
    }

    #[test]
    fn other_methods_are_left_alone() {
        let mut payload = vec![0, 10, 0, 10, 0xff, 0xff];
        let mut found = Vec::new();
        assert_eq!(mend_method(&mut payload, &mut found), None);
        assert_eq!(payload, [0, 10, 0, 10, 0xff, 0xff]);
        assert!(found.is_empty());
    }
}
