//! A client for many who ask at once: what the doors speak through.
//!
//! It knows no more than any other AMQP client does. [`asker`] keeps a session with the broker, one after the other;
//! [`question`] is what is asked, [`pending`] who waits for which answer, [`hearing`] one that waits.
//!
//! **Invariants:** a question that the broker confirmed, and whose answer can't reach this session any more, is asked anew by
//! the next one, with its own message id: so the bot knows what comes again. Whoever is slow to take what comes loses parts of
//! answers, never an answer, and holds up nobody else.

mod asker;
mod hearing;
mod pending;
mod question;
mod session;

pub use asker::{Asker, Running, Unasked};
pub use hearing::{AskFault, Heard, Hearing};
pub use question::{Question, To};
pub use session::bots;
