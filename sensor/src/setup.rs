//! `taphound setup`: from an installed package to a sensor that watches the right interface, with a token to log in with.
//!
//! Everything it does can be done by hand (`docs/install.md`); it says each thing it did. Doing it again changes what is asked for
//! and keeps the rest.

mod interfaces;
mod key;
mod lone;
#[cfg(test)]
mod tests;

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::check;
use crate::cli::SetupArgs;
use crate::config::Config;
use crate::control::client::Client;
use crate::fault::Fault;
use crate::report::print;
use interfaces::Interface;

/// The file that setup owns.
const CAPTURE_FILE: &str = "10-capture.toml";
/// How often the sensor that was started is asked whether it answers, a look every 250 ms.
const LOOKS: u32 = 120;

/// Sets the machine up.
///
/// # Errors
/// No interface is named and nobody can be asked; a file cannot be written; what is written is refused by `check`; systemd or
/// the sensor does not do what it is told.
pub fn run(arguments: &SetupArgs) -> Result<(), Fault> {
    let present = interfaces::present(Path::new("/"));
    let chosen = choose(arguments, &present)?;
    let folder = arguments.config.parent().unwrap_or(Path::new("/")).to_owned();
    let mut done = Done::default();

    let capture = folder.join("conf.d").join(CAPTURE_FILE);
    write(&capture, &capture_settings(&chosen))?;
    let lone = if arguments.lone { lone::settle(&folder)? } else { Vec::new() };
    let (config, _) = check::settings(arguments.config.exists().then_some(&*arguments.config))?;
    done.say(
        "settings",
        capture.display().to_string(),
        format!("{}: watches {}", capture.display(), chosen.join(", ")),
    );
    for path in lone {
        let told = format!("{}: this machine is its own centre", path.display());
        done.say("lone", path.display().to_string(), told);
    }
    for remark in present.iter().filter(|i| chosen.contains(&i.name)).filter_map(Interface::remark) {
        done.say("remark", remark.clone(), remark);
    }
    if arguments.lone {
        let made = key::ensure(&config.model.keys_dir)?;
        done.say("key", made.id.clone(), made.told());
    }
    if !arguments.no_start {
        start(arguments.lone, &mut done)?;
        wait_for_sensor(&config)?;
        if !arguments.no_token {
            let token = first_token(&config, &arguments.token)?;
            let told = format!("token of `{}` (admin), shown this once:\n{token}", arguments.token);
            done.say("token", token, told);
        }
    }
    done.print(arguments.json)
}

/// The interfaces that are named, or that whoever sits at the terminal names.
fn choose(arguments: &SetupArgs, present: &[Interface]) -> Result<Vec<String>, Fault> {
    if !arguments.interface.is_empty() {
        return arguments.interface.iter().map(|name| sound(name)).collect();
    }
    let listed = present.iter().map(Interface::describe).collect::<Vec<_>>().join("\n");
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(Fault::Usage(format!(
            "no interface is named: give --interface NAME, one of {}",
            present.iter().map(|i| i.name.as_str()).collect::<Vec<_>>().join(", ")
        )));
    }
    ask(&mut stdin.lock(), &mut std::io::stderr(), &listed)
}

/// Asks until the answer names interfaces.
fn ask(from: &mut impl BufRead, to: &mut impl Write, listed: &str) -> Result<Vec<String>, Fault> {
    let broken =
        |e: std::io::Error| Fault::Io(format!("the terminal cannot be used ({e}); give --interface NAME"));
    loop {
        write!(
            to,
            "Interfaces of this machine:\n{listed}\nWhich are to be watched (names, spaces between)? "
        )
        .and_then(|()| to.flush())
        .map_err(broken)?;
        let mut answer = String::new();
        if from.read_line(&mut answer).map_err(broken)? == 0 {
            return Err(Fault::Usage("no interface was named, nothing was changed".to_owned()));
        }
        let named: Vec<&str> = answer.split([' ', ',', '\n']).filter(|name| !name.is_empty()).collect();
        match named.iter().map(|name| sound(name)).collect::<Result<Vec<_>, _>>() {
            Ok(names) if !names.is_empty() => return Ok(names),
            Ok(_) => {}
            Err(fault) => writeln!(to, "{fault}").map_err(broken)?,
        }
    }
}

