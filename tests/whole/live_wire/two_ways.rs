//! A flow whose two directions come by two interfaces, as in a line or from a tap with two cables, is metered as one on one wire.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flowmeter::{Context, EventKind, FlowEvent, FlowRecord};
use sensor::capture::{Input, InterfaceInput};
use sensor::fault::Fault;
use sensor::live::{LinkState, LiveSettings, start};
use sensor::pipeline::Recorder;
use sensor::scoring::Scored;

use super::sender::{Conversations, Sender};
use crate::live::{ip, ran_in_namespace, slot, wait_until};

/// What is wrong with flows whose packets are not in their order.
#[derive(Default)]
struct Order {
    flows: AtomicU64,
    began_with_syn: AtomicU64,
    steps_back: AtomicU64,
}

struct Watching(Arc<Order>);

impl Recorder for Watching {
    fn event(
        &mut self,
        event: &FlowEvent,
        scored: Option<(&FlowRecord, &Scored)>,
        _: Option<&Context>,
    ) -> Result<(), Fault> {
        if let (EventKind::Ended(_), Some((record, _))) = (event.kind, scored) {
            self.0.flows.fetch_add(1, Ordering::Relaxed);
            self.0.began_with_syn.fetch_add(u64::from(event.began_with_syn), Ordering::Relaxed);
            self.0.steps_back.fetch_add(record.time_steps_back.into(), Ordering::Relaxed);
        }
        Ok(())
    }

    fn batch_ended(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

#[test]
fn two_directions_on_two_interfaces_are_put_in_order() {
    if ran_in_namespace("live_wire::two_ways::two_directions_on_two_interfaces_are_put_in_order") {
        return;
    }
    ip("link add near1 type veth peer name far1");
    ip("link set near1 addrgenmode none up");
    ip("link set far1 addrgenmode none up");
    for rings in [1, 2] {
        let interfaces = ["far0", "far1"].map(|name| InterfaceInput { name: name.to_owned(), rings });
        let settings = LiveSettings::new(Input::Interfaces(interfaces.to_vec())).unwrap();
        let order = Arc::new(Order::default());
        let live = start(settings, slot(), Watching(order.clone())).unwrap();
        wait_until(&live, "open rings", 5, |r| r.rings.iter().all(|ring| ring.state == LinkState::Up));
        let mut directions = [Sender::on("near0"), Sender::on("near1")];
        let mut conversations = Conversations::new(400);
        let mut sent = 0;
        while let Some(frame) = conversations.next_frame() {
            // The client's frames are those to port 80.
            let from_server = frame[34..36] == [0, 80];
            assert!(directions[usize::from(from_server)].send(frame));
            sent += 1;
            if sent % 50 == 0 {
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        }
        wait_until(&live, "all frames", 10, |r| r.packets.received + r.dropped().0 >= sent);
        let sums = live.stop().unwrap();
        assert!(sums.is_balanced() && sums.packets.queued == 0, "{sums:#?}");
        assert_eq!((sums.packets.metered, sums.flows.started), (sent, 400), "{rings} rings");
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        println!(
            "measured two ways, {rings} rings each: {} of {} flows began with their SYN, {} packets out of order within flows, {} late between rings",
            read(&order.began_with_syn),
            read(&order.flows),
            read(&order.steps_back),
            sums.late_between_rings
        );
        // On a machine that lets a capture thread wait for longer than others wait for it, some are late; they say so.
        let may_be_off = sums.late_between_rings;
        assert!(read(&order.flows) - read(&order.began_with_syn) <= may_be_off, "{may_be_off}");
        assert!(read(&order.steps_back) <= may_be_off, "{may_be_off}");
        assert!(may_be_off < sent / 10, "{may_be_off} of {sent} late");
    }
}
