//! Locks the running sensor in: after this it reads its settings, writes its own folders, and cannot open a TCP connection.
//!
//! Landlock, by the process itself, so that it holds outside systemd too; the unit's own restrictions come on top. Threads inherit
//! it, so it is done before the first one starts. A kernel that knows less restricts less, and the log says so.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetStatus,
};

use crate::config::{Config, DEFAULT_PATH};
use crate::fault::Fault;

/// Where programs, libraries and facts about the machine are; nothing in there is the sensor's to write.
const READABLE: [&str; 9] =
    ["/etc", "/usr", "/lib", "/lib64", "/proc", "/sys", "/dev", "/run/systemd", "/var/lib/sss"];

/// Locks the process in. Gives a word for the log: `full`, `partial` or `none`.
///
/// # Errors
/// The kernel has Landlock and refuses these rules.
pub fn enter(config: &Config, config_path: &Path) -> Result<&'static str, Fault> {
    let (readable, writable) = paths(config, config_path);
    let refused = |e: landlock::RulesetError| {
        Fault::Software(format!("the kernel refuses the sandbox ({e}); report this with `uname -r`"))
    };
    let abi = ABI::V6;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .map_err(refused)?
        // Without a rule for any port: no TCP connection can be opened, no port taken.
        .handle_access(AccessNet::from_all(abi))
        .map_err(refused)?
        .create()
        .map_err(refused)?;
    let ruleset = allow(ruleset, &readable, AccessFs::from_read(abi)).map_err(refused)?;
    let ruleset = allow(ruleset, &writable, AccessFs::from_all(abi)).map_err(refused)?;
    let status = ruleset.restrict_self().map_err(refused)?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => "full",
        RulesetStatus::PartiallyEnforced => "partial",
        RulesetStatus::NotEnforced => "none",
    })
}

fn paths(config: &Config, config_path: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let folder_of = |path: &Path| path.parent().map(Path::to_owned);
    let mut readable: Vec<PathBuf> = READABLE.iter().map(PathBuf::from).collect();
    readable.extend([config.model.keys_dir.clone()]);
    // Certificates are read again when they change, and are then other files in the same folder.
    readable
        .extend([&config.api.tls_cert, &config.api.tls_key].into_iter().filter_map(|path| folder_of(path)));
    readable.retain(|path| !path.as_os_str().is_empty());
    // What is rotated is another file in the same folder.
    readable.extend(folder_of(&config.corroborate.eve));
    readable.extend(folder_of(config_path).or_else(|| folder_of(Path::new(DEFAULT_PATH))));
    let mut writable = vec![config.sensor.state_dir.clone(), PathBuf::from("/dev/null")];
    writable.extend(folder_of(&config.control.socket));
    writable.extend(folder_of(&config.eve.path));
    writable.push(config.evidence.directory.clone());
    // Finished files of a watched folder may be moved away in it.
    writable.push(config.capture.directory.clone());
    writable.retain(|path| !path.as_os_str().is_empty());
    (readable, writable)
}

fn allow(
    mut ruleset: RulesetCreated,
    paths: &[PathBuf],
    access: landlock::BitFlags<AccessFs>,
) -> Result<RulesetCreated, landlock::RulesetError> {
    for path in paths {
        // What does not exist needs no rule.
        if let Ok(fd) = PathFd::new(path) {
            let access = if path.is_dir() { access } else { access & AccessFs::from_file(ABI::V6) };
            ruleset = ruleset.add_rule(PathBeneath::new(fd, access))?;
        }
    }
    Ok(ruleset)
}
