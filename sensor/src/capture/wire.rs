//! One capture ring on one interface, which may go away and come back.

use std::os::fd::AsFd;
use std::sync::Arc;

use flowmeter::{Frame, LinkType};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::SetBool;
use pcap::{Active, Capture, Linktype, Precision};

use super::ring_size::{memory_bytes, ring_bytes};
use super::{Clock, Fanout, FilterCell, Interface, Polled, Seen, WireSettings};
use crate::fault::Fault;

/// What a frame may have beyond the interface's MTU without having been put together by offload: an Ethernet header and two
/// VLAN tags.
const OFFLOAD_SLACK_BYTES: u32 = 14 + 8;
// The macro holds the unsafe call; what it makes is safe.
nix::setsockopt_impl!(IgnoreOutgoing, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, bool, SetBool);

#[derive(Clone, Copy)]
struct IgnoreOutgoing;

/// How often a lost interface is looked for.
const RETRY_US: u64 = 1_000_000;
/// How often the kernel is asked for its counts, and whether the interface is still the same.
const LOOK_US: u64 = 1_000_000;

/// What the kernel and the interface count, summed over every time the ring was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WireCounters {
    /// Frames that found no room in the ring.
    pub kernel_dropped: u64,
    /// Frames that the interface dropped before the kernel saw them.
    pub interface_dropped: u64,
    /// Frames longer than the interface's MTU allows: segmentation offload put them together.
    pub offload_frames: u64,
    /// The longest of them, in bytes on the wire.
    pub offload_longest: u32,
    /// Times the ring was opened.
    pub opened: u64,
}

/// A ring, open or waiting for its interface.
pub struct Wire {
    name: String,
    settings: WireSettings,
    /// Rings on this interface, which of them this is, and their group when there are several.
    rings: usize,
    ring: usize,
    fanout: Fanout,
    filter: Arc<FilterCell>,
    filter_version: u64,
    clock: Clock,
    open: Option<Open>,
    next_look_us: u64,
    counters: WireCounters,
    down: Option<String>,
}

struct Open {
    capture: Capture<Active>,
    link: LinkType,
    index: u32,
    group: u64,
    /// Longest frame that the interface itself could have received.
    frame_max: u32,
    /// The kernel's counts when last asked: they are 32 bits wide and wrap.
    dropped: (u32, u32),
    ring_bytes: u64,
}

impl Wire {
    /// A ring on `name`, not opened yet.
    pub(crate) fn new(
        name: &str,
        (ring, rings): (usize, usize),
        settings: WireSettings,
        fanout: Fanout,
        filter: Arc<FilterCell>,
        clock: Clock,
    ) -> Self {
        Self {
            name: name.to_owned(),
            settings,
            rings,
            ring,
            fanout,
            filter,
            filter_version: 0,
            clock,
            open: None,
            next_look_us: 0,
            counters: WireCounters::default(),
            down: Some("not opened yet".to_owned()),
        }
    }

    /// Opens the ring. A missing capability or a bad filter will not get better by waiting; a missing interface may.
    ///
    /// # Errors
    /// Names the interface, what the kernel said, and the remedy.
    pub(crate) fn open(&mut self) -> Result<(), Fault> {
        let opened = self.try_open();
        self.down = opened.as_ref().err().map(ToString::to_string);
        self.next_look_us = self.clock.monotonic_us() + RETRY_US;
        self.open = Some(opened?);
        self.counters.opened += 1;
        Ok(())
    }

