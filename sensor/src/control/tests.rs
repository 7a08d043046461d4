//! The control protocol over a real socket: versions, bounds, and bytes that must not change.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::client::Client;
use super::server::{Handler, bind, serve};
use super::{Caller, Refusal, Request, Response, VERSION, frame};

struct Echo;

impl Handler for Echo {
    fn call(&self, caller: &Caller, op: &str, args: Value) -> Result<Value, Refusal> {
        match op {
            "echo" => Ok(json!({"uid": caller.uid, "args": args})),
            _ => Err(Refusal::not_found(format!("there is no operation `{op}`"))),
        }
    }
}

fn with_server(test: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = bind(&path, "").unwrap();
    runtime.spawn(serve(listener, Arc::new(Echo)));
    test(&path);
    runtime.shutdown_background();
}

#[test]
fn questions_are_answered_and_refusals_told() {
    with_server(|path| {
        let mut client = Client::connect(path).unwrap();
        let answer = client.ask("echo", json!({"n": 7, "list": [1.5, null, "x"]})).unwrap();
        assert_eq!(answer["args"], json!({"n": 7, "list": [1.5, null, "x"]}));
        assert_eq!(answer["uid"], nix::unistd::getuid().as_raw());
        let fault = client.ask("nothing", Value::Null).unwrap_err();
        assert_eq!((fault.exit_code(), fault.to_string()), (66, "there is no operation `nothing`".into()));
    });
}

#[test]
fn another_version_is_refused_with_both_named() {
    with_server(|path| {
        let mut stream = UnixStream::connect(path).unwrap();
        frame::write(&mut stream, &Request { v: 9, id: 3, op: "echo".into(), args: Value::Null }).unwrap();
        let response: Response = frame::read(&mut stream).unwrap();
        let refusal = response.error.unwrap();
        assert!(refusal.message.contains('9') && refusal.message.contains(&VERSION.to_string()), "{refusal}");
    });
}

#[test]
fn a_frame_that_promises_too_much_or_says_nonsense_ends_the_connection_alone() {
    with_server(|path| {
        for bytes in [&[0xff_u8, 0xff, 0xff, 0xff][..], &[0, 0, 0, 3, 0xc1, 0xc1, 0xc1], &[0, 0, 0, 200, 1]] {
            let mut stream = UnixStream::connect(path).unwrap();
            stream.write_all(bytes).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let response: Result<Response, _> = frame::read(&mut stream);
            assert!(response.is_err() || response.unwrap().error.is_some());
        }
        assert!(Client::connect(path).unwrap().ask("echo", Value::Null).is_ok());
    });
}

#[test]
fn a_second_sensor_does_not_take_the_socket_and_a_left_over_is_replaced() {
    with_server(|path| {
        let fault = bind(path, "").unwrap_err();
        assert!(fault.to_string().contains("another sensor"), "{fault}");
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("left.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    bind(&path, "").unwrap();
}

#[test]
fn the_bytes_of_a_frame_do_not_change() {
    let request = Request { v: 1, id: 7, op: "status".into(), args: json!({"since": 5}) };
    let hex: String = frame::encode(&request).unwrap().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, "0000001f84a17601a2696407a26f70a6737461747573a46172677381a573696e636505");
    let response = Response { v: 1, id: 7, ok: None, error: Some(Refusal::not_found("x")) };
    let hex: String = frame::encode(&response).unwrap().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(
        hex,
        "0000002883a17601a2696407a56572726f7282a4636f6465a96e6f745f666f756e64a76d657373616765a178"
    );
}
