//! The service by name, for the control socket: each operation takes a map and gives a value, as its HTTP twin does.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::record::AuditRow;
use utoipa::{IntoParams, ToSchema};

use super::Service;
use super::blocks::{AddBlock, LiftBlocks};
use super::evidence::EvidenceOf;
use super::labels::{GiveLabels, LabelByFilter, LabelsAfter, QueueOf};
use super::search::Search;
use super::suppress::AddSuppression;
use super::tokens::{NewToken, TokenEntry};
use super::who::{Actor, Role};
use crate::control::Refusal;

/// A token to make.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// Whose it is: the name in the audit log.
    #[schema(min_length = 1, max_length = 64)]
    pub subject: String,
    /// What its bearer may do.
    pub role: Role,
    /// How long it lives, in days; `api.token_days` unless said.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3650)]
    pub days: Option<u32>,
}

/// Every token.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TokenList {
    /// Newest first.
    pub items: Vec<TokenEntry>,
}

/// Which part of the audit log.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditBefore {
    /// Before this number; from the newest on unless said.
    pub before: Option<u64>,
    /// At most so many, 1 to 1000 (100).
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

/// A line of the audit log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditLine {
    /// Grows with every line.
    pub seq: u64,
    /// When, microseconds since the epoch.
    pub at_us: u64,
    /// Who.
    pub actor: String,
    /// What they may.
    pub role: String,
    /// What they did, or wanted to do.
    pub action: String,
    /// On what.
    pub subject: String,
    /// It was done; a refusal otherwise.
    pub allowed: bool,
    /// What else is worth knowing.
    pub detail: String,
}

/// Part of the audit log.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AuditPage {
    /// Newest first.
    pub items: Vec<AuditLine>,
    /// Send it as `before` for those that follow; none when there are no more.
    pub next: Option<u64>,
}

#[derive(Deserialize)]
struct ById {
    id: String,
}

#[derive(Deserialize)]
struct ModelFrom {
    /// The file's bytes in base64, or a path that the sensor may read.
    bytes: Option<String>,
    path: Option<PathBuf>,
}

impl Service {
    /// Days that a token lives unless it is said.
    pub const TOKEN_DAYS: u32 = 365;

    /// Does what `op` names. None: there is no such operation here.
    ///
    /// # Errors
    /// As its HTTP twin.
    pub fn operate(&self, actor: &Actor, op: &str, args: Value) -> Option<Result<Value, Refusal>> {
        Some(match op {
            "status" => give(Ok(self.status())),
            "alerts" => with(args, |s: Search| give(self.alerts(&s))),
            "alerts/show" => with(args, |a: ById| give(self.alert(&a.id))),
            "incidents" => with(args, |s: Search| give(self.incidents(&s))),
            "incidents/show" => with(args, |a: ById| give(self.incident(&a.id))),
            "flows" => with(args, |s: Search| give(self.flows(&s))),
            "flows/show" => with(args, |a: ById| give(self.flow(&a.id))),
            "labels" => with(args, |a: LabelsAfter| give(self.labels(&a))),
            "labels/give" => with(args, |a: GiveLabels| give(self.label(actor, &a))),
            "labels/by-filter" => with(args, |a: LabelByFilter| give(self.label_by_filter(actor, &a))),
            "labels/queue" => with(args, |a: QueueOf| give(self.label_queue(&a))),
            "labels/show" => with(args, |a: ById| give(self.labels_of(&a.id))),
            "labels/withdraw" => with(args, |a: ById| give(self.withdraw_label(actor, &a.id))),
            "suppressions" => give(self.suppressions()),
            "suppressions/add" => with(args, |a: AddSuppression| give(self.suppress(actor, &a))),
            "suppressions/lift" => with(args, |a: ById| {
                let number =
                    a.id.parse().map_err(|_| Refusal::invalid("`id` is the number of a suppression"));
                give(number.and_then(|id| self.lift_suppression(actor, id)))
            }),
            "blocks" => give(self.blocks()),
            "blocks/add" => with(args, |a: AddBlock| give(self.block(actor, &a))),
            "blocks/lift" => with(args, |a: LiftBlocks| give(self.lift_blocks(actor, &a))),
            "model" => give(Ok(self.models())),
            "model/verify" => with(args, |a: ModelFrom| give(a.read().and_then(|b| self.verify_model(&b)))),
            "model/install" => {
                with(args, |a: ModelFrom| give(a.read().and_then(|b| self.install_model(actor, &b))))
            }
            "model/shadow" => {
                with(args, |a: ModelFrom| give(a.read().and_then(|b| self.shadow_model(actor, &b))))
            }
            "model/shadow/end" => give(self.end_shadow(actor)),
            "model/rollback" => give(self.roll_back_model(actor)),
            "evidence" => with(args, |of: EvidenceOf| give(self.evidence_part(actor, &of))),
            "audit" => with(args, |a: AuditBefore| give(self.audit_log(&a))),
            "token/create" => {
                with(args, |a: CreateToken| give(self.create_token(actor, &a, Self::TOKEN_DAYS)))
            }
            "token/list" => give(Ok(self.token_list())),
            "token/revoke" => with(args, |a: ById| give(self.revoke_token(actor, &a.id))),
            _ => return None,
        })
    }

