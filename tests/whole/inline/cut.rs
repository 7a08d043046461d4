//! An attack is cut, people can undo it, a dry run only says so.

use super::line::{ATTACKER, Line};
use super::traffic::{Honest, guessing, quantile, reaches, serve};
use super::{block, in_force, sensor, settings};
use crate::run::Place;

#[test]
fn an_attack_is_cut_and_honest_clients_feel_nothing() {
    let Some(line) = Line::new("inline::cut::an_attack_is_cut_and_honest_clients_feel_nothing") else {
        return;
    };
    serve(&line);
    let place = Place::new(&settings("list = true\n"));
    let daemon = sensor(&line, &place);
    let honest = Honest::at_work(&line);
    let guessed = guessing(&line, 20, 30).join().unwrap();
    let cut_after = guessed.cut_after.unwrap_or_else(|| panic!("never cut: {guessed:?}"));

    let blocks = in_force(&place);
    assert_eq!(blocks.len(), 1, "{blocks:#?}");
    let ours = &blocks[0];
    assert_eq!((ours["src"].as_str(), ours["covers"].as_str()), (Some(ATTACKER), Some("service")), "{ours}");
    assert_eq!((ours["port"].as_u64(), ours["category"].as_str()), (Some(21), Some("bruteforce")), "{ours}");
    let status =
        daemon.until("dropped packets", 10, |s, _| s["inline"]["dropped_packets"].as_u64() > Some(0));
    assert_eq!(
        (status["inline"]["blocks"].as_u64(), status["inline"]["outcomes"]["blocked"].as_u64()),
        (Some(1), Some(1))
    );
    let audit = daemon.ask("audit");
    let line_of =
        audit.iter().find(|entry| entry["action"] == "block").unwrap_or_else(|| panic!("{audit:#?}"));
    assert!(line_of["detail"].as_str().unwrap().contains("times what makes an alert"), "{line_of}");

    // Undone in one command, and forgiven.
    let lifted = block(&place, &["remove", ATTACKER]).unwrap();
    assert_eq!(lifted["lifted"], 1);
    assert!(reaches(&line), "what was lifted passes");
    assert!(in_force(&place).is_empty());
    // Stopped again by hand, as a whole, and listed for other tools.
    block(&place, &["add", ATTACKER, "--reason", "by hand", "--seconds", "600"]).unwrap();
    assert!(!reaches(&line), "what is blocked by hand does not pass");
    assert_eq!(std::fs::read_to_string(place.path("state/blocks.txt")).unwrap(), format!("{ATTACKER}\n"));

    let mut took = honest.end();
    assert!(line.has_table());
    daemon.end();
    assert!(!line.has_table(), "a clean stop removes the rules");
    assert!(reaches(&line), "and with them every block");
    println!(
        "measured cut: {} guesses answered, first packet dropped {:.0} ms after the first packet of the attack; {} questions of an honest client answered, p50 {:?}, p99 {:?}",
        guessed.answered,
        cut_after.as_secs_f64() * 1e3,
        took.len(),
        quantile(&mut took, 0.5),
        quantile(&mut took, 0.99)
    );
}

#[test]
fn a_dry_run_says_what_it_would_have_blocked_and_stops_nothing() {
    let Some(line) = Line::new("inline::cut::a_dry_run_says_what_it_would_have_blocked_and_stops_nothing")
    else {
        return;
    };
    serve(&line);
    let place = Place::new(&settings("dry_run = true\n"));
    let daemon = sensor(&line, &place);
    let guessing = guessing(&line, 20, 6);
    let status =
        daemon.until("a decision", 30, |s, _| s["inline"]["outcomes"]["would_block"].as_u64() > Some(0));
    let guessed = guessing.join().unwrap();
    assert!(guessed.cut_after.is_none(), "{guessed:?}");
    assert!(!line.has_table(), "a dry run needs no rules");
    assert_eq!(status["inline"]["dry_run"], true);
    assert_eq!(in_force(&place)[0]["src"], ATTACKER);
    assert!(daemon.ask("audit").iter().any(|entry| entry["action"] == "block dry-run"));
    daemon.end();
}
