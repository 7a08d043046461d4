//! Who hears of a decision: the store's list of blocks, the audit log, the log, and listeners.

use serde_json::json;
use store::record::{NewAudit, NewBlock};

use super::Decider;
use crate::feed::{Notice, Topic};
use crate::inline::ledger::Block;
use crate::inline::policy::Refused;
use crate::inline::suspicion::Suspicion;
use crate::writer::WriteError;

impl Decider {
    pub(super) fn note_put(&self, block: &Block, actor: (&str, &str), now_us: u64) {
        let dry = self.parts.board.settings.dry_run;
        let action = if dry { "block dry-run" } else { "block" };
        let seconds = block.expires_us.saturating_sub(block.created_us) / 1_000_000;
        let detail =
            format!("number {} for {seconds} s, offence {}: {}", block.id, block.offence, block.reason);
        self.audit(actor, action, block.target.to_string(), true, detail, now_us);
        tracing::info!(event = "block", dry_run = dry, block = block.id, target = %block.target, seconds, reason = block.reason, "{}",
            if dry { "would be blocked" } else { "blocked" });
        self.tell(if dry { "would_block" } else { "block" }, block);
        if dry {
            return;
        }
        let (id, rule) = (block.id, row(block));
        self.parts.writer.ask(move |store, now_us| store.block(id, &rule, now_us), unwritten("a block"));
    }

    pub(super) fn note_lifted(&self, block: &Block, actor: (&str, &str), why: &str, now_us: u64) {
        let detail = format!("number {}: {why}", block.id);
        self.audit(actor, "block lift", block.target.to_string(), true, detail, now_us);
        tracing::info!(event = "block_lifted", block = block.id, target = %block.target, by = actor.0, why, "lifted");
        self.tell("lift", block);
    }

    pub(super) fn note_refused(&self, suspicion: &Suspicion, refused: &Refused, now_us: u64) {
        let whom = suspicion.source.map_or("many sources".to_owned(), |source| source.to_string());
        let detail = format!("alerts only, {refused}; {}", reason(suspicion));
        tracing::info!(
            event = "block_refused",
            source = whom,
            cause = refused.name(),
            "not blocked: {refused}"
        );
        self.audit(("sensor", "sensor"), "block refused", whom, false, detail, now_us);
    }

    fn audit(
        &self,
        actor: (&str, &str),
        action: &str,
        subject: String,
        allowed: bool,
        detail: String,
        at_us: u64,
    ) {
        let entry = NewAudit {
            at_us,
            actor: actor.0.to_owned(),
            role: actor.1.to_owned(),
            action: action.to_owned(),
            subject,
            allowed,
            detail,
        };
        self.parts.writer.ask(move |store, now_us| store.audit(&entry, now_us), unwritten("a decision"));
    }

    fn tell(&self, action: &str, block: &Block) {
        let source = block.target.source();
        self.parts.telling.tell(Notice {
            topic: Topic::Block,
            severity: None,
            body: json!({
                "action": action,
                "id": block.id,
                "covers": block.target.covers(),
                "src_ip": source.to_string(),
                "dst_ip": block.target.target(),
                "dst_port": block.target.port(),
                "category": block.category.map(|category| category.as_str()),
                "subject": block.subject,
                "owner": block.owner,
                "reason": block.reason,
                "expires_us": block.expires_us,
            }),
        });
    }
}

/// Why a suspicion is strong enough, in words.
pub(super) fn reason(suspicion: &Suspicion) -> String {
    let weight = if suspicion.by_behaviour {
        format!("{:.1} times what makes an alert", suspicion.strength)
    } else {
        format!("score {:.3}", suspicion.final_score.max(suspicion.provisional_score))
    };
    format!("{} incident {}, {weight}: {}", suspicion.category.as_str(), suspicion.incident, suspicion.reason)
}

fn row(block: &Block) -> NewBlock {
    NewBlock {
        address: block.target.source(),
        port: block.target.port(),
        subject: block.subject.clone(),
        owner: block.owner.clone(),
        reason: block.reason.clone(),
        created_us: block.created_us,
        expires_us: block.expires_us,
    }
}

/// A store that fails costs history, and no block.
pub(super) fn unwritten<T>(what: &'static str) -> impl FnOnce(Result<T, WriteError>) {
    move |outcome| {
        if let Err(error) = outcome {
            tracing::error!(event = "unwritten", %error, "{what} is in force and could not be written down");
        }
    }
}
