//! The sensor's own key, the one long-lived secret it holds: where it lies, and that it is made once.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use fleet::ObjectStore;
use fleet::enrolment::{self, Claim};
use model::artifact::SecretKey;

use crate::config::Config;
use crate::fault::Fault;
use crate::files;
use crate::up::Trouble;

/// Its name among the credentials that systemd hands to the service (`LoadCredential=identity.key:...`).
const CREDENTIAL: &str = "identity.key";
/// Where systemd takes that credential from; `enroll` runs outside of the service and looks there itself.
const CREDENTIAL_STORE: &str = "/etc/credstore/taphound-sync.identity.key";

/// The key, where there is one.
///
/// # Errors
/// It is there and cannot be read, or is no key.
pub fn find(config: &Config) -> Result<Option<SecretKey>, Fault> {
    let places = places(config, std::env::var_os("CREDENTIALS_DIRECTORY"), Path::new(CREDENTIAL_STORE));
    for path in &places {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                return text.parse().map(Some).map_err(|e| Fault::Config(format!("{}: {e}", path.display())));
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            // The service may not look into systemd's store, which is root's; it was handed what lies there.
            Err(e)
                if e.kind() == std::io::ErrorKind::PermissionDenied
                    && path == Path::new(CREDENTIAL_STORE) => {}
            Err(e) => {
                return Err(Fault::Config(format!(
                    "{}: cannot be read ({e}); it must be readable by the user of the agent",
                    path.display()
                )));
            }
        }
    }
    Ok(None)
}

/// The key; a new one in the place of the settings or the state folder where there is none.
///
/// # Errors
/// As [`find`], or it cannot be written.
pub fn find_or_make(config: &Config) -> Result<SecretKey, Fault> {
    if let Some(key) = find(config)? {
        return Ok(key);
    }
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy)
        .map_err(|e| Fault::Software(format!("no random numbers can be had ({e})")))?;
    let key = SecretKey::from_entropy(entropy);
    files::put(&own_place(config), &format!("{}\n", key.to_line()), 0o600)?;
    Ok(key)
}

/// Whether the token this sensor was enrolled by was claimed by this key; why not.
///
/// # Errors
/// The centre does not answer.
pub async fn check_claim(
    objects: &dyn ObjectStore,
    token: &str,
    key: &SecretKey,
) -> Result<Result<(), String>, Trouble> {
    let Some(object) = objects.read(&enrolment::claim_key(token), enrolment::BYTES_MAX).await? else {
        return Ok(Err(
            "nobody has claimed the token of these settings; run `taphound-sync enroll` again".into()
        ));
    };
    let claim: Option<Claim> = serde_json::from_slice(&object.bytes).ok();
    Ok(match claim {
        Some(claim) if claim.public_key == key.public().to_line() => Ok(()),
        _ => Err(format!(
            "the token of these settings was claimed by another key than {}: this machine is a copy, or has lost its key; enrol it anew",
            key.public().id()
        )),
    })
}

fn own_place(config: &Config) -> PathBuf {
    match config.identity.key_file.as_os_str().is_empty() {
        true => config.agent.state_dir.join("identity.key"),
        false => config.identity.key_file.clone(),
    }
}

/// Where it may lie, the first that is there counts.
fn places(config: &Config, credentials: Option<OsString>, store: &Path) -> Vec<PathBuf> {
    if !config.identity.key_file.as_os_str().is_empty() {
        return vec![config.identity.key_file.clone()];
    }
    let handed = credentials.map(|folder| PathBuf::from(folder).join(CREDENTIAL));
    handed.into_iter().chain([store.to_owned(), own_place(config)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemd_hands_over_comes_before_the_state_folder_and_the_settings_before_both() {
        let mut config = Config::default();
        config.agent.state_dir = "/state".into();
        let store = Path::new("/store/key");
        let places_of = |config: &Config| places(config, Some("/credentials".into()), store);
        assert_eq!(
            places_of(&config),
            [PathBuf::from("/credentials/identity.key"), store.to_owned(), "/state/identity.key".into()]
        );
        assert_eq!(places(&config, None, store), [store.to_owned(), PathBuf::from("/state/identity.key")]);
        config.identity.key_file = "/own/key".into();
        assert_eq!(places_of(&config), [PathBuf::from("/own/key")]);
    }

    #[test]
    fn a_key_is_made_once_and_belongs_to_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.identity.key_file = folder.path().join("deep/key");
        assert!(find(&config).unwrap().is_none());
        let key = find_or_make(&config).unwrap();
        let again = find_or_make(&config).unwrap();
        assert_eq!(key.public().to_line(), again.public().to_line());
        let mode = std::fs::metadata(&config.identity.key_file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&config.identity.key_file, "no key").unwrap();
        assert!(find(&config).is_err());
    }
}
