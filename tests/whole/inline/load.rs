//! What the line costs, and what it does under load: beside a bare bridge, in a flood, while models are swapped.

use std::time::Duration;

use model::artifact::SecretKey;
use serde_json::Value;

use super::forged::syn;
use super::line::{ATTACKER, Line, Side};
use super::traffic::{Honest, quantile, reaches, serve};
use super::{block, in_force, sensor, settings};
use crate::commands::successor;
use crate::live::now;
use crate::live_wire::sender::Sender;
use crate::run::Place;
use crate::taphound;

/// Bits a second that one iperf3 stream of `seconds` carries over the line; none without iperf3.
fn throughput(line: &Line, seconds: u32) -> Option<f64> {
    let run = |side: Side, words: Vec<String>| {
        line.on(side, move || std::process::Command::new("iperf3").args(words).output().ok())
    };
    let server = run(Side::Server, ["-s", "-1", "-J"].map(str::to_owned).to_vec());
    std::thread::sleep(Duration::from_millis(300));
    let words = ["-c", "10.77.0.2", "-J", "-t", &seconds.to_string()].map(str::to_owned).to_vec();
    let client = run(Side::Client, words).join().unwrap()?;
    server.join().unwrap()?;
    let said: Value = serde_json::from_slice(&client.stdout).ok()?;
    said["end"]["sum_received"]["bits_per_second"].as_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
#[ignore = "a minute of measuring: make test-inline"]
fn the_line_beside_a_bare_bridge() {
    let Some(line) = Line::new("inline::load::the_line_beside_a_bare_bridge") else { return };
    serve(&line);
    if std::process::Command::new("iperf3").arg("-v").output().is_err() {
        println!("SKIPPED inline::load::the_line_beside_a_bare_bridge: no iperf3");
        return;
    }
    // A link of a known speed, as a network card has one: without it the wire is as fast as the processors that the sensor needs, too.
    for (side, what) in [(Side::Client, "client"), (Side::Server, "server")] {
        let words =
            "qdisc add dev eth0 root tbf rate 200mbit burst 256k latency 50ms".split(' ').map(str::to_owned);
        let words: Vec<String> = words.collect();
        let done = line
            .on(side, move || std::process::Command::new("tc").args(words).output())
            .join()
            .unwrap()
            .unwrap();
        assert!(done.status.success(), "{what}: {}", String::from_utf8_lossy(&done.stderr));
    }
    let (mut bare, mut with, mut bare_us, mut with_us) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let latency = |line: &Line| {
        let honest = Honest::at_work(line);
        std::thread::sleep(Duration::from_secs(2));
        let mut took = honest.end();
        quantile(&mut took, 0.5).as_secs_f64() * 1e6
    };
    for _ in 0..5 {
        bare.push(throughput(&line, 2).expect("iperf3 on the bare bridge"));
        bare_us.push(latency(&line));
        let place = Place::new(&settings(""));
        let daemon = sensor(&line, &place);
        with.push(throughput(&line, 2).expect("iperf3 beside the sensor"));
        with_us.push(latency(&line));
        daemon.end();
    }
    let ratios = |with: &[f64], bare: &[f64]| median(with.iter().zip(bare).map(|(a, b)| a / b).collect());
    println!(
        "measured beside a bare bridge (link of 200 Mbit/s, five pairs): throughput {:.1} and {:.1} Mbit/s, median of ratios {:.3}; median question {:.0} and {:.0} us, median of ratios {:.3}",
        median(bare.clone()) / 1e6,
        median(with.clone()) / 1e6,
        ratios(&with, &bare),
        median(bare_us.clone()),
        median(with_us.clone()),
        ratios(&with_us, &bare_us)
    );
}

#[test]
#[ignore = "half a minute of flood: make test-inline"]
fn in_a_flood_traffic_flows_and_blocks_stand() {
    let Some(line) = Line::new("inline::load::in_a_flood_traffic_flows_and_blocks_stand") else { return };
    serve(&line);
    let place = Place::new(&settings(""));
    let daemon = sensor(&line, &place);
    block(&place, &["add", ATTACKER, "--reason", "proof", "--seconds", "600"]).unwrap();
    let honest = Honest::at_work(&line);
    let began = now();
    let (sent, seconds) = line
        .on(Side::Client, || {
            let mut n = 0_u32;
            Sender::on("eth0").send_at(100_000, 8.0, |sender| {
                n = n.wrapping_add(1);
                let source = std::net::Ipv4Addr::from(0x0b00_0000 | n.wrapping_mul(2_654_435_761) >> 8);
                sender.send(&syn(source, 1024 + (n % 60_000) as u16, 80))
            })
        })
        .join()
        .unwrap();
    let (status, _) = daemon.status();
    assert!(!reaches(&line), "the block stands in the flood");
    let took = honest.end();
    assert!(took.len() > 20, "{} questions answered", took.len());
    let blocks = in_force(&place);
    assert_eq!(blocks.len(), 1, "a forged flood makes no block: {blocks:#?}");
    let lost: u64 =
        status["sources"].as_array().unwrap().iter().map(|s| s["kernel_dropped"].as_u64().unwrap()).sum();
    println!(
        "measured flood: {sent} forged SYNs in {seconds:.1} s ({:.0}/s), {lost} of them not seen by the sensor for want of time, {} questions answered and none lost, in {:.1} s; the block stood",
        sent as f64 / seconds,
        took.len(),
        began.elapsed().as_secs_f64()
    );
    daemon.end();
}

#[test]
fn a_model_swap_changes_nothing_about_traffic_and_blocks() {
    let Some(line) = Line::new("inline::load::a_model_swap_changes_nothing_about_traffic_and_blocks") else {
        return;
    };
    serve(&line);
    let place = Place::new(&settings(""));
    let key = SecretKey::from_entropy([9; 32]);
    let file = place.path("next.taphound");
    std::fs::write(&file, successor(&key).1).unwrap();
    std::fs::create_dir(place.path("keys")).unwrap();
    std::fs::write(place.path("keys/ours.pub"), key.public().to_line()).unwrap();
    let daemon = sensor(&line, &place);
    block(&place, &["add", ATTACKER, "--reason", "proof", "--seconds", "600"]).unwrap();
    let honest = Honest::at_work(&line);
    let next = file.to_str().unwrap();
    for change in [&["install", next][..], &["rollback"], &["install", next]] {
        let before = honest.answered();
        let mut command = taphound();
        command.arg("model").args(change).arg("--socket");
        let done = command.arg(place.path("control.sock")).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        assert!(!reaches(&line), "the block stands");
        let until = crate::live::deadline(30);
        while honest.answered() <= before {
            assert!(now() < until, "honest traffic stopped");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let took = honest.end();
    daemon.end();
    println!(
        "measured model swap: installed, rolled back, installed; {} questions answered, none lost; the block stood",
        took.len()
    );
}