/// A name that the kernel could give an interface. It may come later, so it need not be there now.
fn sound(name: &str) -> Result<String, Fault> {
    let odd = |c: char| c.is_whitespace() || c == '/' || c == '"' || c == '\\' || c.is_control();
    if name.is_empty() || name.len() > 15 || name.contains(odd) {
        return Err(Fault::Usage(format!(
            "`{name}` is no interface's name: it has 1 to 15 characters, none of them a blank or `/`"
        )));
    }
    Ok(name.to_owned())
}

fn capture_settings(chosen: &[String]) -> String {
    let list = chosen.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    format!(
        "# Written by `taphound setup`, which writes it anew. Settings of your own: another file in this folder.\n[capture]\ninterfaces = [{list}]\n"
    )
}

/// Writes a file whole or not at all. Its folder exists where the package is installed.
fn write(path: &Path, text: &str) -> Result<(), Fault> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| denied(folder, &e))?;
    }
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text)
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(|e| denied(path, &e))
}

fn denied(path: &Path, e: &std::io::Error) -> Fault {
    match e.kind() {
        std::io::ErrorKind::PermissionDenied => Fault::NoPermission(format!(
            "{}: permission denied; run `taphound setup` as root",
            path.display()
        )),
        _ => Fault::creating(path, e),
    }
}

/// Enables and starts the units; those of packages that are not installed are left out.
fn start(lone: bool, done: &mut Done) -> Result<(), Fault> {
    if !Path::new("/run/systemd/system").is_dir() {
        return Err(Fault::Unavailable(
            "this machine was not booted by systemd: start `taphound run` yourself, and give setup --no-start".to_owned(),
        ));
    }
    let mut units = vec!["taphound.socket", "taphound.service"];
    if lone && Path::new("/usr/lib/systemd/system/taphound-sync.service").exists() {
        units.push("taphound-sync.service");
    }
    if lone && Path::new("/usr/lib/systemd/system/taphound-retrain.timer").exists() {
        units.push("taphound-retrain.timer");
    }
    systemctl(&[&["enable", "--quiet"][..], &units[..]].concat())?;
    // One that runs already is to see its new settings. Not `restart`: a socket does not start beside a service that runs.
    systemctl(&[&["stop"][..], &units[..]].concat())?;
    systemctl(&[&["start"][..], &units[..]].concat())?;
    done.say("units", units.join(" "), format!("enabled and started: {}", units.join(", ")));
    Ok(())
}

fn systemctl(arguments: &[&str]) -> Result<(), Fault> {
    let output = Command::new("systemctl").args(arguments).stdin(Stdio::null()).output();
    let output = output
        .map_err(|e| Fault::Unavailable(format!("systemctl cannot be run ({e}); give setup --no-start")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or("it says nothing");
    Err(Fault::Unavailable(format!(
        "systemctl {}: {said}; look at `journalctl -u taphound`",
        arguments.join(" ")
    )))
}

fn wait_for_sensor(config: &Config) -> Result<(), Fault> {
    let mut last = None;
    for _ in 0..LOOKS {
        match Client::connect(&config.control.socket).and_then(|mut client| client.ask("status", Value::Null))
        {
            Ok(_) => return Ok(()),
            Err(fault) => last = Some(fault),
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    Err(last.unwrap_or_else(|| Fault::Unavailable("the sensor does not answer".to_owned())))
}

fn first_token(config: &Config, subject: &str) -> Result<String, Fault> {
    let made = Client::connect(&config.control.socket)?
        .ask("token/create", json!({"subject": subject, "role": "admin", "days": null}))?;
    made["token"]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| Fault::Unavailable("the sensor made no token".to_owned()))
}

/// What was done, for people and for programs.
#[derive(Default)]
struct Done(Vec<(&'static str, String, String)>);

impl Done {
    fn say(&mut self, name: &'static str, value: String, told: String) {
        self.0.push((name, value, told));
    }

    fn print(self, as_json: bool) -> Result<(), Fault> {
        let text = if as_json {
            let object: serde_json::Map<String, Value> =
                self.0.into_iter().map(|(name, value, _)| (name.to_owned(), value.into())).collect();
            format!("{}\n", Value::Object(object))
        } else {
            self.0.into_iter().map(|(name, _, told)| format!("{name:<9} {told}\n")).collect()
        };
        print(&text)
    }
}

/// A path below another root, as tests have it.
fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}
