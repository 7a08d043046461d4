//! JSON Web Tokens with HMAC-SHA-256, by `jsonwebtoken`, on the digest that this program has anyway.

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{self, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::{Role, TokenEntry};

/// Who issues and who reads these tokens.
const ISSUER: &str = "taphound";

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    pub(super) jti: String,
    sub: String,
    role: Role,
    iss: String,
    aud: String,
    iat: u64,
    pub(super) nbf: u64,
    pub(super) exp: u64,
    /// Id of the token that opened this session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<String>,
}

impl Claims {
    pub(super) fn of(entry: &TokenEntry, parent: Option<String>) -> Self {
        Self {
            jti: entry.id.clone(),
            sub: entry.subject.clone(),
            role: entry.role,
            iss: ISSUER.to_owned(),
            aud: ISSUER.to_owned(),
            iat: entry.created_s,
            nbf: entry.created_s,
            exp: entry.expires_s,
            parent,
        }
    }
}

/// The key and the rules.
pub(super) struct Key {
    encoding: EncodingKey,
    decoding: DecodingKey,
    rules: Validation,
}

impl Key {
    pub(super) fn new(secret: &[u8]) -> Self {
        // The second of two keys finds the provider in place.
        let _ = PROVIDER.install_default();
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[ISSUER]);
        rules.set_audience(&[ISSUER]);
        rules.set_required_spec_claims(&["exp", "nbf", "sub", "iss", "aud"]);
        // Times are judged by the caller, whose clock is an argument.
        rules.validate_exp = false;
        rules.validate_nbf = false;
        Self { encoding: EncodingKey::from_secret(secret), decoding: DecodingKey::from_secret(secret), rules }
    }

    /// The signed token. Strings and numbers always serialize.
    pub(super) fn sign(&self, claims: &Claims) -> String {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.encoding).unwrap_or_default()
    }

    /// The claims, if the signature is ours and nothing is missing.
    pub(super) fn verify(&self, token: &str) -> Option<Claims> {
        jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.rules).ok().map(|data| data.claims)
    }
}

/// HS256 and nothing else: a token that names another algorithm is refused before its signature is looked at.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| {
        check(*algorithm, key.family())?;
        Ok(Box::new(Sha256Mac::new(key.as_bytes())?))
    },
    verifier_factory: |algorithm, key| {
        check(*algorithm, key.family())?;
        Ok(Box::new(Sha256Mac::new(key.try_get_as_bytes()?)?))
    },
    key_utils: KeyUtils::new_unimplemented(),
};

fn check(algorithm: Algorithm, family: AlgorithmFamily) -> Result<()> {
    let fits = algorithm == Algorithm::HS256 && family == AlgorithmFamily::Hmac;
    if fits { Ok(()) } else { Err(ErrorKind::InvalidAlgorithm.into()) }
}

struct Sha256Mac(Hmac<Sha256>);

impl Sha256Mac {
    fn new(secret: &[u8]) -> Result<Self> {
        Hmac::new_from_slice(secret).map(Self).map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }
}

impl Signer<Vec<u8>> for Sha256Mac {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, signature::Error> {
        let mut mac = self.0.clone();
        mac.update(message);
        Ok(mac.finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Sha256Mac {
    fn verify(&self, message: &[u8], given: &Vec<u8>) -> std::result::Result<(), signature::Error> {
        let mut mac = self.0.clone();
        mac.update(message);
        // Compares in constant time.
        mac.verify_slice(given).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Sha256Mac {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Sha256Mac {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}