    fn try_open(&mut self) -> Result<Open, Fault> {
        let name = &self.name;
        let about = Interface::look_up(name).ok_or_else(|| {
            Fault::NoInput(format!("interface {name}: there is none of this name; `ip link` lists them"))
        })?;
        if !about.up {
            return Err(Fault::NoInput(format!(
                "interface {name}: is down; `ip link set {name} up` starts it"
            )));
        }
        let bytes = self
            .settings
            .ring_bytes
            .unwrap_or_else(|| ring_bytes(about.speed_mbps, memory_bytes(), self.rings));
        let failed = |e: pcap::Error| opening_failed(name, &e.to_string());
        let inactive = || -> Result<Capture<pcap::Inactive>, pcap::Error> {
            Ok(Capture::from_device(name.as_str())?
                .promisc(self.settings.promiscuous)
                .snaplen(self.settings.snaplen.cast_signed())
                .timeout(self.settings.block_ms.into())
                .buffer_size(i32::try_from(bytes).unwrap_or(i32::MAX)))
        };
        let capture = inactive()
            .map_err(failed)?
            .precision(Precision::Nano)
            .open()
            .and_then(Capture::setnonblock)
            .map_err(failed)?;
        let mut capture = capture;
        if self.settings.ingress_only {
            capture.direction(pcap::Direction::In).map_err(failed)?;
            // libpcap passes over what goes out when it has been copied; a kernel from 4.20 on does not copy it.
            let _ = setsockopt(&capture, IgnoreOutgoing, &true);
        }
        let filter = self.filter.load();
        // Without an expression this is the program that snaps: the kernel then copies no more than is kept.
        capture.filter(filter.expression.as_deref().unwrap_or(""), true).map_err(failed)?;
        self.filter_version = filter.version;
        let group = self.enter_group(&capture)?;
        let Linktype(link) = capture.get_datalink();
        let frame_max = about.mtu.map_or(u32::MAX, |mtu| mtu.saturating_add(OFFLOAD_SLACK_BYTES));
        Ok(Open {
            link: LinkType::from_pcap(link.cast_unsigned()),
            index: about.index,
            group,
            frame_max,
            dropped: (0, 0),
            ring_bytes: bytes,
            capture,
        })
    }

    fn enter_group(&self, capture: &Capture<Active>) -> Result<u64, Fault> {
        if self.rings == 1 {
            return Ok(0);
        }
        let name = &self.name;
        let failed = |e: nix::Error| {
            Fault::NoPermission(format!(
                "interface {name}: the kernel does not spread frames over {} rings ({e}); set rings = 1",
                self.rings
            ))
        };
        if self.ring == 0 {
            return self.fanout.found(capture).map_err(failed);
        }
        match self.fanout.current() {
            0 => Err(Fault::NoInput(format!("interface {name}: waiting for its first ring"))),
            group => self.fanout.join(capture, group).map(|()| group).map_err(failed),
        }
    }

