//! A request that comes to the pipeline, and how far it has come.

use std::{sync::Arc, time::Duration};

use crate::{
    answered::Identity,
    domain::{Classification, IntentName, Request},
    listener::Listener,
};

#[derive(Debug)]
pub struct Job {
    pub request: Request,
    pub stage: Stage,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// How long the answer is still of use.
    pub time_left: Option<Duration>,
    /// By what it is known again if it comes again; `None` if the client gave it no id.
    pub identity: Option<Identity>,
    /// Who waits for its answer, where an answer may be stopped.
    pub listener: Option<Arc<Listener>>,
}

impl Job {
    /// A request that comes for the first time, of whose meaning nothing is known.
    pub fn new(request: Request) -> Self {
        Self { request, stage: Stage::Classify, attempt: 1, time_left: None, identity: None, listener: None }
    }
}

/// How far a request has come.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// Its intent isn't known.
    Classify,
    /// Its intent is known: from a worker's classification, or because the client addressed the intent.
    Handle {
        intent: IntentName,
        /// How it was classified; `None` if the client addressed the intent.
        classification: Option<Box<Classification>>,
    },
}
