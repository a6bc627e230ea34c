//! Who is alive, asked from outside.

use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::{
    Alive,
    line::{Heard, Line},
};
use crate::amqp::{Names, connection::link::Link, objects::ask::AskError};

/// How long answers are waited for. Each worker answers at once, or a fifth of a second after its last word.
const LISTENS: Duration = Duration::from_millis(500);

/// Asks the workers of an exchange, and hears for half a second who answers.
///
/// # Errors
/// [`AskError`]; it takes the rights of a worker, and the control exchange.
pub async fn roll_call(link: &Link, names: &Names) -> Result<Alive, AskError> {
    let (mut line, mut alive) = (Line::open(link, link, names, false).await?, Alive::default());
    let listening = async {
        while let Some(heard) = line.heard().await {
            if let Heard::Beat(beat) = heard {
                alive.hear(beat, Instant::now());
            }
        }
    };
    if timeout(LISTENS, listening).await.is_ok() {
        return Err(AskError::Lost("the channel was closed".to_owned()));
    }
    line.close().await;
    Ok(alive)
}
