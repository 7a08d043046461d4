//! Several sockets that share an interface's frames by flow (`PACKET_FANOUT`, packet(7)).

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::socket::sockopt::{GetStruct, SetStruct};
use nix::sys::socket::{getsockopt, setsockopt};

/// By a hash of the flow that is the same both ways. Fragments and tunnels are hashed by what the kernel sees of them; their
/// packets change hands in user space. Datagrams are not reassembled by the kernel, which would change packet counts.
const FANOUT_HASH: u32 = 0;
/// The kernel chooses a group number that nobody else on this host has: another sensor must not share our frames.
const FANOUT_FLAG_UNIQUEID: u32 = 0x2000;

// The macros hold the unsafe call; what they make is safe.
nix::setsockopt_impl!(PacketFanout, libc::SOL_PACKET, libc::PACKET_FANOUT, u32, SetStruct<u32>);
nix::getsockopt_impl!(PacketFanout, libc::SOL_PACKET, libc::PACKET_FANOUT, u32, GetStruct<u32>);

#[derive(Clone, Copy)]
struct PacketFanout;

/// The group of one interface's rings. The first ring founds it, the others join. When the first one loses its interface, the
/// group is dissolved and the others leave, which they notice by [`Fanout::current`]: a ring that stayed behind alone would
/// see every frame a second time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fanout {
    /// The kernel's number in the low 16 bits, [`EXISTS`], and above it how often a group was founded.
    group: Arc<AtomicU64>,
}

const EXISTS: u64 = 1 << 16;

impl Fanout {
    /// Which group there is now; 0 for none.
    pub(crate) fn current(&self) -> u64 {
        let group = self.group.load(Ordering::Acquire);
        if group & EXISTS == 0 { 0 } else { group }
    }

    /// Begins a group with this socket in it.
    pub(super) fn found(&self, socket: &impl AsFd) -> nix::Result<u64> {
        setsockopt(socket, PacketFanout, &((FANOUT_HASH | FANOUT_FLAG_UNIQUEID) << 16))?;
        let number = u64::from(getsockopt(socket, PacketFanout)? & 0xffff);
        let founded = (self.group.load(Ordering::Acquire) >> 17) + 1;
        let group = founded << 17 | EXISTS | number;
        self.group.store(group, Ordering::Release);
        Ok(group)
    }

    /// Ends the group.
    pub(super) fn dissolve(&self) {
        self.group.fetch_and(!EXISTS, Ordering::AcqRel);
    }

    /// Joins group `group` with this socket.
    pub(super) fn join(&self, socket: &impl AsFd, group: u64) -> nix::Result<()> {
        setsockopt(socket, PacketFanout, &(FANOUT_HASH << 16 | (group & 0xffff) as u32))
    }
}
