//! Where every packet and every flow went: identities that must sum, and counters beside them.

/// Every frame received is in exactly one of the other counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketAccounting {
    /// Frames handed to [`crate::Intake`], filtered ones included.
    pub received: u64,
    /// Packets handed on to a flow.
    pub metered: u64,
    /// Frames that the caller's filter rejected ([`crate::Intake::count_filtered`]).
    pub filtered: u64,
    /// Exact repeats removed.
    pub duplicates_removed: u64,
    /// Frames that carry no IP packet.
    pub not_ip: u64,
    /// Frames of a link type that is not read.
    pub unsupported_link: u64,
    /// Frames whose link, IP or layer-4 header is broken or cut off.
    pub malformed: u64,
    /// Later fragments whose first one was not seen, neither before them nor within a second after them.
    pub fragments_unmatched: u64,
    /// Packets that the caller dropped at a full queue ([`crate::Intake::count_shed`]).
    pub shed: u64,
    /// Packets that wait for the next one to confirm their time (0 or 1), and later fragments that wait for their first one (256 at
    /// most).
    pub queued: u64,
}

impl PacketAccounting {
    /// The identity holds.
    pub fn is_balanced(&self) -> bool {
        let Self {
            received,
            metered,
            filtered,
            duplicates_removed,
            not_ip,
            unsupported_link,
            malformed,
            fragments_unmatched,
            shed,
            queued,
        } = *self;
        let gone = not_ip + unsupported_link + malformed + fragments_unmatched + shed;
        received == metered + filtered + duplicates_removed + gone + queued
    }
}

/// What else was noticed at intake. None of these changes where a packet is counted in [`PacketAccounting`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IntakeCounters {
    /// Bytes on the wire of all frames received and not filtered.
    pub bytes: u64,
    /// Timestamps far ahead that the next packet contradicted.
    pub clock_outliers: u64,
    /// Steps back of the clock by more than the idle timeout; each began an epoch.
    pub clock_steps_back: u64,
    /// Exact repeats within the window, removed or not.
    pub duplicates_seen: u64,
    /// Packets with more encapsulations than are opened; metered as the last one opened.
    pub tunnel_depth_exceeded: u64,
    /// Tunnels whose content could not be read as IP; metered as the tunnel's own packets.
    pub tunnel_unreadable: u64,
    /// IP headers with length 0, for which the frame's length stood in.
    pub offload_zero_length: u64,
    /// IP headers that claim more bytes than the frame had on the wire; the header is believed.
    pub lengths_beyond_wire: u64,
    /// First and later fragments.
    pub fragments: u64,
    /// Fragments that cover bytes of their datagram for a second time.
    pub fragments_overlapping: u64,
    /// Datagrams forgotten before their time because too many were waited for.
    pub fragments_evicted: u64,
}

/// Every segment of a flow that started has ended or is active. An active cut ends one and starts one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowAccounting {
    /// Flows and later segments begun.
    pub started: u64,
    /// Of these, ended, by [`crate::EndReason`] in the order of [`crate::EndReason::ALL`].
    pub ended_by: [u64; 7],
    /// Of these, in the table now.
    pub active: u64,
}

impl FlowAccounting {
    /// Ended for whatever reason.
    pub fn ended(&self) -> u64 {
        self.ended_by.iter().sum()
    }

    /// The identity holds.
    pub fn is_balanced(&self) -> bool {
        self.started == self.ended() + self.active
    }
}

impl std::ops::AddAssign for FlowAccounting {
    fn add_assign(&mut self, other: Self) {
        self.started += other.started;
        self.active += other.active;
        for (mine, theirs) in self.ended_by.iter_mut().zip(other.ended_by) {
            *mine += theirs;
        }
    }
}

/// What a full or nearly full table did to make room, and names that found none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableCounters {
    /// Flows evicted because they were silent for the emergency timeout in a nearly full table.
    pub evicted_emergency: u64,
    /// Flows evicted from a full table that no responder had answered.
    pub evicted_unreplied: u64,
    /// Answered flows evicted from a full table.
    pub evicted_replied: u64,
    /// Names from payloads for which there was no room.
    pub contexts_dropped: u64,
}

impl std::ops::AddAssign for TableCounters {
    fn add_assign(&mut self, other: Self) {
        self.evicted_emergency += other.evicted_emergency;
        self.evicted_unreplied += other.evicted_unreplied;
        self.evicted_replied += other.evicted_replied;
        self.contexts_dropped += other.contexts_dropped;
    }
}
