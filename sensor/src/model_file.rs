//! `taphound model show` and `verify`: what a model file is, and who vouches for it.

use model::Artifact;
use model::artifact::{PublicKey, Trust, TrustedBy};
use serde_json::json;

use crate::capture::wall_clock_us;
use crate::cli::ModelArgs;
use crate::embedded;
use crate::fault::Fault;
use crate::report::print;
use crate::scoring::{Model, read};

/// `taphound model show`: prints a model's manifest. Who vouches for it is `verify`'s question.
///
/// # Errors
/// The file is no sound model.
pub fn show(arguments: &ModelArgs) -> Result<(), Vec<Fault>> {
    let model = Model::load(arguments.file.as_deref()).map_err(|e| vec![e])?;
    print(&describe(model.artifact(), arguments)).map_err(|e| vec![e])
}

/// `taphound model verify`: checks a model as an installation would, signature and expiry included.
///
/// # Errors
/// The first check that fails.
pub fn verify(arguments: &ModelArgs) -> Result<(), Vec<Fault>> {
    let Some(file) = &arguments.file else {
        return show(arguments);
    };
    let verified = trust_of(arguments).and_then(|trust| {
        let bytes = read(file)?;
        let bad = |e| Fault::BadData(format!("{}: {e}", file.display()));
        let artifact = Artifact::read(&bytes, &trust).map_err(bad)?;
        artifact.installable(wall_clock_us() / 1_000_000).map_err(bad)?;
        print(&describe(&artifact, arguments))
    });
    verified.map_err(|e| vec![e])
}

/// The embedded model's digest and the keys named on the command line.
fn trust_of(arguments: &ModelArgs) -> Result<Trust, Fault> {
    let mut trust = Trust::none().with_digest(embedded::digest());
    for path in &arguments.trust {
        let bytes = read(path)?;
        let key: PublicKey = String::from_utf8_lossy(&bytes)
            .parse()
            .map_err(|e| Fault::BadData(format!("{}: {e}", path.display())))?;
        trust = trust.with_key(key);
    }
    Ok(trust)
}

fn describe(artifact: &Artifact, arguments: &ModelArgs) -> String {
    let m = artifact.manifest();
    let trusted_by = match artifact.trusted_by() {
        TrustedBy::Key(id) => format!("key {id}"),
        TrustedBy::Digest => "its digest".to_owned(),
    };
    if arguments.json {
        let manifest = serde_json::to_value(m).unwrap_or_default();
        let object =
            json!({"digest": artifact.digest().to_string(), "trusted_by": trusted_by, "manifest": manifest});
        return format!("{object}\n");
    }
    let classes: Vec<&str> = m.classes.iter().map(|c| c.as_str()).collect();
    let mut lines = vec![
        ("model", m.name.clone()),
        ("serial", m.serial.to_string()),
        ("schema", m.schema.clone()),
        ("classes", classes.join(", ")),
        ("trees", artifact.forest().n_trees().to_string()),
        ("attack from score", m.thresholds.attack.to_string()),
        ("before a flow ends", m.thresholds.provisional.to_string()),
        ("novelty", if artifact.scorer().novelty_forest().is_some() { "yes" } else { "no" }.to_owned()),
        ("parent", m.parent.map_or("none".to_owned(), |p| p.to_string())),
        ("created", format!("{} (epoch seconds)", m.created)),
        ("expires", m.expires.map_or("never".to_owned(), |e| format!("{e} (epoch seconds)"))),
        ("training data", m.training_data.to_string()),
        ("digest", artifact.digest().to_string()),
        ("trusted by", trusted_by),
    ];
    lines.extend(m.metrics.iter().map(|(name, value)| (name.as_str(), format!("{value:.4}"))));
    lines.iter().map(|(name, value)| format!("{name:<20} {value}\n")).collect()
}
