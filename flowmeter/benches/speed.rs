//! What metering costs, without a file: nanoseconds a packet on a mix of traffic and on a SYN flood, and memory.
//!
//! `cargo bench -p flowmeter [mix|flood|full|memory]` makes its frames in memory from a fixed seed and times each stage on this thread's CPU clock.

// Its output is what it is for.
#![allow(clippy::print_stdout)]

use std::fs;

use flowmeter::{
    Context, EndReason, EventBatch, Frame, Intake, LinkType, MeterConfig, Packet, PacketBatch, PacketSink,
    Shards,
};

const BATCH: usize = 1024;

/// Bytes that a reader has in hand at once.
const READ: usize = 1 << 18;

/// Nanoseconds this process has been on a CPU.
fn cpu_ns() -> u64 {
    let text = fs::read_to_string("/proc/self/schedstat").expect("Linux tells a process's CPU time");
    text.split(' ').next().and_then(|ns| ns.parse().ok()).expect("nanoseconds come first")
}

/// Resident memory in MiB.
fn resident_mib() -> f64 {
    let text = fs::read_to_string("/proc/self/statm").expect("Linux tells a process's memory");
    let pages: f64 = text.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("resident pages come second");
    pages * 4096.0 / 1_048_576.0
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 33) % n
    }
}

/// Frames one behind another, as a file has them.
#[derive(Default)]
struct Capture {
    bytes: Vec<u8>,
    frames: Vec<(u64, u32, u32)>,
}

