//! The live pipeline on capture files: the same totals as a replay, a clock that can be stopped and turned, watched folders.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sensor::capture::{Done, Input, Speed};
use sensor::live::{Live, LiveSettings, Reports, start};

use crate::live::{Counting, Told, counting, slot, wait_until};
use crate::live_wire::sender::{Conversations, tcp};
use crate::{capture, cases, repo, summary};

fn settings(files: Vec<PathBuf>) -> LiveSettings {
    LiveSettings::new(Input::Files(files)).unwrap()
}

/// Waits for the end of the input, and gives the sums.
fn to_the_end(live: Live) -> Reports {
    wait_until(&live, "the end", 60, |r| r.ended);
    let sums = live.stop().unwrap();
    assert!(sums.is_balanced(), "{sums:#?}");
    assert_eq!((sums.packets.queued, sums.scores.queued, sums.flows.active), (0, 0, 0), "{sums:#?}");
    sums
}

#[test]
fn a_capture_gives_the_same_totals_live_as_in_a_replay() {
    const SHORT_BYTES: u64 = 100_000;
    compare_totals(|file| std::fs::metadata(file).unwrap().len() <= SHORT_BYTES);
}

#[test]
#[ignore = "slow unless built for speed; `make proof-capture` runs it"]
fn proof_that_every_capture_gives_the_same_totals_live_as_in_a_replay() {
    compare_totals(|_| true);
}

fn compare_totals(wanted: impl Fn(&Path) -> bool) {
    let files: Vec<(String, PathBuf)> = cases()
        .into_iter()
        .map(|case| (case.clone(), capture(&case)))
        .filter(|(_, file)| wanted(file))
        .collect();
    assert!(files.len() >= 5, "{files:?}");
    for (case, file) in files {
        let replayed = summary(&[file.to_str().unwrap()]);
        let (recorder, told) = counting();
        let sums = to_the_end(start(settings(vec![file]), slot(), recorder).unwrap());
        let flows = &replayed["accounting"]["flows"];
        let packets = &replayed["accounting"]["packets"];
        for (name, live, expected) in [
            ("received", sums.packets.received, &packets["received"]),
            ("metered", sums.packets.metered, &packets["metered"]),
            ("not_ip", sums.packets.not_ip, &packets["not_ip"]),
            ("malformed", sums.packets.malformed, &packets["malformed"]),
            ("bytes", sums.intake.bytes, &replayed["bytes"]),
            ("started", sums.flows.started, &flows["started"]),
            ("ended", sums.flows.ended(), &flows["ended"]),
            ("scored", sums.scores.scored, &flows["scored"]),
            ("told", told.finals.load(Ordering::Relaxed), &flows["scored"]),
        ] {
            assert_eq!(Some(live), expected.as_u64(), "{case}: {name}");
        }
        for (reason, ended) in flowmeter::EndReason::ALL.iter().zip(sums.flows.ended_by) {
            assert_eq!(Some(ended), flows["ended_by"][reason.as_str()].as_u64(), "{case}: {reason}");
        }
    }
}

/// Writes a pcap file of frames with their times in microseconds.
fn write_pcap<'a>(path: &Path, frames: impl IntoIterator<Item = (u64, &'a [u8])>) {
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4u32, 0x0004_0002, 0, 0, 65_535, 1] {
        bytes.extend(word.to_le_bytes());
    }
    for (time_us, frame) in frames {
        let len = frame.len() as u32;
        for word in [(time_us / 1_000_000) as u32, (time_us % 1_000_000) as u32, len, len] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(frame);
    }
    std::fs::write(path, bytes).unwrap();
}

const START_US: u64 = 1_700_000_000_000_000;
const HOUR_US: u64 = 3_600_000_000;

#[test]
fn a_clock_that_steps_an_hour_either_way_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("steps.pcap");
    let mut conversations = Conversations::new(40);
    let mut frames = Vec::new();
    while let Some(frame) = conversations.next_frame() {
        frames.push(frame.to_vec());
    }
    // Ten conversations at the right time, ten an hour later, ten back again, ten an hour before.
    let offsets = [HOUR_US, 2 * HOUR_US, HOUR_US, 0];
    let timed = frames
        .iter()
        .enumerate()
        .map(|(n, frame)| (START_US + offsets[n / 100] + n as u64 * 1_000, frame.as_slice()));
    write_pcap(&file, timed);
    let sums = to_the_end(start(settings(vec![file]), slot(), counting().0).unwrap());
    assert_eq!(sums.packets.metered, 400);
    assert_eq!(sums.flows.started, 40);
    assert_eq!(sums.scores.scored, 40);
    assert_eq!(sums.intake.clock_steps_back, 2, "{:?}", sums.intake);
}

#[test]
fn files_wait_for_a_slow_recorder() {
    let told = Arc::new(Told::default());
    let slow = Counting(told.clone(), Duration::from_micros(200));
    let mut settings = settings(vec![capture("scan-syn")]);
    settings.records_waiting_max = 1024;
    let live = start(settings, slot(), slow).unwrap();
    let sums = to_the_end(live);
    assert_eq!(sums.scores.shed_unscored + sums.scores.events_shed + sums.packets.shed, 0);
    assert_eq!(told.finals.load(Ordering::Relaxed), sums.flows.ended());
}