    /// Makes a token.
    ///
    /// # Errors
    /// As [`super::tokens::Tokens::create`].
    pub fn create_token(&self, actor: &Actor, asked: &CreateToken, days: u32) -> Result<NewToken, Refusal> {
        let days = asked.days.unwrap_or(days);
        if !(1..=3650).contains(&days) {
            return Err(Refusal::invalid(format!("`days` is {days}: use a value from 1 to 3650")));
        }
        let made = self.tokens.create(&asked.subject, asked.role, self.now_s(), u64::from(days) * 86_400)?;
        let detail = format!("{} as {} for {days} days", made.entry.subject, made.entry.role);
        self.audit(actor, "token create", &made.entry.id, detail)?;
        Ok(made)
    }

    /// Every token.
    #[must_use]
    pub fn token_list(&self) -> TokenList {
        TokenList { items: self.tokens.list() }
    }

    /// Ends a token and its sessions.
    ///
    /// # Errors
    /// As [`super::tokens::Tokens::revoke`].
    pub fn revoke_token(&self, actor: &Actor, id: &str) -> Result<(), Refusal> {
        let token = self.tokens.revoke(id, self.now_s())?;
        self.audit(actor, "token revoke", &token.id, token.subject)
    }

    /// The audit log, newest first.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn audit_log(&self, asked: &AuditBefore) -> Result<AuditPage, Refusal> {
        let limit = super::labels::limit(asked.limit, 100)?;
        let rows = self.readers.read(|reader| reader.audit(asked.before, limit))?;
        let next = if rows.len() == limit { rows.last().map(|row| row.seq) } else { None };
        let line = |row: AuditRow| {
            let e = row.entry;
            AuditLine {
                seq: row.seq,
                at_us: e.at_us,
                actor: e.actor,
                role: e.role,
                action: e.action,
                subject: e.subject,
                allowed: e.allowed,
                detail: e.detail,
            }
        };
        Ok(AuditPage { items: rows.into_iter().map(line).collect(), next })
    }
}

impl ModelFrom {
    fn read(self) -> Result<Vec<u8>, Refusal> {
        match (self.bytes, self.path) {
            (Some(bytes), None) => {
                STANDARD.decode(bytes).map_err(|e| Refusal::invalid(format!("`bytes` is no base64: {e}")))
            }
            (None, Some(path)) => crate::scoring::read(&path).map_err(|e| Refusal::invalid(e.to_string())),
            _ => Err(Refusal::invalid("name the model by `bytes` (base64) or by `path`, not both")),
        }
    }
}

/// Reads the arguments of an operation; none are an empty map.
pub(crate) fn with<A: DeserializeOwned>(
    args: Value,
    work: impl FnOnce(A) -> Result<Value, Refusal>,
) -> Result<Value, Refusal> {
    let args = if args.is_null() { json!({}) } else { args };
    work(
        serde_json::from_value(args)
            .map_err(|e| Refusal::invalid(format!("the arguments do not fit: {e}")))?,
    )
}

fn give<T: Serialize>(answer: Result<T, Refusal>) -> Result<Value, Refusal> {
    let answer = answer?;
    serde_json::to_value(answer)
        .map_err(|e| Refusal::unavailable(format!("the answer cannot be written ({e})")))
}
