//! Tokens: signed (HS256), listed, revocable. A token that is not on the list is worth nothing, whoever signed it.
//!
//! The key is made at the first start and, as the list, lies in the state folder with mode 0600. A browser's login is a
//! session: a short token whose parent is the one that was shown; it dies with its parent.

mod jwt;
mod shelf;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::who::Role;
use crate::control::Refusal;
use crate::fault::Fault;
use jwt::Claims;

/// A token on the list. The token itself is shown once, when it is made, and kept nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenEntry {
    /// Its id, for revoking it.
    pub id: String,
    /// Whose it is: the name in the audit log.
    pub subject: String,
    /// What its bearer may do.
    pub role: Role,
    /// When it was made, epoch seconds.
    pub created_s: u64,
    /// From when on it is worth nothing, epoch seconds.
    pub expires_s: u64,
    /// When it was revoked, epoch seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_s: Option<u64>,
}

/// A token as it is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    /// The token. It is not shown again.
    pub token: String,
    /// Its line on the list.
    #[serde(flatten)]
    pub entry: TokenEntry,
}

/// What a valid token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The token's id.
    pub id: String,
    /// Whose it is.
    pub subject: String,
    /// What its bearer may do.
    pub role: Role,
    /// From when on it is worth nothing, epoch seconds.
    pub expires_s: u64,
    /// It is a browser's login.
    pub session: bool,
    /// The listed token behind it; its own id unless it is a session.
    pub root: String,
}

/// All tokens.
pub struct Tokens {
    shelf: shelf::Shelf,
    key: jwt::Key,
    leeway_s: u64,
    listed: Mutex<Listed>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Listed {
    tokens: BTreeMap<String, TokenEntry>,
    /// Sessions that were ended before their time: id and expiry.
    #[serde(default)]
    ended: BTreeMap<String, u64>,
}

impl Tokens {
    /// Tokens on the list, expired ones not counted.
    const TOKENS_MAX: usize = 1000;
    const SUBJECT_MAX: usize = 64;

    /// Opens the key and the list in `folder`, made when they are not there.
    ///
    /// # Errors
    /// They cannot be read or made, or are not ours alone.
    pub fn open(folder: &Path, leeway_s: u32) -> Result<Self, Fault> {
        let shelf = shelf::Shelf::open(folder)?;
        let key = jwt::Key::new(&shelf.key()?);
        let listed = Mutex::new(shelf.list()?);
        Ok(Self { shelf, key, leeway_s: u64::from(leeway_s), listed })
    }

    /// Makes a token that lives for `life_s`.
    ///
    /// # Errors
    /// A name that cannot stand in a log line, too many tokens, or a disk that does not keep it.
    pub fn create(&self, subject: &str, role: Role, now_s: u64, life_s: u64) -> Result<NewToken, Refusal> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._@+-".contains(c);
        if subject.is_empty() || subject.len() > Self::SUBJECT_MAX || !subject.chars().all(plain) {
            return Err(Refusal::invalid(format!(
                "`subject` names whose token it is: 1 to {} letters, digits and ._@+-",
                Self::SUBJECT_MAX
            )));
        }
        if life_s == 0 {
            return Err(Refusal::invalid("a token that lives 0 seconds opens nothing; name a longer life"));
        }
        let entry = TokenEntry {
            id: random_id()?,
            subject: subject.to_owned(),
            role,
            created_s: now_s,
            expires_s: now_s.saturating_add(life_s),
            revoked_s: None,
        };
        self.change(|listed| {
            listed.tokens.retain(|_, token| token.expires_s > now_s);
            if listed.tokens.len() >= Self::TOKENS_MAX {
                return Err(Refusal::conflict(format!(
                    "there are {} tokens, as many as there may be; revoke some",
                    Self::TOKENS_MAX
                )));
            }
            listed.tokens.insert(entry.id.clone(), entry.clone());
            Ok(())
        })?;
        Ok(NewToken { token: self.key.sign(&Claims::of(&entry, None)), entry })
    }

