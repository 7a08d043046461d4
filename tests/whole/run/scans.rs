//! Scanners on a wire: each source probes sixty ports that refuse it, and then comes the next source.

use crate::live_wire::sender::{Sender, tcp};

/// Ports that one source probes: all its alerts have room in one incident.
pub(super) const PORTS: u32 = 60;

/// One scanner after another.
#[derive(Default)]
pub(super) struct Scans {
    /// Frames sent: an even one is a probe, the odd one behind it is the refusal.
    frames: u32,
}

impl Scans {
    /// From this scanner on, so that another run meets other addresses.
    pub(super) fn from(source: u32) -> Self {
        Self { frames: source * PORTS * 2 }
    }

    /// Sends the next frame.
    pub(super) fn send(&mut self, sender: &mut Sender) -> bool {
        let (probe, answers) = (self.frames / 2, self.frames % 2 == 1);
        let (source, port) = (probe / PORTS, (probe % PORTS) as u16);
        let (flags, sequence, acknowledged) = if answers { (0x14, 0, 1001) } else { (0x02, 1000, 0) };
        let mut frame = tcp(!answers, flags, sequence, acknowledged, 0);
        let (client, server) = if answers { (36, 34) } else { (34, 36) };
        let (from, to) = if answers { (30, 26) } else { (26, 30) };
        frame[from..from + 4].copy_from_slice(&(0x0a01_0000 + source).to_be_bytes());
        // Each scanner has a victim of its own: many new flows to one would be a flood, which is another story.
        frame[to..to + 4].copy_from_slice(&(0xac10_0000 + source).to_be_bytes());
        frame[client..client + 2].copy_from_slice(&(40_000 + port).to_be_bytes());
        frame[server..server + 2].copy_from_slice(&(1_000 + 7 * port).to_be_bytes());
        let sent = sender.send(&frame);
        self.frames += u32::from(sent);
        sent
    }
}
