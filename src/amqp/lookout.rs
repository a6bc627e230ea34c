//! What an operator may look at while a worker runs.

use std::sync::Arc;

use super::{
    consuming::depths::{Depths, Waits},
    presence::{Alive, Presence},
};

/// What a worker knows of itself and the others, for the page to watch it.
#[derive(Clone)]
pub struct Lookout {
    presence: Arc<Presence>,
    depths: Arc<Depths>,
}

impl Lookout {
    pub(super) fn new(presence: Arc<Presence>, depths: Arc<Depths>) -> Self {
        Self { presence, depths }
    }

    /// This worker's name among the others.
    pub fn name(&self) -> &str {
        self.presence.name()
    }

    /// Looks at who is alive, this worker among them. Nobody is where workers don't know of each other.
    pub fn workers<T>(&self, look: impl FnOnce(&Alive) -> T) -> T {
        self.presence.look(look)
    }

    /// What waits in the queues, as the broker said last; it is asked every 15 s while somebody looks.
    pub fn queues(&self) -> Waits {
        self.depths.look()
    }
}
