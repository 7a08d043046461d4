//! `keygen`: a key pair for signing models, from the operating system's random generator.

use crate::args::KeygenArgs;
use crate::failure::{Failure, write_file};
use crate::report;
use model::artifact::SecretKey;
use serde_json::json;
use std::path::PathBuf;

/// Makes both files; an existing secret key is never overwritten.
pub(crate) fn run(args: &KeygenArgs) -> Result<(), Failure> {
    if args.out.exists() {
        let fault = "it exists, and a key that is overwritten is lost; choose another name";
        return Err(Failure::cannot_create(&args.out, fault));
    }
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(Failure::software)?;
    let secret = SecretKey::from_entropy(entropy);
    write_secret(args, &secret)?;
    let mut public_path = args.out.clone().into_os_string();
    public_path.push(".pub");
    let public_path = PathBuf::from(public_path);
    write_file(&public_path, format!("{}\n", secret.public().to_line()).as_bytes())?;
    let id = secret.public().id().to_string();
    let facts = json!({"key_id": id, "secret": args.out, "public": public_path});
    let text = format!(
        "key {id}\n  secret: {} (keep it where only the trainer can read it)\n  public: {} (put it into \
         /etc/taphound/keys/ of every sensor)",
        args.out.display(),
        public_path.display()
    );
    report::print(args.json, &facts, &text);
    Ok(())
}

/// The secret key's file is readable by its owner only from its first moment.
fn write_secret(args: &KeygenArgs, secret: &SecretKey) -> Result<(), Failure> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let line = format!("{}\n", secret.to_line());
    options
        .open(&args.out)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .map_err(|fault| Failure::cannot_create(&args.out, fault))
}
