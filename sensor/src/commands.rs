//! Questions to a running sensor from the command line: asked over the control socket, shown as tables or JSON.

mod block;
mod evidence;
mod tables;

use std::path::Path;

use serde_json::{Value, json};

use crate::cli::{
    AskArgs, BackupArgs, CaptureCommand, Command, LabelArgs, ModelCommand, Said, SearchArgs, ShadowArgs,
    SuppressCommand, TokenCommand,
};
use crate::control::client::Client;
use crate::control::frame::FRAME_MAX;
use crate::fault::Fault;
use crate::report::print;
use crate::status::{Health, Status};

/// Asks what the command line asks.
///
/// # Errors
/// No sensor answers, or it refuses.
pub fn run(command: Command) -> Result<(), Fault> {
    match command {
        Command::Alerts(arguments) => list(&arguments, "alerts", tables::alerts),
        Command::Incidents(arguments) => list(&arguments, "incidents", tables::incidents),
        Command::Flows(arguments) => list(&arguments, "flows", tables::flows),
        Command::Label(arguments) => label(&arguments),
        Command::Suppress { command } => suppress(command),
        Command::Block { command } => block::block(command),
        Command::Capture { command } => capture(command),
        Command::Token { command } => token(command),
        Command::Backup(arguments) => backup(&arguments),
        Command::Evidence(arguments) => evidence::fetch(&arguments),
        Command::Model { command } => model(command),
        Command::Replay(_)
        | Command::Run(_)
        | Command::Check(_)
        | Command::Status(_)
        | Command::Top(_)
        | Command::Setup(_)
        | Command::Selftest(_)
        | Command::Manual(_)
        | Command::Doctor(_) => Err(Fault::Software("this command asks no sensor".into())),
    }
}

/// `taphound status`.
///
/// # Errors
/// No sensor answers.
pub fn status(arguments: &AskArgs) -> Result<Health, Fault> {
    let answer = ask(arguments, "status", Value::Null)?;
    let status: Status = serde_json::from_value(answer.clone()).map_err(|e| {
        Fault::Unavailable(format!(
            "the sensor's answer cannot be understood ({e}); use the same release on both sides"
        ))
    })?;
    print(&if arguments.json { format!("{answer}\n") } else { status.describe() })?;
    Ok(status.health)
}

fn ask(arguments: &AskArgs, op: &str, args: Value) -> Result<Value, Fault> {
    Client::connect(&arguments.socket)?.ask(op, args)
}

/// Asks, and says in one line what came of it.
fn tell(
    arguments: &AskArgs,
    op: &str,
    args: Value,
    done: impl FnOnce(&Value) -> String,
) -> Result<(), Fault> {
    let answer = ask(arguments, op, args)?;
    print(&if arguments.json { format!("{answer}\n") } else { format!("{}\n", done(&answer)) })
}

fn list(arguments: &SearchArgs, op: &str, table: fn(&[Value]) -> String) -> Result<(), Fault> {
    let show = &arguments.ask;
    if let Some(id) = &arguments.id {
        return tell(show, &format!("{op}/show"), json!({"id": id}), tables::whole);
    }
    let mut search = arguments.search();
    if op == "alerts" {
        search.suppressed = Some(arguments.suppressed);
    }
    let search = serde_json::to_value(search).unwrap_or_default();
    tell(show, op, search, |page| {
        let rows = page["items"].as_array().map_or(&[][..], Vec::as_slice);
        let more = page["next"].as_str().map_or(String::new(), |next| format!("\nmore: --cursor {next}"));
        format!("{}{more}", table(rows))
    })
}

fn label(arguments: &LabelArgs) -> Result<(), Fault> {
    if arguments.label == Said::Withdrawn {
        for id in &arguments.subjects {
            tell(&arguments.ask, "labels/withdraw", json!({"id": id}), |_| format!("{id}: label withdrawn"))?;
        }
        return Ok(());
    }
    let said = match arguments.label {
        Said::Attack => "attack",
        Said::Benign => "benign",
        Said::Unsure | Said::Withdrawn => "unsure",
    };
    let labels: Vec<Value> = arguments
        .subjects
        .iter()
        .map(|id| json!({"subject": id, "label": said, "category": arguments.category, "reason": arguments.reason}))
        .collect();
    tell(&arguments.ask, "labels/give", json!({"labels": labels}), |done| {
        format!("{} labelled {said}", done["labelled"])
    })
}

