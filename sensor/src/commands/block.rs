//! `taphound block`: what is stopped, asked of the running sensor and told to it.

use serde_json::{Value, json};

use super::{tables, tell};
use crate::cli::{BlockArgs, BlockCommand};
use crate::fault::Fault;

pub(super) fn block(command: BlockCommand) -> Result<(), Fault> {
    match command {
        BlockCommand::List { ended, ask } => tell(&ask, "blocks", Value::Null, |answer| shown(answer, ended)),
        BlockCommand::Add(arguments) => add(&arguments),
        BlockCommand::Remove { which, all, ask } => {
            tell(&ask, "blocks/lift", json!({"which": which, "all": all}), |done| {
                format!("{} lifted", done["lifted"])
            })
        }
    }
}

fn add(a: &BlockArgs) -> Result<(), Fault> {
    let rule = json!({"src": a.src, "dst": a.dst, "port": a.port, "protocol": a.protocol, "reason": a.reason,
        "seconds": a.seconds, "expires": a.expires});
    tell(&a.ask, "blocks/add", rule, |done| format!("block {} is in force", done["id"]))
}

fn shown(answer: &Value, ended: bool) -> String {
    let rows = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<Value> = rows.iter().filter(|row| ended || row["active"] == true).cloned().collect();
    let dry = if answer["dry_run"] == true { ", dry run: nothing is stopped" } else { "" };
    format!("mode {}{dry}\n{}", answer["mode"].as_str().unwrap_or(""), tables::blocks(&rows))
}
