//! `archive` and `dataset publish`: data under version control in DVC's own remote layout, so that plain `dvc pull` brings it
//! back; our own SHA-256 lies beside it, since DVC does not verify what it pulls unless it is told to.

use crate::args::{ArchiveArgs, PublishArgs};
use crate::centre::Centre;
use crate::config;
use crate::failure::{Failure, write_file};
use crate::report;
use crate::sample;
use fleet::DoorError;
use fleet::objects::PutIf;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write;
use std::io::Read;
use std::path::Path;

/// The DVC remote in the object store: `dvc remote add -d centre <objects>/dvc`.
pub(crate) const REMOTE: &str = "dvc";

/// `archive`.
pub(crate) fn run(args: &ArchiveArgs) -> Result<(), Failure> {
    let config = config::of(args.common.config.as_deref())?;
    let facts = archive_drift(&Centre::open(&config)?, &args.file, &args.project)?;
    report::print(args.common.json, &facts, &text(&facts));
    Ok(())
}

/// `dataset publish`.
pub(crate) fn publish(args: &PublishArgs) -> Result<(), Failure> {
    let config = config::of(args.common.config.as_deref())?;
    let name = args.file.file_name().ok_or_else(|| Failure::no_input(&args.file, "it names no file"))?;
    let name = name.to_string_lossy().into_owned();
    let facts = put(&Centre::open(&config)?, &args.file, &args.project, "datasets/base", &name)?;
    report::print(args.common.json, &facts, &text(&facts));
    Ok(())
}

/// Versions drift data under the time of its newest flow: the same data get the same name.
pub(crate) fn archive_drift(centre: &Centre, file: &Path, project: &Path) -> Result<Value, Failure> {
    let samples = sample::read_csv(file)?;
    let newest = samples.last().ok_or_else(|| {
        Failure::data(format!(
            "{}: no labelled flows; `taphound-retrain fetch` writes such files",
            file.display()
        ))
    })?;
    put(centre, file, project, "datasets/drift", &format!("drift_{}.csv", newest.timestamp))
}

/// Puts a file into the remote, and a copy with its `.dvc` file into the project.
fn put(centre: &Centre, file: &Path, project: &Path, folder: &str, name: &str) -> Result<Value, Failure> {
    let Hashes { bytes, md5, sha256 } = Hashes::of(file)?;
    let described = dvc_file(&md5, bytes, name);
    let objects = centre.objects()?;
    let key = remote_key(&md5);
    match centre.ask(|| objects.upload(&key, file, PutIf::Absent)) {
        // The key is the content's hash: what is there is what would be written.
        Ok(_) | Err(DoorError::Conflict { .. }) => {}
        Err(fault) => return Err(Failure::door(&fault)),
    }
    centre.write(&format!("{folder}/{name}.dvc"), described.clone().into_bytes())?;
    centre.write(&format!("{folder}/{name}.sha256"), format!("{sha256}  {name}\n").into_bytes())?;
    let folder_here = project.join(folder);
    std::fs::create_dir_all(&folder_here).map_err(|fault| Failure::cannot_create(&folder_here, fault))?;
    let copy = folder_here.join(name);
    std::fs::copy(file, &copy).map_err(|fault| Failure::cannot_create(&copy, fault))?;
    write_file(&folder_here.join(format!("{name}.dvc")), described.as_bytes())?;
    write_file(&folder_here.join(format!("{name}.sha256")), format!("{sha256}  {name}\n").as_bytes())?;
    ignore(&folder_here.join(".gitignore"), name)?;
    Ok(json!({
        "file": copy, "dvc": folder_here.join(format!("{name}.dvc")), "key": format!("{folder}/{name}.dvc"),
        "object": key, "bytes": bytes, "md5": md5, "sha256": sha256, "place": objects.place(),
    }))
}

/// What a file is known by.
pub(crate) struct Hashes {
    pub(crate) bytes: u64,
    /// DVC's name for it.
    pub(crate) md5: String,
    /// Ours.
    pub(crate) sha256: String,
}

impl Hashes {
    /// Reads the file once, a piece at a time.
    pub(crate) fn of(path: &Path) -> Result<Hashes, Failure> {
        let fault = |fault| Failure::no_input(path, fault);
        let mut file = std::fs::File::open(path).map_err(fault)?;
        let (mut md5, mut sha256, mut bytes) = (Md5::new(), Sha256::new(), 0u64);
        let mut piece = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut piece).map_err(fault)?;
            if read == 0 {
                return Ok(Hashes { bytes, md5: hex(&md5.finalize()), sha256: hex(&sha256.finalize()) });
            }
            md5.update(&piece[..read]);
            sha256.update(&piece[..read]);
            bytes += read as u64;
        }
    }
}

/// As `dvc add` writes it.
fn dvc_file(md5: &str, bytes: u64, name: &str) -> String {
    format!("outs:\n- md5: {md5}\n  size: {bytes}\n  hash: md5\n  path: {name}\n")
}

/// Where DVC 3 keeps a file.
pub(crate) fn remote_key(md5: &str) -> String {
    format!("{REMOTE}/files/md5/{}/{}", &md5[..2], &md5[2..])
}

/// `dvc add` keeps the data out of git.
fn ignore(path: &Path, name: &str) -> Result<(), Failure> {
    let line = format!("/{name}");
    let text = std::fs::read_to_string(path).unwrap_or_default();
    if text.lines().any(|known| known == line) {
        return Ok(());
    }
    write_file(path, format!("{text}{line}\n").as_bytes())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn text(facts: &Value) -> String {
    let word = |name: &str| facts[name].as_str().unwrap_or_default().to_owned();
    format!("{}: {} bytes at {}, sha256 {}", word("dvc"), facts["bytes"], word("place"), word("sha256"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dvc_file_is_what_dvc_writes() {
        // `printf 'a,b\n1,2\n' > one.csv; dvc add one.csv` of DVC 3.
        let bytes = b"a,b\n1,2\n";
        let md5 = hex(&Md5::digest(bytes));
        let wanted = format!("outs:\n- md5: {md5}\n  size: 8\n  hash: md5\n  path: one.csv\n");
        assert_eq!(dvc_file(&md5, bytes.len() as u64, "one.csv"), wanted);
        assert_eq!(hex(&Md5::digest(b"")), "d41d8cd98f00b204e9800998ecf8427e");
        assert_eq!(
            remote_key("d41d8cd98f00b204e9800998ecf8427e"),
            "dvc/files/md5/d4/1d8cd98f00b204e9800998ecf8427e"
        );
    }
}
