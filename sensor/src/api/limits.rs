//! How much one client, one token, and one guesser may ask for.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use axum::http::StatusCode;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::problem::Problem;
use crate::config::Api;

/// Cells of one kind before strangers share one: memory stays bounded whoever comes.
const KEYS_MAX: usize = 65_536;
/// Refusals of one client that are told one by one, and how often another one after that.
const REFUSALS_BURST: NonZeroU32 = NonZeroU32::new(100).unwrap();
const REFUSAL_EVERY: Duration = Duration::from_secs(1);

/// The limits and who has used how much of them.
pub(super) struct Limits {
    clients: Option<Bounded<IpAddr>>,
    tokens: Option<Bounded<String>>,
    refusals: DefaultKeyedRateLimiter<IpAddr>,
}

struct Bounded<K: std::hash::Hash + Eq + Clone> {
    keyed: DefaultKeyedRateLimiter<K>,
    rest: DefaultDirectRateLimiter,
}

impl<K: std::hash::Hash + Eq + Clone> Bounded<K> {
    fn new(quota: Quota) -> Self {
        Self { keyed: RateLimiter::keyed(quota), rest: RateLimiter::direct(quota) }
    }

    fn admit(&self, key: &K) -> Result<(), Problem> {
        let outcome = if self.keyed.len() < KEYS_MAX { self.keyed.check_key(key) } else { self.rest.check() };
        outcome.map_err(|until| too_many(until.wait_time_from(DefaultClock::default().now())))
    }
}

fn too_many(wait: Duration) -> Problem {
    let seconds = wait.as_secs() + 1;
    Problem::new(StatusCode::TOO_MANY_REQUESTS, format!("too many requests; wait {seconds} s"))
        .retry_after(seconds)
}

impl Limits {
    pub(super) fn new(settings: &Api) -> Self {
        let quota = NonZeroU32::new(settings.requests_per_s).map(|rate| {
            let burst = NonZeroU32::new(settings.requests_burst).unwrap_or(rate);
            Quota::per_second(rate).allow_burst(burst)
        });
        let refusals = Quota::with_period(REFUSAL_EVERY).unwrap_or(Quota::per_minute(NonZeroU32::MIN));
        Self {
            clients: quota.map(Bounded::new),
            tokens: quota.map(Bounded::new),
            refusals: RateLimiter::keyed(refusals.allow_burst(REFUSALS_BURST)),
        }
    }

    /// A client asks for something.
    pub(super) fn admit_client(&self, address: IpAddr) -> Result<(), Problem> {
        self.clients.as_ref().map_or(Ok(()), |clients| clients.admit(&network(address)))
    }

    /// A token is used.
    pub(super) fn admit_token(&self, id: &str) -> Result<(), Problem> {
        self.tokens.as_ref().map_or(Ok(()), |tokens| tokens.admit(&id.to_owned()))
    }

    /// A client was refused for want of a good token or role. Tokens cannot be guessed; this keeps the audit log readable.
    pub(super) fn note_refusal(&self, address: IpAddr) -> Result<(), Problem> {
        let outcome = self.refusals.check_key(&network(address));
        outcome.map_err(|until| too_many(until.wait_time_from(DefaultClock::default().now())))
    }

    /// Forgets who has not asked for a while. Called now and then.
    pub(super) fn tidy(&self) {
        if let Some(clients) = &self.clients {
            clients.keyed.retain_recent();
        }
        if let Some(tokens) = &self.tokens {
            tokens.keyed.retain_recent();
        }
        self.refusals.retain_recent();
    }
}

/// One household of IPv6 has a /64.
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}
