//! A publisher that writes AMQP frames by itself, for messages that no client library lets one send.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// A property: its flag and its bytes.
pub struct Property {
    flag: u16,
    bytes: Vec<u8>,
}

/// The properties of a message's content header.
pub mod property {
    use super::{Property, long, short};

    pub fn content_type(value: &[u8]) -> Property {
        Property { flag: 1 << 15, bytes: short(value) }
    }

    pub fn content_encoding(value: &[u8]) -> Property {
        Property { flag: 1 << 14, bytes: short(value) }
    }

    /// `table` is the table's content, without its length.
    pub fn headers(table: &[u8]) -> Property {
        Property { flag: 1 << 13, bytes: long(table) }
    }

    pub fn delivery_mode(value: u8) -> Property {
        Property { flag: 1 << 12, bytes: vec![value] }
    }

    pub fn correlation_id(value: &[u8]) -> Property {
        Property { flag: 1 << 10, bytes: short(value) }
    }

    pub fn reply_to(value: &[u8]) -> Property {
        Property { flag: 1 << 9, bytes: short(value) }
    }

    pub fn message_id(value: &[u8]) -> Property {
        Property { flag: 1 << 7, bytes: short(value) }
    }

    pub fn kind(value: &[u8]) -> Property {
        Property { flag: 1 << 5, bytes: short(value) }
    }

    pub fn app_id(value: &[u8]) -> Property {
        Property { flag: 1 << 3, bytes: short(value) }
    }
}

/// A header table's content, nested so deep.
pub fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for level in (0..depth).rev() {
        bytes.extend(b"\x01aF");
        bytes.extend(u32::try_from(level * 7).unwrap().to_be_bytes());
    }
    bytes
}

/// A header table's content of one long string, so many bytes in all.
pub fn big_headers(size: usize) -> Vec<u8> {
    [&b"\x03bigS"[..], &long(&vec![b'x'; size - 9])].concat()
}

/// A message as it is to be written.
pub struct RawMessage<'a> {
    pub exchange: &'a str,
    pub key: &'a [u8],
    pub properties: Vec<Property>,
    pub body: &'a [u8],
}

/// A connection with one channel.
pub struct RawPublisher(TcpStream);

impl RawPublisher {
    /// Connects as guest to the node and virtual host `/` of an AMQP URL.
    pub fn connect(url: &str) -> Self {
        let authority = url.split('@').nth(1).unwrap().split('/').next().unwrap();
        let mut this = Self(TcpStream::connect(authority).unwrap());
        this.0.write_all(b"AMQP\0\0\x09\x01").unwrap();
        this.read();
        this.method(
            0,
            &[&[0, 10, 0, 11][..], &long(b""), &short(b"PLAIN"), &long(b"\0guest\0guest"), &short(b"en_US")].concat(),
        );
        this.read();
        this.method(0, &[&[0, 10, 0, 31][..], &2047_u16.to_be_bytes(), &131_072_u32.to_be_bytes(), &[0, 0]].concat());
        this.method(0, &[&[0, 10, 0, 40][..], &short(b"/"), &short(b""), &[0]].concat());
        this.read();
        this.method(1, &[0, 20, 0, 10, 0]);
        this.read();
        this.method(1, &[0, 85, 0, 10, 0]); // confirm.select
        this.read();
        this
    }

    /// Publishes, and waits for the broker's confirm.
    pub fn publish(&mut self, message: &RawMessage<'_>) {
        let RawMessage { exchange, key, properties, body } = message;
        self.method(1, &[&[0, 60, 0, 40, 0, 0][..], &short(exchange.as_bytes()), &short(key), &[0]].concat());
        let mut properties: Vec<&Property> = properties.iter().collect();
        properties.sort_by_key(|property| std::cmp::Reverse(property.flag));
        let flags = properties.iter().fold(0, |flags, property| flags | property.flag);
        let values: Vec<u8> = properties.iter().flat_map(|property| property.bytes.iter().copied()).collect();
        let size = u64::try_from(body.len()).unwrap().to_be_bytes();
        self.frame(2, 1, &[&[0, 60, 0, 0][..], &size, &flags.to_be_bytes(), &values].concat());
        self.frame(3, 1, body);
        let answer = self.read();
        assert_eq!(answer[..4], [0, 60, 0, 80], "basic.ack");
    }

    fn method(&mut self, channel: u16, payload: &[u8]) {
        self.frame(1, channel, payload);
    }

    fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        self.0.write_all(&[&[kind][..], &channel.to_be_bytes(), &size, payload, &[0xce]].concat()).unwrap();
    }

    /// The payload of the next frame that is no heartbeat.
    fn read(&mut self) -> Vec<u8> {
        loop {
            let mut prefix = [0; 7];
            self.0.read_exact(&mut prefix).unwrap();
            let size = u32::from_be_bytes(prefix[3..].try_into().unwrap());
            let mut payload = vec![0; usize::try_from(size).unwrap() + 1];
            self.0.read_exact(&mut payload).unwrap();
            payload.pop();
            if prefix[0] != 8 {
                return payload;
            }
        }
    }
}

fn short(bytes: &[u8]) -> Vec<u8> {
    [&[u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}