    /// Gives frames that have come, at most `limit`; waits for the first at most `wait_ms`.
    pub(crate) fn poll(&mut self, limit: usize, wait_ms: u16, mut give: impl FnMut(Seen<'_>)) -> Polled {
        let now_us = self.clock.monotonic_us();
        if now_us >= self.next_look_us {
            self.look(now_us);
        }
        let Some(open) = &mut self.open else {
            std::thread::sleep(std::time::Duration::from_millis(wait_ms.into()));
            return Polled::Down;
        };
        if self.rings > 1 && open.group != self.fanout.current() {
            return self.lost(format!("interface {}: its rings form a new group", self.name));
        }
        let filter_version = self.filter.load().version;
        if filter_version != self.filter_version {
            self.filter_version = filter_version;
            let filter = self.filter.load();
            if let Err(e) = open.capture.filter(filter.expression.as_deref().unwrap_or(""), true) {
                return self.lost(format!("interface {}: the filter failed ({e})", self.name));
            }
        }
        let mut read = open.read(limit, &mut self.counters, &mut give);
        if matches!(read, Ok(0)) {
            let mut waiting = [PollFd::new(open.capture.as_fd(), PollFlags::POLLIN)];
            // An interrupted wait is a short one.
            let _ = poll(&mut waiting, PollTimeout::from(wait_ms));
            read = open.read(limit, &mut self.counters, &mut give);
        }
        match read {
            Ok(0) => Polled::Quiet,
            Ok(_) => Polled::Gave,
            Err(e) => self.lost(format!("interface {}: {e}", self.name)),
        }
    }

    /// Asks the kernel how things are, and reopens what was lost.
    #[cold]
    fn look(&mut self, now_us: u64) {
        self.next_look_us = now_us + LOOK_US;
        if self.open.is_none() {
            let _ = self.open();
            return;
        }
        self.count_drops();
        let about = Interface::look_up(&self.name);
        let Some(open) = &self.open else { return };
        let name = &self.name;
        let lost = match about {
            None => Some(format!("interface {name}: has gone")),
            Some(about) if about.index != open.index => Some(format!("interface {name}: was made anew")),
            Some(about) if !about.up => {
                Some(format!("interface {name}: is down; `ip link set {name} up` starts it"))
            }
            Some(_) => None,
        };
        if let Some(why) = lost {
            self.lost(why);
        }
    }

    fn lost(&mut self, why: String) -> Polled {
        self.count_drops();
        if self.ring == 0 && self.rings > 1 && self.open.is_some() {
            self.fanout.dissolve();
        }
        self.open = None;
        self.down = Some(why);
        self.next_look_us = self.clock.monotonic_us() + RETRY_US;
        Polled::Down
    }

    /// Adds what the kernel has dropped since it was last asked.
    pub(crate) fn count_drops(&mut self) {
        let Some(open) = &mut self.open else { return };
        if let Ok(now) = open.capture.stats() {
            let (dropped, if_dropped) = open.dropped;
            self.counters.kernel_dropped += u64::from(now.dropped.wrapping_sub(dropped));
            self.counters.interface_dropped += u64::from(now.if_dropped.wrapping_sub(if_dropped));
            open.dropped = (now.dropped, now.if_dropped);
        }
    }

    /// What the kernel counted.
    #[must_use]
    pub fn counters(&self) -> WireCounters {
        self.counters
    }

    /// Why the ring is not open; none when it is.
    #[must_use]
    pub fn down(&self) -> Option<&str> {
        self.down.as_deref()
    }

    /// Bytes of the ring; 0 when it is not open.
    #[must_use]
    pub fn ring_bytes(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.ring_bytes)
    }
}

impl Open {
    #[inline]
    fn read(
        &mut self,
        limit: usize,
        counters: &mut WireCounters,
        give: &mut impl FnMut(Seen<'_>),
    ) -> Result<usize, pcap::Error> {
        let (link, frame_max) = (self.link, self.frame_max);
        self.capture.dispatch(Some(limit), |packet| {
            let header = packet.header;
            if header.len > frame_max {
                counters.offload_frames += 1;
                counters.offload_longest = counters.offload_longest.max(header.len);
            }
            // With nanosecond precision libpcap keeps nanoseconds where microseconds belong.
            let seconds = u64::try_from(header.ts.tv_sec).unwrap_or(0);
            let nanoseconds = u64::try_from(header.ts.tv_usec).unwrap_or(0);
            let time_us = seconds.saturating_mul(1_000_000).saturating_add(nanoseconds / 1_000);
            give(Seen::Frame(Frame { link, time_us, wire_len: header.len, bytes: packet.data }));
        })
    }
}

/// What libpcap's words mean to whoever has to do something about them.
fn opening_failed(name: &str, said: &str) -> Fault {
    let lower = said.to_lowercase();
    if lower.contains("permission") || lower.contains("not permitted") || lower.contains("cap_net_raw") {
        return Fault::NoPermission(format!(
            "interface {name}: capturing needs the capability CAP_NET_RAW, and this process lacks it; run \
             `setcap cap_net_raw=ep $(command -v taphound)`, or start it by its systemd unit \
             (AmbientCapabilities=CAP_NET_RAW)"
        ));
    }
    Fault::NoInput(format!(
        "interface {name}: cannot be captured on ({said}); `ip link show {name}` tells its state"
    ))
}
