//! The self-test's capture is sound, and is a scan to a sensor with the default settings.

use flowmeter::MeterConfig;
use store::Store;

use super::capture;
use crate::detection::Detector;
use crate::detection::behaviour::Thresholds;
use crate::detection::policy::Policy;
use crate::pipeline;
use crate::recorder::Desk;
use crate::scoring::Model;

const NOW_US: u64 = 1_800_000_000_000_000;

#[test]
fn its_frames_are_whole_and_none_lies_in_the_future() {
    let frames: Vec<_> = capture::frames(NOW_US).collect();
    assert_eq!(frames.last().unwrap().0, NOW_US);
    assert!(frames.is_sorted_by_key(|(time_us, _)| *time_us));
    for (_, bytes) in &frames {
        // A sum over a header with its own checksum is all ones.
        let sum: u32 = bytes[14..34].chunks(2).map(|b| u32::from(b[0]) << 8 | u32::from(b[1])).sum();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    }
}

#[test]
fn it_is_a_scan_to_the_default_sensor() {
    let model = Model::load(None).unwrap();
    let detector = Detector::new("selftest", Policy, Thresholds::default());
    let mut desk = Desk::new(&model, detector, Store::in_memory().unwrap(), None, None);
    let sums = pipeline::run(&MeterConfig::default(), 1, &model, &mut desk, |feed| {
        for (time_us, bytes) in capture::frames(NOW_US) {
            feed.accept(&capture::frame(time_us, &bytes));
        }
    })
    .unwrap();
    assert_eq!((sums.packets.received, sums.packets.metered), (120, 120));
    let closed = desk.close();
    let incidents: Vec<_> = closed.detector.incidents().iter().collect();
    assert_eq!(incidents.len(), 1);
    assert_eq!(incidents[0].scope.category.as_str(), "scan");
}