impl Capture {
    /// Gives out the frames through a buffer, as a reader does: each was just written when it is looked at.
    fn read(&self, mut each: impl FnMut(&Frame<'_>)) {
        let mut buffer = vec![0; READ + 65_536];
        let mut at = 0;
        while let Some(&(_, first, _)) = self.frames.get(at) {
            let fits = |(_, start, len): &&(u64, u32, u32)| (start + len - first) as usize <= READ;
            let group = self.frames[at..].iter().take_while(fits).count();
            let (_, last, len) = self.frames[at + group - 1];
            let bytes = &self.bytes[first as usize..(last + len) as usize];
            buffer[..bytes.len()].copy_from_slice(bytes);
            std::hint::black_box(&mut buffer);
            for &(time_us, start, len) in &self.frames[at..at + group] {
                let start = (start - first) as usize;
                each(&Frame {
                    link: LinkType::Ethernet,
                    time_us,
                    wire_len: len,
                    bytes: &buffer[start..start + len as usize],
                });
            }
            at += group;
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn push(
        &mut self,
        time_us: u64,
        id: u16,
        ends: (u32, u32),
        ports: (u16, u16),
        tcp: Option<(u32, u32, u8)>,
        len: u16,
    ) {
        let start = self.bytes.len();
        let header = if tcp.is_some() { 20 } else { 8 };
        self.bytes.extend([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
        self.bytes.extend([0x45, 0]);
        self.bytes.extend((20 + header + len).to_be_bytes());
        self.bytes.extend(id.to_be_bytes());
        self.bytes.extend([0x40, 0, 64, if tcp.is_some() { 6 } else { 17 }, 0, 0]);
        self.bytes.extend(ends.0.to_be_bytes());
        self.bytes.extend(ends.1.to_be_bytes());
        self.bytes.extend(ports.0.to_be_bytes());
        self.bytes.extend(ports.1.to_be_bytes());
        if let Some((seq, ack, flags)) = tcp {
            self.bytes.extend(seq.to_be_bytes());
            self.bytes.extend(ack.to_be_bytes());
            self.bytes.extend([0x50, flags, 255, 255, 0, 0, 0, 0]);
        } else {
            self.bytes.extend((8 + len).to_be_bytes());
            self.bytes.extend([0, 0]);
        }
        self.bytes.resize(self.bytes.len() + usize::from(len), 0x55);
        let len = self.bytes.len() - start;
        self.frames.push((time_us, start as u32, len as u32));
    }
}

struct Talk {
    client: u32,
    server: u32,
    port: u16,
    tcp: bool,
    at: u32,
    packets: u32,
    seq: [u32; 2],
}

/// Some three thousand conversations at a time: web-like ones, DNS, and bulk transfers.
fn mix(packets: usize) -> Capture {
    let mut random = Random(0x1234_5678_9abc_def1);
    let begin = |random: &mut Random| {
        let (tcp, packets) = match random.below(100) {
            0..45 => (false, 2),
            45..97 => (true, 8 + random.below(24) as u32),
            _ => (true, 60 + random.below(600) as u32),
        };
        Talk {
            client: 0x0a00_0000 + random.below(20_000) as u32,
            server: 0xc000_0200 + random.below(500) as u32,
            port: 1024 + random.below(60_000) as u16,
            tcp,
            at: 0,
            packets,
            seq: [random.next() as u32, random.next() as u32],
        }
    };
    let mut talks: Vec<Talk> = (0..3000).map(|_| begin(&mut random)).collect();
    let mut out = Capture::default();
    let mut time_us = 1_700_000_000_000_000;
    while out.frames.len() < packets {
        let slot = random.below(3000) as usize;
        time_us += random.below(60);
        let talk = &mut talks[slot];
        let up = if talk.tcp { !matches!(talk.at % 3, 1) } else { talk.at == 0 };
        let (ends, ports) = match up {
            true => ((talk.client, talk.server), (talk.port, if talk.tcp { 443 } else { 53 })),
            false => ((talk.server, talk.client), (if talk.tcp { 443 } else { 53 }, talk.port)),
        };
        let id = random.next() as u16;
        if talk.tcp {
            let (flags, len) = match talk.at {
                0 => (0x02, 0),
                1 => (0x12, 0),
                at if at + 3 == talk.packets => (0x11, 0),
                at if at + 2 == talk.packets => (0x11, 0),
                at => (0x18, if at % 3 == 1 { 1400 } else { [0, 0, 90, 400][random.below(4) as usize] }),
            };
            let (mine, theirs) = (usize::from(!up), usize::from(up));
            out.push(time_us, id, ends, ports, Some((talk.seq[mine], talk.seq[theirs], flags)), len);
            talk.seq[mine] = talk.seq[mine].wrapping_add(u32::from(len) + u32::from(flags & 3 != 0));
        } else {
            out.push(time_us, id, ends, ports, None, 60);
        }
        talk.at += 1;
        if talk.at >= talk.packets {
            talks[slot] = begin(&mut random);
        }
    }
    out
}

/// SYNs from random sources to one port.
fn flood(packets: usize) -> Capture {
    let mut random = Random(0x0dd0_5eed_1234_5671);
    let mut out = Capture::default();
    for i in 0..packets as u64 {
        let ends = (random.next() as u32, 0xc000_0201);
        let ports = (1024 + random.below(60_000) as u16, 80);
        out.push(
            1_700_000_000_000_000 + i * 2,
            random.next() as u16,
            ends,
            ports,
            Some((random.next() as u32, 0, 2)),
            0,
        );
    }
    out
}

/// Keeps the packets in batches of one size.
#[derive(Default)]
struct Batches {
    done: Vec<PacketBatch>,
    current: PacketBatch,
}

impl PacketSink for Batches {
    fn packet(&mut self, packet: &Packet, context: Option<&Context>) {
        self.current.push(packet, context);
        if self.current.len() == BATCH {
            (self.current.epoch, self.current.watermark_us) = (packet.epoch, packet.watermark_us);
            self.done.push(std::mem::take(&mut self.current));
        }
    }

    fn epoch_ended(&mut self, _: u32, _: u64) {
        unreachable!("time only goes forward here");
    }
}

/// Counts packets.
struct Count(u64);

impl PacketSink for Count {
    #[inline]
    fn packet(&mut self, packet: &Packet, _: Option<&Context>) {
        self.0 += u64::from(packet.payload_len & 1) + 1;
    }

    fn epoch_ended(&mut self, _: u32, _: u64) {}
}

/// The sensor's loop: intake into one batch, metered when it is full.
struct Driver {
    shards: Shards,
    batch: PacketBatch,
    out: EventBatch,
    events: u64,
}

impl PacketSink for Driver {
    #[inline]
    fn packet(&mut self, packet: &Packet, context: Option<&Context>) {
        self.batch.push(packet, context);
        if self.batch.len() == BATCH {
            self.batch.epoch = packet.epoch;
            self.batch.watermark_us = packet.watermark_us;
            self.shards.meter(&self.batch, &mut self.out);
            self.events += self.out.events.len() as u64;
            self.out.clear();
            self.batch.clear();
        }
    }

    fn epoch_ended(&mut self, _: u32, _: u64) {}
}

fn timed(rounds: u32, mut run: impl FnMut()) -> f64 {
    let mut best = u64::MAX;
    // A profiler that simulates every instruction wants fewer of them.
    let rounds = if std::env::args().any(|it| it == "once") { 1 } else { rounds };
    for _ in 0..rounds {
        let start = cpu_ns();
        run();
        best = best.min(cpu_ns() - start);
    }
    best as f64
}

/// The end of the input, in portions.
fn drain(shards: &mut Shards, packets: u64, out: &mut EventBatch) {
    for seq in (0..packets + BATCH as u64).step_by(BATCH) {
        shards.drain_before(seq, EndReason::EndOfInput, out);
        out.clear();
    }
}

fn measure(name: &str, capture: &Capture, config: &MeterConfig) {
    let n = capture.frames.len() as f64;
    let read_ns = timed(5, || {
        let mut sum = 0;
        capture.read(|frame| sum ^= frame.time_us);
        std::hint::black_box(sum);
    });
    let intake_ns = timed(5, || {
        let mut intake = Intake::new(config).expect("the configuration is valid");
        let mut sink = Count(0);
        capture.read(|frame| intake.accept(frame, &mut sink));
        std::hint::black_box(sink.0);
    });
    let mut batches = Batches::default();
    let mut intake = Intake::new(config).expect("the configuration is valid");
    capture.read(|frame| intake.accept(frame, &mut batches));
    let mut flows = 0;
    let mut events = 0;
    let table_ns = timed(5, || {
        let mut shards = Shards::new(config, 0, 1).expect("the configuration is valid");
        let mut out = EventBatch::default();
        events = 0;
        for batch in &batches.done {
            shards.meter(batch, &mut out);
            events += out.events.len();
            out.clear();
        }
        drain(&mut shards, n as u64, &mut out);
        flows = shards.accounting().started;
    });
    drop(batches);
    let all_ns = timed(5, || {
        let mut intake = Intake::new(config).expect("the configuration is valid");
        let mut driver = Driver {
            shards: Shards::new(config, 0, 1).expect("the configuration is valid"),
            batch: PacketBatch::default(),
            out: EventBatch::default(),
            events: 0,
        };
        capture.read(|frame| intake.accept(frame, &mut driver));
        drain(&mut driver.shards, n as u64, &mut driver.out);
    });
    println!(
        "{name}: {n} packets, {:.0} MB, {flows} flows, {events} events before the end",
        capture.bytes.len() as f64 / 1e6
    );
    let (intake_ns, all_ns) = (intake_ns - read_ns, all_ns - read_ns);
    println!("  reading's part    {:7.1} ns/packet, taken off below", read_ns / n);
    println!("  decode and intake {:7.1} ns/packet", intake_ns / n);
    println!("  tables            {:7.1} ns/packet", table_ns / n);
    println!("  together          {:7.1} ns/packet, {:.0} ns/flow", all_ns / n, all_ns / flows as f64);
}

/// How much memory a million flows take, and what ten million packets of a flood leave.
fn memory() {
    let config = MeterConfig::default();
    let before = resident_mib();
    let mut intake = Intake::new(&config).expect("the configuration is valid");
    let shards = Shards::new(&config, 0, 1).expect("the configuration is valid");
    let mut driver = Driver { shards, batch: PacketBatch::default(), out: EventBatch::default(), events: 0 };
    println!("memory: {:.1} MiB empty", resident_mib() - before);
    let mut random = Random(7);
    let mut one = Capture::default();
    for i in 0..10_000_000u64 {
        one.bytes.clear();
        one.frames.clear();
        let ends = (random.next() as u32, 0xc000_0201);
        one.push(
            1_700_000_000_000_000 + i,
            0,
            ends,
            (1024 + random.below(60_000) as u16, 80),
            Some((1, 0, 2)),
            0,
        );
        let (time_us, _, len) = one.frames[0];
        let frame = Frame { link: LinkType::Ethernet, time_us, wire_len: len, bytes: &one.bytes };
        intake.accept(&frame, &mut driver);
        if [999_999, 1_999_999, 9_999_999].contains(&i) {
            let flows = driver.shards.active();
            println!("  {:.1} MiB with {flows} flows after {} SYNs", resident_mib() - before, i + 1);
        }
    }
    println!("  {:?}", driver.shards.counters());
}

fn main() {
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|it| !it.starts_with("--") && it != "once").collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|it| it == name);
    let config = MeterConfig::default();
    if is_wanted("mix") {
        measure("mix", &mix(400_000), &config);
    }
    if is_wanted("flood") {
        measure("SYN flood", &flood(200_000), &config);
    }
    if is_wanted("full") {
        let small = MeterConfig { flows_max: 100_000, ..config };
        measure("SYN flood into a full table", &flood(1_000_000), &small);
    }
    if is_wanted("memory") {
        memory();
    }
}
