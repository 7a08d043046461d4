//! The circle with a real MLflow as its registry; and for `make proof-retrain` every story of it on real servers (DynamoDB by dynalite, S3
//! by moto, MLflow), and what we archive through the real DVC.

#![allow(clippy::print_stdout, reason = "how long each story took is for whoever runs the proof")]

use crate::circle::{STORIES, drift_to_production};
use crate::servers;
use crate::world::{NOW, Servers, World};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

#[test]
#[ignore = "make proof-retrain"]
#[allow(clippy::disallowed_methods, reason = "how long a story took is told to whoever runs the proof")]
fn every_story_on_real_servers() {
    let Some(servers) = Servers::start() else { return };
    for (name, story) in STORIES {
        let began = Instant::now();
        story(&|settings| World::on(Some(&servers), settings));
        println!("{name}: {:.1} s", began.elapsed().as_secs_f64());
    }
}

#[test]
fn the_circle_closes_with_mlflow_as_its_registry() {
    let Some(mlflow) = servers::mlflow(None) else { return };
    drift_to_production(&|settings| World::with_mlflow(&mlflow, settings));
}

#[test]
#[ignore = "make proof-retrain"]
fn plain_dvc_pulls_what_was_archived_and_published() {
    let Some(dvc) = servers::program("dvc", "dvc-3.67.0/bin/dvc", "dvc") else { return };
    let Some(servers) = Servers::start() else { return };
    for servers in [None, Some(&servers)] {
        let world = World::on(servers, "");
        world.drift();
        let (raw, project) = (world.at("drift_raw.csv"), world.at("project"));
        let from = (NOW - 6_000_000).to_string();
        let fetched = world.step(&["fetch", "--from", &from, "--out", &raw], NOW);
        assert_eq!(fetched.0, 0, "{fetched:?}");
        let archived = world.ok(&["archive", &raw, "--project", &project]);
        world.ok(&["dataset", "publish", &world.at("base.csv"), "--project", &project]);
        let dvc = |args: &[&str]| {
            let output = Command::new(&dvc)
                .args(args)
                .current_dir(&project)
                .env("DVC_NO_ANALYTICS", "1")
                .envs([("AWS_ACCESS_KEY_ID", "AKIDTESTS"), ("AWS_SECRET_ACCESS_KEY", "secret")])
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            (output.status.success(), said)
        };
        let well = |args: &[&str]| {
            let (well, said) = dvc(args);
            assert!(well, "dvc {args:?}: {said}");
        };
        well(&["init", "--no-scm", "--quiet"]);
        let remote = match servers {
            None => world.at("objects/dvc"),
            Some(_) => {
                let fleet::ObjectsSettings::S3(settings) = &world.doors.objects else { unreachable!() };
                format!("s3://{}/{}/dvc", settings.bucket, settings.prefix)
            }
        };
        well(&["remote", "add", "-d", "centre", &remote]);
        if let Some(servers) = servers {
            well(&["remote", "modify", "centre", "endpointurl", &servers.s3_url()]);
        }
        well(&["remote", "modify", "centre", "verify", "true"]);
        // What is pulled comes from the remote alone.
        let (copy, base) = (archived["file"].as_str().unwrap(), format!("{project}/datasets/base/base.csv"));
        std::fs::remove_file(copy).unwrap();
        std::fs::remove_file(&base).unwrap();
        well(&["pull"]);
        assert_eq!(std::fs::read(copy).unwrap(), std::fs::read(&raw).unwrap());
        assert_eq!(std::fs::read(&base).unwrap(), std::fs::read(world.at("base.csv")).unwrap());
        // As DVC would have added it itself: nothing changes.
        let described = std::fs::read(archived["dvc"].as_str().unwrap()).unwrap();
        well(&["add", "--quiet", Path::new(copy).strip_prefix(&project).unwrap().to_str().unwrap()]);
        assert_eq!(std::fs::read(archived["dvc"].as_str().unwrap()).unwrap(), described);
        // With `verify = true` a damaged object is refused.
        world.put(archived["object"].as_str().unwrap(), b"damaged");
        std::fs::remove_dir_all(format!("{project}/.dvc/cache")).unwrap();
        std::fs::remove_file(copy).unwrap();
        assert!(!dvc(&["pull"]).0, "a damaged object was taken");
    }
}
