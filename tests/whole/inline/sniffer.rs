//! What passes at an end of the line: which packets came by there, and when.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use super::line::{Line, Side};

/// A TCP packet, as both ends see it: addresses and ports, IP's number, sequence number, flags and length.
pub(super) type Packet = Vec<u8>;

/// Watches an end of the line.
pub(super) struct Sniffer {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeMap<Packet, u64>>,
}

impl Sniffer {
    /// Sees TCP packets from and to the attacker at `side`; it is at work when this returns.
    pub(super) fn at(line: &Line, side: Side) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = line.on(side, move || {
            let capture = pcap::Capture::from_device("eth0").unwrap();
            let mut capture = capture.snaplen(128).immediate_mode(true).timeout(50).open().unwrap();
            capture.filter("ip and tcp and host 10.77.0.66", true).unwrap();
            let mut capture = capture.setnonblock().unwrap();
            ready.send(()).unwrap();
            let mut seen = BTreeMap::new();
            while !stopped.load(Ordering::Relaxed) {
                match capture.next_packet() {
                    Ok(packet) => {
                        let at = packet.header.ts;
                        let time_us = at.tv_sec as u64 * 1_000_000 + at.tv_usec as u64;
                        let ip = &packet.data[14..];
                        let tcp = &ip[usize::from(ip[0] & 15) * 4..];
                        let which = [&ip[2..6], &ip[12..20], &tcp[..8], &tcp[13..14]].concat();
                        seen.entry(which).or_insert(time_us);
                    }
                    Err(_) => std::thread::sleep(std::time::Duration::from_millis(1)),
                }
            }
            seen
        });
        is_ready.recv().unwrap();
        Self { stop, thread }
    }

    /// Every packet that came by, and when it first did, microseconds since the epoch.
    pub(super) fn end(self) -> BTreeMap<Packet, u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
