//! Whom the door lets ask: by a key, from a site, from an address.

mod address;
mod origin;

pub use address::{Network, client_address};
pub use origin::{Origin, is_same_origin};

use crate::door::fault::{Code, Fault};
use std::{net::IpAddr, time::Duration};

pub struct Keys;
pub struct Presented<'a> {
    pub bearer: Option<&'a str>,
    pub in_url: Option<&'a str>,
    pub origin: Option<&'a str>,
    pub address: IpAddr,
}
#[derive(Debug, Clone)]
pub struct Caller;
pub enum Refusal {
    Rate(Duration),
}
impl From<Refusal> for Fault {
    fn from(_: Refusal) -> Self {
        Fault::new(Code::RateLimited, "x")
    }
}
impl Keys {
    pub fn off() -> Self {
        Self
    }
    pub fn admit(&self, _p: &Presented<'_>) -> Result<Caller, Refusal> {
        Ok(Caller)
    }
    pub fn list_origin(&self, _o: &str) -> bool {
        false
    }
    pub fn are_needed(&self) -> bool {
        false
    }
}
impl Caller {
    pub fn take(&self) -> Result<(), Refusal> {
        Ok(())
    }
    pub fn name(&self) -> Option<&str> {
        None
    }
    pub fn names_senders(&self) -> bool {
        true
    }
    pub fn new_conversation(&self) -> String {
        format!("c-{}", uuid::Uuid::new_v4())
    }
    pub fn may_speak_in(&self, _c: &str) -> bool {
        true
    }
}
