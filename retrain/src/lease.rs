//! One run at a time in a fleet: an object that only one can create, kept alive by renewal, and taken over when whoever held it
//! has died.

use crate::centre::Centre;
use crate::failure::Failure;
use fleet::DoorError;
use fleet::objects::{ETag, PutIf};
use serde::{Deserialize, Serialize};

const KEY: &str = "cooldown/run.lock";
const BYTES_MAX: u64 = 4096;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Holder {
    holder: String,
    until_ms: u64,
}

/// The lock while it is held.
pub(crate) struct Lease<'a> {
    centre: &'a Centre,
    holder: String,
    etag: ETag,
    lease_ms: u64,
}

impl<'a> Lease<'a> {
    /// Takes the lock, or says who has it.
    pub(crate) fn take(
        centre: &'a Centre,
        holder: &str,
        lease_s: u64,
        now: u64,
    ) -> Result<Lease<'a>, Failure> {
        let objects = centre.objects()?;
        let lease_ms = lease_s * 1000;
        let ours = bytes(holder, now + lease_ms)?;
        let door = |fault: DoorError| Failure::door(&fault);
        let taken = match centre.ask(|| objects.write(KEY, ours.clone(), PutIf::Absent)) {
            Err(DoorError::Conflict { .. }) => {
                let there = centre.ask(|| objects.read(KEY, BYTES_MAX)).map_err(door)?;
                let Some(there) = there else { return Err(busy("somebody who has just let it go", now)) };
                let other: Option<Holder> = serde_json::from_slice(&there.bytes).ok();
                // What is not a lock holds nobody back.
                if let Some(other) = other.filter(|other| other.until_ms > now && other.holder != holder) {
                    return Err(busy(&other.holder, other.until_ms));
                }
                centre.ask(|| objects.write(KEY, ours.clone(), PutIf::Unchanged(there.etag.clone())))
            }
            taken => taken,
        };
        match taken {
            Ok(etag) => Ok(Lease { centre, holder: holder.to_owned(), etag, lease_ms }),
            Err(DoorError::Conflict { .. }) => Err(busy("somebody who was quicker", now + lease_ms)),
            Err(fault) => Err(Failure::door(&fault)),
        }
    }

    /// Keeps the lock for another while; fails when it has been lost.
    pub(crate) fn renew(&mut self, now: u64) -> Result<(), Failure> {
        self.put(now + self.lease_ms)
    }

    /// Lets the lock go.
    pub(crate) fn release(mut self) -> Result<(), Failure> {
        self.put(0)
    }

    fn put(&mut self, until_ms: u64) -> Result<(), Failure> {
        let objects = self.centre.objects()?;
        let ours = bytes(&self.holder, until_ms)?;
        let when = PutIf::Unchanged(self.etag.clone());
        match self.centre.ask(|| objects.write(KEY, ours.clone(), when.clone())) {
            Ok(etag) => {
                self.etag = etag;
                Ok(())
            }
            Err(DoorError::Conflict { .. }) => Err(busy("another run that took it over", until_ms)),
            Err(fault) => Err(Failure::door(&fault)),
        }
    }
}

fn bytes(holder: &str, until_ms: u64) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(&Holder { holder: holder.to_owned(), until_ms }).map_err(Failure::software)
}

fn busy(holder: &str, until_ms: u64) -> Failure {
    Failure::try_again(format!("the lock {KEY} is held by {holder} (until {until_ms}); try again after that"))
}