fn suppress(command: SuppressCommand) -> Result<(), Fault> {
    match command {
        SuppressCommand::List(show) => tell(&show, "suppressions", Value::Null, |answer| {
            tables::suppressions(answer["items"].as_array().map_or(&[][..], Vec::as_slice))
        }),
        SuppressCommand::Add(a) => {
            let rule = json!({"src": a.src, "dst": a.dst, "port": a.port, "category": a.category, "owner": a.owner,
                "reason": a.reason, "expires": a.expires});
            tell(&a.ask, "suppressions/add", rule, |done| format!("rule {} is in force", done["id"]))
        }
        SuppressCommand::Lift { id, ask } => {
            tell(&ask, "suppressions/lift", json!({"id": id.to_string()}), |_| format!("rule {id} is lifted"))
        }
    }
}

fn capture(command: CaptureCommand) -> Result<(), Fault> {
    match command {
        CaptureCommand::Filter { expression, ask } => {
            tell(&ask, "capture/filter", json!({"expression": expression}), |_| {
                expression
                    .as_ref()
                    .map_or("everything is kept".to_owned(), |e| format!("kept is what matches: {e}"))
            })
        }
        CaptureCommand::Pause(show) => tell(&show, "capture/pause", Value::Null, |_| "paused".to_owned()),
        CaptureCommand::Resume(show) => tell(&show, "capture/resume", Value::Null, |_| "goes on".to_owned()),
    }
}

fn token(command: TokenCommand) -> Result<(), Fault> {
    match command {
        TokenCommand::Create { subject, role, days, ask } => {
            tell(&ask, "token/create", json!({"subject": subject, "role": role, "days": days}), |made| {
                made["token"].as_str().unwrap_or("").to_owned()
            })
        }
        TokenCommand::List(show) => tell(&show, "token/list", Value::Null, |answer| {
            tables::tokens(answer["items"].as_array().map_or(&[][..], Vec::as_slice))
        }),
        TokenCommand::Revoke { id, ask } => {
            tell(&ask, "token/revoke", json!({"id": id}), |_| format!("{id}: ended"))
        }
    }
}

fn model(command: ModelCommand) -> Result<(), Fault> {
    let at_work = |models: &Value| {
        let shadow = models["shadow"]["version"].as_u64().map_or(String::new(), |v| format!(", shadow {v}"));
        format!(
            "model {} {}{shadow}",
            models["active"]["name"].as_str().unwrap_or(""),
            models["active"]["version"]
        )
    };
    let send = |ask: &AskArgs, file: &Path, op: &str| {
        let bytes = crate::scoring::read(file)?;
        let bytes = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
        if bytes.len() > FRAME_MAX {
            let what =
                "is too large for a sensor; one that carries its learning state is for retraining alone";
            let remedy = "`taphound-retrain register` makes a smaller one of it";
            return Err(Fault::BadData(format!("{}: {what}: {remedy}", file.display())));
        }
        tell(ask, op, json!({"bytes": bytes}), at_work)
    };
    match command {
        ModelCommand::Active(show) => tell(&show, "model", Value::Null, at_work),
        ModelCommand::Install(a) => send(&a.ask, &a.file, "model/install"),
        ModelCommand::Shadow(ShadowArgs { file: Some(file), ask, .. }) => send(&ask, &file, "model/shadow"),
        ModelCommand::Shadow(ShadowArgs { file: None, ask, .. }) => {
            tell(&ask, "model/shadow/end", Value::Null, |_| "no model runs as shadow any more".to_owned())
        }
        ModelCommand::Rollback(show) => tell(&show, "model/rollback", Value::Null, at_work),
        ModelCommand::Show(_) | ModelCommand::Verify(_) | ModelCommand::Versus(_) => {
            Err(Fault::Software("this command asks no sensor".into()))
        }
    }
}

/// The sensor writes the copy where it may write; from there it goes to where it is wanted.
fn backup(arguments: &BackupArgs) -> Result<(), Fault> {
    let wanted = &arguments.file;
    if wanted.exists() {
        return Err(Fault::CannotCreate(format!("{}: exists already; name another file", wanted.display())));
    }
    let answer = ask(&arguments.ask, "backup", Value::Null)?;
    let made = Path::new(answer["path"].as_str().unwrap_or_default());
    let moved = std::fs::copy(made, wanted).map_err(|e| Fault::creating(wanted, &e));
    let _ = std::fs::remove_file(made);
    let bytes = moved?;
    print(&if arguments.ask.json {
        format!("{}\n", json!({"path": wanted, "bytes": bytes}))
    } else {
        format!("{}: {bytes} bytes\n", wanted.display())
    })
}
