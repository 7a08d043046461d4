//! `pull-base`: the base set from a file or the object store, never taken without its digest.

use crate::archive::{Hashes, remote_key};
use crate::args::PullBaseArgs;
use crate::centre::Centre;
use crate::config;
use crate::failure::Failure;
use crate::report;
use serde_json::{Value, json};
use std::path::Path;

/// The largest base set that is fetched.
const BYTES_MAX: u64 = 64 << 30;

/// `pull-base`.
pub(crate) fn run(args: &PullBaseArgs) -> Result<(), Failure> {
    let config = config::of(args.common.config.as_deref())?;
    let source = args.from.clone().unwrap_or_else(|| config.base.source.clone());
    let sha256 = args.sha256.clone().unwrap_or_else(|| config.base.sha256.clone());
    let centre = Centre::open(&config)?;
    let facts = pull(&centre, &source, &sha256, &args.out)?;
    let text = format!(
        "{}: {} bytes, sha256 {}",
        args.out.display(),
        facts["bytes"],
        facts["sha256"].as_str().unwrap_or_default()
    );
    report::print(args.common.json, &facts, &text);
    Ok(())
}

/// Brings the set to `out` and says what it is. An empty `sha256` asks for the one that was published beside it.
pub(crate) fn pull(centre: &Centre, source: &str, sha256: &str, out: &Path) -> Result<Value, Failure> {
    if source.is_empty() {
        let what = "no base set is named; give `base.source` in the settings or --from";
        return Err(Failure::config(what));
    }
    let file = Path::new(source);
    let of_file = file.exists() && !source.ends_with(".dvc");
    let part = out.with_extension("incoming");
    let _ = std::fs::remove_file(&part);
    let wanted_md5 = if of_file {
        std::fs::copy(file, &part).map_err(|fault| Failure::no_input(file, fault))?;
        None
    } else {
        let described = centre.read_small(source)?.ok_or_else(|| {
            let what =
                "neither a file nor in the object store; `taphound-retrain dataset publish` puts it there";
            Failure::no_input(file, what)
        })?;
        let md5 = md5_of(source, &described)?;
        let objects = centre.objects()?;
        let key = remote_key(&md5);
        centre.ask(|| objects.download(&key, &part, BYTES_MAX)).map_err(|fault| Failure::door(&fault))?;
        Some(md5)
    };
    let published = || -> Result<Option<String>, Failure> {
        let bytes = if of_file {
            std::fs::read(format!("{source}.sha256")).ok()
        } else {
            centre.read_small(&format!("{}.sha256", source.trim_end_matches(".dvc")))?
        };
        Ok(bytes
            .and_then(|bytes| String::from_utf8_lossy(&bytes).split_whitespace().next().map(str::to_owned)))
    };
    let wanted = if sha256.is_empty() { published()? } else { Some(sha256.to_owned()) };
    let Hashes { bytes, md5, sha256: found } = Hashes::of(&part)?;
    let refuse = |what: String| {
        let _ = std::fs::remove_file(&part);
        Err(Failure::data(format!("{source}: {what}; publish the base set again")))
    };
    if let Some(wanted) = wanted_md5.filter(|wanted| *wanted != md5) {
        return refuse(format!("damaged: its md5 is not {wanted}"));
    }
    match wanted {
        Some(wanted) if !wanted.eq_ignore_ascii_case(&found) => {
            return refuse(format!("damaged or changed: its sha256 is {found}, not {wanted}"));
        }
        None => {
            tracing::warn!(source, sha256 = found, "no digest is pinned for the base set; set `base.sha256`")
        }
        Some(_) => {}
    }
    std::fs::rename(&part, out).map_err(|fault| Failure::cannot_create(out, fault))?;
    Ok(json!({"out": out, "source": source, "bytes": bytes, "sha256": found}))
}

/// The hash in a `.dvc` file of one output.
fn md5_of(key: &str, described: &[u8]) -> Result<String, Failure> {
    let text = String::from_utf8_lossy(described);
    let md5 = text.lines().find_map(|line| line.trim_start_matches(['-', ' ']).strip_prefix("md5:"));
    let md5 = md5.map(str::trim).unwrap_or_default();
    if md5.len() == 32 && md5.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(md5.to_ascii_lowercase())
    } else {
        Err(Failure::data(format!("{key}: names no md5 of a file; publish the base set again")))
    }
}