#[test]
fn a_replay_can_be_paused_resumed_and_sped_up() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slow.pcap");
    let frame = tcp(true, 0x02, 1, 0, 0);
    // One packet every 20 ms for 100 s of capture time.
    write_pcap(&file, (0..5_000).map(|n| (START_US + n * 20_000, frame.as_slice())));
    let mut settings = settings(vec![file]);
    settings.speed = Speed::Times(10.0);
    let live = start(settings, slot(), counting().0).unwrap();
    let received = |live: &Live| live.reports().packets.received;
    wait_until(&live, "some packets", 10, |r| r.packets.received >= 50);
    live.pause().unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let paused = received(&live);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(received(&live), paused, "a paused replay stands");
    assert!(paused < 5_000);
    live.resume().unwrap();
    wait_until(&live, "more packets", 10, |r| r.packets.received > paused);
    live.set_filter(Some("udp")).unwrap();
    assert!(live.set_filter(Some("no such word")).is_err());
    live.set_speed(Speed::Max).unwrap();
    let sums = to_the_end(live);
    assert_eq!(sums.packets.received, 5_000);
    assert!(sums.packets.filtered > 0 && sums.packets.metered >= paused, "{:?}", sums.packets);
}

#[test]
fn a_folder_is_read_file_by_file_and_only_when_they_are_complete() {
    let folder = tempfile::tempdir().unwrap();
    let (inbox, done) = (folder.path().join("inbox"), folder.path().join("done"));
    std::fs::create_dir(&inbox).unwrap();
    let frame = tcp(true, 0x02, 1, 0, 0);
    let packets = |from: u64, n: u64| (from..from + n).map(|n| (START_US + n * 1_000, frame.as_slice()));
    let input = Input::Folder { path: inbox.clone(), done: Done::MoveTo(done.clone()) };
    let live = start(LiveSettings::new(input).unwrap(), slot(), counting().0).unwrap();

    // Moved there whole; written there in two steps; broken; not a capture at all by name.
    write_pcap(&folder.path().join("a.pcap"), packets(0, 10));
    std::fs::rename(folder.path().join("a.pcap"), inbox.join("a.pcap")).unwrap();
    wait_until(&live, "the moved file", 10, |r| r.packets.received == 10);
    let whole = folder.path().join("whole.pcap");
    write_pcap(&whole, packets(10, 20));
    let bytes = std::fs::read(&whole).unwrap();
    let mut writer = std::fs::File::create(inbox.join("b.pcap")).unwrap();
    std::io::Write::write_all(&mut writer, &bytes[..bytes.len() / 2]).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(live.reports().packets.received, 10, "a file that is being written is left alone");
    std::io::Write::write_all(&mut writer, &bytes[bytes.len() / 2..]).unwrap();
    drop(writer);
    wait_until(&live, "the written file", 10, |r| r.packets.received == 30);
    std::fs::write(inbox.join("c.pcap"), b"this is no capture at all, whatever it is called").unwrap();
    std::fs::write(inbox.join("notes.txt"), b"nor is this").unwrap();
    let reports = wait_until(&live, "the bad file", 10, |r| r.files.bad == 1);
    assert!(reports.files.last_fault.as_ref().unwrap().contains("c.pcap"), "{:?}", reports.files);
    write_pcap(&folder.path().join("d.pcap"), packets(30, 5));
    std::fs::rename(folder.path().join("d.pcap"), inbox.join("d.pcap")).unwrap();
    wait_until(&live, "the file after it", 10, |r| r.packets.received == 35);
    wait_until(&live, "the end of it", 10, |r| r.files.read == 3 && done.join("d.pcap").exists());
    let sums = live.stop().unwrap();
    assert_eq!(sums.packets.metered, 35);
    let names = |folder: &Path| {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&inbox), ["notes.txt"]);
    assert_eq!(names(&done), ["a.pcap", "b.pcap", "c.pcap", "d.pcap"]);
}

#[test]
fn files_that_stay_in_a_folder_are_not_read_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (inbox, list) = (folder.path().join("inbox"), folder.path().join("done.list"));
    std::fs::create_dir(&inbox).unwrap();
    let frame = tcp(true, 0x02, 1, 0, 0);
    let run = |expected: u64| {
        let input = Input::Folder { path: inbox.clone(), done: Done::Remember(list.clone()) };
        let live = start(LiveSettings::new(input).unwrap(), slot(), counting().0).unwrap();
        let fresh = folder.path().join("fresh");
        write_pcap(&fresh, [(START_US, frame.as_slice())]);
        std::fs::rename(fresh, inbox.join(format!("{expected}.pcap"))).unwrap();
        wait_until(&live, "the new file", 10, |r| r.packets.received > 0);
        // An older one would have come first.
        wait_until(&live, "its end", 10, |r| r.files.read > 0);
        assert_eq!(live.stop().unwrap().packets.received, 1, "run {expected}");
    };
    run(1);
    run(2);
    assert_eq!(std::fs::read_to_string(&list).unwrap().lines().count(), 2);
}

#[test]
fn inputs_that_cannot_be_read_are_refused_with_a_remedy() {
    let missing = repo().join("no-such-file.pcap");
    let Err(fault) = start(settings(vec![missing]), slot(), counting().0) else {
        panic!("a missing file was read")
    };
    assert!(fault.to_string().contains("no such file; check the path"), "{fault}");
    let input = Input::Folder {
        path: repo().join("no-such-folder"),
        done: Done::Remember(repo().join("target/none")),
    };
    let Err(fault) = start(LiveSettings::new(input).unwrap(), slot(), counting().0) else {
        panic!("a missing folder was watched")
    };
    assert!(fault.to_string().contains("no-such-folder"), "{fault}");
}