    /// Ends a token and every session that came from it.
    ///
    /// # Errors
    /// There is none of this id, or the disk does not keep it.
    pub fn revoke(&self, id: &str, now_s: u64) -> Result<TokenEntry, Refusal> {
        self.change(|listed| {
            let token = listed.tokens.get_mut(id).ok_or_else(|| {
                Refusal::not_found(format!("there is no token `{id}`; `taphound token list` shows them"))
            })?;
            token.revoked_s.get_or_insert(now_s);
            Ok(token.clone())
        })
    }

    /// Every token, the newest first.
    #[must_use]
    pub fn list(&self) -> Vec<TokenEntry> {
        let mut tokens: Vec<TokenEntry> = self.listed().tokens.values().cloned().collect();
        tokens.sort_by(|a, b| b.created_s.cmp(&a.created_s).then_with(|| a.id.cmp(&b.id)));
        tokens
    }

    /// A session for whoever showed a token. It lives no longer than that one.
    ///
    /// # Errors
    /// There is no randomness for its id.
    pub fn session(&self, bearer: &Bearer, now_s: u64, life_s: u64) -> Result<(String, u64), Refusal> {
        let expires_s = bearer.expires_s.min(now_s.saturating_add(life_s));
        let entry = TokenEntry {
            id: random_id()?,
            subject: bearer.subject.clone(),
            role: bearer.role,
            created_s: now_s,
            expires_s,
            revoked_s: None,
        };
        Ok((self.key.sign(&Claims::of(&entry, Some(bearer.root.clone()))), expires_s))
    }

    /// Ends a session before its time.
    ///
    /// # Errors
    /// The disk does not keep it.
    pub fn end_session(&self, bearer: &Bearer, now_s: u64) -> Result<(), Refusal> {
        self.change(|listed| {
            listed.ended.retain(|_, expires_s| *expires_s + self.leeway_s > now_s);
            listed.ended.insert(bearer.id.clone(), bearer.expires_s);
            Ok(())
        })
    }

    /// What a token says, if it is one of ours and worth something at `now_s`. Why not is told to the log, not to its bearer.
    ///
    /// # Errors
    /// Why it is worth nothing.
    pub fn verify(&self, token: &str, now_s: u64) -> Result<Bearer, &'static str> {
        let claims = self.key.verify(token).ok_or("the token is not one of this sensor's")?;
        if claims.exp.saturating_add(self.leeway_s) <= now_s {
            return Err("the token has expired");
        }
        if claims.nbf > now_s.saturating_add(self.leeway_s) {
            return Err("the token is not valid yet");
        }
        let root = claims.parent.clone().unwrap_or_else(|| claims.jti.clone());
        let entry = self.standing(&claims.jti, &root)?;
        Ok(Bearer {
            session: claims.parent.is_some(),
            id: claims.jti,
            root,
            subject: entry.subject,
            // The list decides, not the token.
            role: entry.role,
            expires_s: claims.exp,
        })
    }

    /// Whether what was valid once still is.
    ///
    /// # Errors
    /// Why it is not.
    pub fn recheck(&self, bearer: &Bearer, now_s: u64) -> Result<(), &'static str> {
        if bearer.expires_s.saturating_add(self.leeway_s) <= now_s {
            return Err("the token has expired");
        }
        self.standing(&bearer.id, &bearer.root).map(|_| ())
    }

    /// The listed token behind a token that is not ended or revoked.
    fn standing(&self, id: &str, root: &str) -> Result<TokenEntry, &'static str> {
        let listed = self.listed();
        if listed.ended.contains_key(id) {
            return Err("the session has ended");
        }
        match listed.tokens.get(root) {
            None => Err("the token is not on the list"),
            Some(entry) if entry.revoked_s.is_some() => Err("the token was revoked"),
            Some(entry) => Ok(entry.clone()),
        }
    }

    fn listed(&self) -> MutexGuard<'_, Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the list on disk first, then in memory: what was revoked stays so over a crash.
    fn change<T>(&self, work: impl FnOnce(&mut Listed) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut listed = self.listed();
        let mut next = listed.clone();
        let value = work(&mut next)?;
        self.shelf.keep(&next).map_err(|e| Refusal::unavailable(e.to_string()))?;
        *listed = next;
        Ok(value)
    }
}

/// 128 random bits in hex.
pub(crate) fn random_id() -> Result<String, Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|e| Refusal::unavailable(format!("the system gives no random numbers ({e}); try again")))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}
