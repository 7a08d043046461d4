//! Decisions to stop traffic go to whoever else enforces or records them: each block when it begins and when it ends.
//!
//! At least once, in the order of the blocks' numbers, as alerts are. A receiver that is new is told of what is in force.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Delivery, Receiver, Way};
use crate::control::Sensor;
use crate::cursors::Cursors;
use crate::status::Facts;

/// A block as the sensor shows it; what it says is passed on as it is.
#[derive(Debug, Clone, Deserialize)]
struct Block {
    id: u64,
    active: bool,
    lifted_us: Option<u64>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Deserialize)]
struct Blocks {
    dry_run: bool,
    items: Vec<Block>,
}

/// How far a receiver has come.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Place {
    /// Blocks up to this number are done, but for the ends of those that it was told of.
    newest: u64,
    /// In force, as far as it knows.
    in_force: BTreeSet<u64>,
}

/// What there is to tell of a block, in this order.
fn news(block: &Block, place: &Place, dry_run: bool) -> Vec<&'static str> {
    let ended = if block.lifted_us.is_some() { "lift" } else { "over" };
    let begun = if dry_run { "would_block" } else { "block" };
    match (place.in_force.contains(&block.id), block.active) {
        (false, true) => vec![begun],
        (true, false) => vec![ended],
        // It began and ended between two looks.
        (false, false) if block.id > place.newest => vec![begun, ended],
        _ => Vec::new(),
    }
}

pub(super) async fn tell(
    receiver: &mut Receiver,
    sensor: &mut Sensor,
    sensor_id: &str,
    cursors: &Arc<Mutex<Cursors>>,
    facts: &Facts,
    now_us: u64,
) -> Result<Option<Option<Duration>>, crate::up::Trouble> {
    let Way::Webhook(hook) = &receiver.way else { return Ok(None) };
    let fact = format!("told blocks {}", receiver.name);
    let locked = || cursors.lock().unwrap_or_else(PoisonError::into_inner);
    let Blocks { dry_run, mut items } = tokio::task::block_in_place(|| sensor.ask("blocks", json!({})))?;
    items.sort_by_key(|block| block.id);
    let known: Option<Place> = locked().fact(&fact)?;
    let mut place = known.clone().unwrap_or_else(|| {
        // What had ended before it was a receiver is not its business.
        let ended = items.iter().filter(|block| !block.active).map(|block| block.id);
        Place { newest: ended.max().unwrap_or(0), in_force: BTreeSet::new() }
    });
    let part = format!("out {}", receiver.name);
    for block in &items {
        for action in news(block, &place, dry_run) {
            let id = format!("block-{}-{action}", block.id);
            let mut shown = block.rest.clone();
            shown.insert("id".to_owned(), block.id.into());
            shown.insert("active".to_owned(), block.active.into());
            shown.insert("lifted_us".to_owned(), block.lifted_us.into());
            let body = json!({"type": "block", "sensor_id": sensor_id, "action": action, "block": shown});
            match hook.send(&id, body.to_string().into_bytes(), now_us / 1_000_000).await {
                Delivery::Taken => {
                    facts.works(&part);
                    facts.lock().out.entry(receiver.name.clone()).or_default().sent += 1;
                }
                Delivery::Refused(reason) => {
                    tracing::warn!(
                        event = "block_refused",
                        receiver = receiver.name,
                        block = block.id,
                        reason,
                        "a receiver refuses a decision"
                    );
                    facts.lock().out.entry(receiver.name.clone()).or_default().refused += 1;
                }
                Delivery::Later(reason, asked) => {
                    facts.lock().out.entry(receiver.name.clone()).or_default().failed += 1;
                    facts.trouble(&part, reason, false, now_us);
                    return Ok(Some(asked));
                }
            }
            if matches!(action, "block" | "would_block") {
                place.in_force.insert(block.id);
            } else {
                place.in_force.remove(&block.id);
            }
            place.newest = place.newest.max(block.id);
            locked().keep(&fact, &place)?;
        }
    }
    // Ended so long ago that the sensor shows it no more.
    let shown: BTreeSet<u64> = items.iter().map(|block| block.id).collect();
    place.in_force.retain(|id| shown.contains(id));
    if known.as_ref() != Some(&place) {
        locked().keep(&fact, &place)?;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::{Block, Place, news};

    fn block(id: u64, active: bool, lifted_us: Option<u64>) -> Block {
        Block { id, active, lifted_us, rest: serde_json::Map::new() }
    }

    #[test]
    fn each_block_is_told_when_it_begins_and_when_it_ends_and_once() {
        let place = Place { newest: 5, in_force: [3, 4].into() };
        let told = |block: Block| news(&block, &place, false);
        assert_eq!(told(block(6, true, None)), ["block"]);
        assert_eq!(told(block(6, false, Some(1))), ["block", "lift"], "between two looks");
        assert_eq!(told(block(4, true, None)), [""; 0], "known");
        assert_eq!(told(block(3, false, None)), ["over"]);
        assert_eq!(told(block(4, false, Some(1))), ["lift"]);
        assert_eq!(told(block(2, false, Some(1))), [""; 0], "long ago");
        assert_eq!(told(block(2, true, None)), ["block"], "a new receiver hears of what is in force");
        assert_eq!(news(&block(6, true, None), &place, true), ["would_block"]);
    }
}
