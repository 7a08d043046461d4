//! Answers the control socket while the sensor runs: who may write to it may do everything.

use std::sync::Arc;

use serde_json::Value;

use crate::control::server::Handler;
use crate::control::{Caller, Refusal};
use crate::service::Service;
use crate::service::who::Actor;

/// What answers.
pub(super) struct Answering {
    pub(super) service: Arc<Service>,
}

impl Handler for Answering {
    fn call(&self, caller: &Caller, op: &str, args: Value) -> Result<Value, Refusal> {
        let actor = Actor::local(&caller.name);
        self.service
            .operate(&actor, op, args)
            .unwrap_or_else(|| Err(Refusal::not_found(format!("there is no operation `{op}`"))))
    }
}
