//! Suppressions: rules for what is not shown, in force at once, with who answers for them, why, until when, and what they hid.

use serde::{Deserialize, Serialize};
use store::record::{Cidr, NewSuppression, NotOne, SuppressionRow};
use utoipa::ToSchema;

use super::Service;
use super::when::read_time;
use super::who::Actor;
use crate::control::Refusal;

/// A rule to add. It needs at least one condition; absent ones match everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddSuppression {
    /// The attacker's address or range.
    #[serde(default)]
    pub src: Option<String>,
    /// The victim's address or range.
    #[serde(default)]
    pub dst: Option<String>,
    /// The victim's port.
    #[serde(default)]
    pub port: Option<u16>,
    /// Attack category.
    #[serde(default)]
    pub category: Option<String>,
    /// Who answers for it; whoever adds it unless said.
    #[serde(default)]
    pub owner: Option<String>,
    /// Why.
    pub reason: String,
    /// Until when: `2026-12-24T00:00:00Z`, or seconds since 1970. Without it, for ever.
    #[serde(default)]
    pub expires: Option<String>,
}

/// A rule and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Suppression {
    /// Its number.
    pub id: u64,
    /// The attacker's address or range.
    pub src: Option<String>,
    /// The victim's address or range.
    pub dst: Option<String>,
    /// The victim's port.
    pub port: Option<u16>,
    /// Attack category.
    pub category: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Since when, microseconds since the epoch.
    pub created_us: u64,
    /// Until when.
    pub expires_us: Option<u64>,
    /// When somebody lifted it.
    pub lifted_us: Option<u64>,
    /// It is in force.
    pub active: bool,
    /// Alerts it hid; `/api/v1/alerts?suppressed=true` shows them.
    pub hits: u64,
    /// When it hid the last one.
    pub last_hit_us: Option<u64>,
}

/// Every rule.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SuppressionList {
    /// Newest first; those that have ended too.
    pub items: Vec<Suppression>,
}

const TEXT_MAX: usize = 500;

impl Service {
    /// Every rule, newest first.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn suppressions(&self) -> Result<SuppressionList, Refusal> {
        let now_us = self.now_us();
        let rows = self.readers.read(|reader| reader.suppressions())?;
        Ok(SuppressionList { items: rows.into_iter().map(|row| shown(row, now_us)).collect() })
    }

    /// Adds a rule; it is in force when this returns.
    ///
    /// # Errors
    /// A condition that cannot be read, no condition at all, or a store that does not keep it.
    pub fn suppress(&self, actor: &Actor, add: &AddSuppression) -> Result<Suppression, Refusal> {
        let rule = self.rule(actor, add)?;
        let added = rule.clone();
        let id = self.write(move |store, now_us| store.suppress(&added, now_us))?;
        self.refresh_suppressions()?;
        self.audit(actor, "suppress", &id.to_string(), describe(&rule))?;
        let row = SuppressionRow { id, rule, lifted_us: None, hits: 0, last_hit_us: None };
        Ok(shown(row, self.now_us()))
    }

    /// Ends a rule; what it hid stays on record.
    ///
    /// # Errors
    /// None of this number is in force, or the store does not keep it.
    pub fn lift_suppression(&self, actor: &Actor, id: u64) -> Result<(), Refusal> {
        if !self.write(move |store, now_us| store.lift_suppression(id, now_us))? {
            return Err(Refusal::not_found(format!("no suppression {id} is in force")));
        }
        self.refresh_suppressions()?;
        self.audit(actor, "suppress lift", &id.to_string(), String::new())
    }

    fn refresh_suppressions(&self) -> Result<(), Refusal> {
        let rows = self.readers.read(|reader| reader.suppressions())?;
        self.parts.suppressions.put_in_force(&rows, self.now_us());
        Ok(())
    }

    fn rule(&self, actor: &Actor, add: &AddSuppression) -> Result<NewSuppression, Refusal> {
        let range = |name: &str, text: &Option<String>| -> Result<Option<Cidr>, Refusal> {
            let read = |e: NotOne| Refusal::invalid(format!("`{name}`: {e}"));
            text.as_deref().map(|t| t.parse::<Cidr>().map_err(read)).transpose()
        };
        let category = match add.category.as_deref() {
            None => None,
            Some(name) => {
                let category = name
                    .parse::<model::Category>()
                    .map_err(|e| Refusal::invalid(format!("`category`: {e}")))?;
                if !category.is_attack() {
                    return Err(Refusal::invalid("`category`: benign is never shown; name an attack"));
                }
                Some(category.as_str().to_owned())
            }
        };
        let reason = add.reason.trim();
        if reason.is_empty() || reason.chars().count() > TEXT_MAX {
            return Err(Refusal::invalid(format!("`reason` says why in 1 to {TEXT_MAX} characters")));
        }
        let created_us = self.now_us();
        let until = |text: &str| match read_time(text) {
            Ok(us) if us > created_us => Ok(us),
            Ok(_) => Err(Refusal::invalid(format!("`expires`: `{text}` is over"))),
            Err(e) => Err(Refusal::invalid(format!("`expires`: {e}"))),
        };
        let rule = NewSuppression {
            src: range("src", &add.src)?,
            dst: range("dst", &add.dst)?,
            port: add.port,
            category,
            owner: add.owner.clone().filter(|o| !o.is_empty()).unwrap_or_else(|| actor.name.clone()),
            reason: reason.to_owned(),
            created_us,
            expires_us: add.expires.as_deref().map(until).transpose()?,
        };
        if rule.src.is_none() && rule.dst.is_none() && rule.port.is_none() && rule.category.is_none() {
            return Err(Refusal::invalid(
                "without a condition it would hide everything; name src, dst, port or category",
            ));
        }
        Ok(rule)
    }
}

fn shown(row: SuppressionRow, now_us: u64) -> Suppression {
    let active = row.is_active(now_us);
    let SuppressionRow { id, rule, lifted_us, hits, last_hit_us } = row;
    let NewSuppression { src, dst, port, category, owner, reason, created_us, expires_us } = rule;
    Suppression {
        id,
        src: src.map(|c| c.to_string()),
        dst: dst.map(|c| c.to_string()),
        port,
        category,
        owner,
        reason,
        created_us,
        expires_us,
        lifted_us,
        active,
        hits,
        last_hit_us,
    }
}

fn describe(rule: &NewSuppression) -> String {
    let any = |text: Option<String>| text.unwrap_or_else(|| "any".to_owned());
    format!(
        "src {} dst {} port {} category {}: {}",
        any(rule.src.map(|c| c.to_string())),
        any(rule.dst.map(|c| c.to_string())),
        any(rule.port.map(|p| p.to_string())),
        any(rule.category.clone()),
        rule.reason
    )
}
