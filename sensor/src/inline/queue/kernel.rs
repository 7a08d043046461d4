//! What the kernel knows of the queue: how many packets wait in it, and how many found no room.

use std::fs;

/// A netfilter queue, as the kernel shows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KernelQueue {
    /// Packets that wait for a verdict.
    pub waiting: u64,
    /// Packets dropped because the queue, or the socket that leads from it, was full.
    pub dropped: u64,
}

impl KernelQueue {
    /// Looks at queue `number` of this network namespace. None: there is no such queue, or the kernel does not show it.
    #[must_use]
    pub fn look(number: u16) -> Option<Self> {
        Self::in_table(&fs::read_to_string("/proc/self/net/netfilter/nfnetlink_queue").ok()?, number)
    }

    /// Number, listener, waiting, what is copied and how much of it, dropped by the queue, dropped by the socket, newest packet, 1.
    fn in_table(table: &str, number: u16) -> Option<Self> {
        table.lines().find_map(|line| {
            let fields: Vec<u64> = line.split_whitespace().map_while(|field| field.parse().ok()).collect();
            match fields[..] {
                [of, _, waiting, _, _, by_queue, by_socket, ..] if of == u64::from(number) => {
                    Some(Self { waiting, dropped: by_queue + by_socket })
                }
                _ => None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::KernelQueue;

    #[test]
    fn the_right_queue_is_read() {
        let table = "    9   1234     0 2    65535     0     0        0  1\n   77  24112    16 2   256    48     2       64  1\n";
        assert_eq!(KernelQueue::in_table(table, 77), Some(KernelQueue { waiting: 16, dropped: 50 }));
        assert_eq!(KernelQueue::in_table(table, 7), None);
        assert_eq!(KernelQueue::in_table("", 77), None);
    }
}
