//! Makes frames and sends them on an interface: TCP conversations of ten frames, 406 bytes on average.

use std::time::Duration;

use pcap::{Active, Capture};

use crate::live::now;

/// An interface to send on.
pub(crate) struct Sender(Capture<Active>);

impl Sender {
    pub(crate) fn on(interface: &str) -> Self {
        Self(Capture::from_device(interface).unwrap().open().unwrap())
    }

    /// Sends one frame; an interface that is down or full takes it as late as it can.
    pub(crate) fn send(&mut self, frame: &[u8]) -> bool {
        self.0.sendpacket(frame).is_ok()
    }

    /// Sends every frame of `conversations`, and says how many.
    pub(crate) fn send_all(&mut self, mut conversations: Conversations) -> u64 {
        let mut sent = 0;
        while let Some(frame) = conversations.next_frame() {
            assert!(self.send(frame), "frame {sent}");
            sent += 1;
        }
        sent
    }
}

impl Sender {
    /// Lets `frame` send at `per_second` for `seconds`, in small bursts; says how many it sent and in how many seconds. A rate
    /// that it cannot reach, it approaches.
    pub(crate) fn send_at(
        &mut self,
        per_second: u64,
        seconds: f64,
        mut frame: impl FnMut(&mut Self) -> bool,
    ) -> (u64, f64) {
        const BURST: u64 = 32;
        let started = now();
        let mut sent = 0;
        loop {
            let elapsed = started.elapsed().as_secs_f64();
            if elapsed >= seconds {
                return (sent, elapsed);
            }
            let due = (elapsed * per_second as f64) as u64;
            if sent >= due {
                std::thread::sleep(Duration::from_micros(200));
                continue;
            }
            for _ in 0..BURST.min(due - sent) {
                sent += u64::from(frame(self));
            }
        }
    }
}

/// TCP conversations, one after the other: SYN, SYN+ACK, ACK, four times data, two FINs and the last ACK.
pub(crate) struct Conversations {
    frames: Vec<Vec<u8>>,
    at: usize,
    number: u32,
    conversations: u32,
}

/// (from the client, flags, payload)
const SCRIPT: [(bool, u8, usize); 10] = [
    (true, 0x02, 0),
    (false, 0x12, 0),
    (true, 0x10, 0),
    (true, 0x18, 880),
    (false, 0x18, 880),
    (false, 0x18, 880),
    (false, 0x18, 880),
    (true, 0x11, 0),
    (false, 0x11, 0),
    (true, 0x10, 0),
];

impl Conversations {
    pub(crate) fn new(conversations: u32) -> Self {
        Self::range(0..conversations)
    }

    /// Those with these numbers: each number has an address and a port of its own.
    pub(crate) fn range(numbers: std::ops::Range<u32>) -> Self {
        let mut sequence = [1000u32, 2000];
        let frames = SCRIPT
            .iter()
            .map(|&(client, flags, payload)| {
                let side = usize::from(!client);
                let frame = tcp(client, flags, sequence[side], sequence[1 - side], payload);
                sequence[side] += payload as u32 + u32::from(flags & 0x03 != 0);
                frame
            })
            .collect();
        Self { frames, at: 0, number: numbers.start, conversations: numbers.end }
    }

    /// The next frame, with this conversation's address and port in it.
    pub(crate) fn next_frame(&mut self) -> Option<&[u8]> {
        if self.number == self.conversations {
            return None;
        }
        let at = self.at;
        let client = SCRIPT[at].0;
        let frame = &mut self.frames[at];
        let (address, port) = if client { (26, 34) } else { (30, 36) };
        frame[address + 1..address + 4].copy_from_slice(&(self.number / 50_000 + 1).to_be_bytes()[1..]);
        let number = (10_000 + self.number % 50_000) as u16;
        frame[port..port + 2].copy_from_slice(&number.to_be_bytes());
        self.at = (at + 1) % SCRIPT.len();
        self.number += u32::from(self.at == 0);
        Some(&self.frames[at])
    }
}

/// An Ethernet frame with IPv4 and TCP between 10.0.0.1:10000 and 192.0.2.80:80.
pub(crate) fn tcp(from_client: bool, flags: u8, sequence: u32, acknowledged: u32, payload: usize) -> Vec<u8> {
    let (client, server) = (([10, 0, 0, 1], 10_000u16), ([192, 0, 2, 80], 80u16));
    let (from, to) = if from_client { (client, server) } else { (server, client) };
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x45, 0]);
    frame.extend(((40 + payload) as u16).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend(from.0);
    frame.extend(to.0);
    frame.extend(from.1.to_be_bytes());
    frame.extend(to.1.to_be_bytes());
    frame.extend(sequence.to_be_bytes());
    frame.extend(if flags & 0x10 == 0 { 0 } else { acknowledged }.to_be_bytes());
    frame.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    frame.resize(frame.len() + payload, b'x');
    frame
}
