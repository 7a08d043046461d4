//! Bad input: one line that names thing, place and remedy, and the sysexits code.

use crate::{flows, path, retrain, succeed, write_flows};
use std::path::Path;

/// Writes `text` and trains on it; returns exit code and message.
fn train_on(folder: &Path, text: &str) -> (i32, String) {
    let data = path(folder, "data.csv");
    std::fs::write(&data, text).unwrap();
    let out = path(folder, "never.taphound");
    let output = retrain(&["train", "--data", &data, "--out", &out]);
    assert!(!Path::new(&out).exists(), "a failed run leaves no model behind");
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn bad_data_name_line_column_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let good = flows(50);
    let lines: Vec<&str> = good.lines().collect();
    let with_line = |number: usize, line: &str| {
        let mut lines = lines.clone();
        lines[number - 1] = line;
        lines.join("\n") + "\n"
    };
    let third = lines[2];
    let no_number = third.replacen(',', "x,", 1);
    let no_category =
        third.replace(",benign,", ",martian,").replace(",scan,", ",martian,").replace(",dos,", ",martian,");
    let no_split =
        third.replace("train,", "holdout,").replace("validation,", "holdout,").replace("test,", "holdout,");
    let short = third.rsplit_once(',').unwrap().0;
    let cases = [
        (
            with_line(3, &no_number),
            vec!["data.csv:3", "`Flow Duration`", "is no number", "correct the value"],
        ),
        (with_line(3, &no_category), vec!["data.csv:3", "`true_category`", "`martian`", "benign, scan, dos"]),
        (
            with_line(3, &no_split),
            vec!["data.csv:3", "`split`", "`holdout`", "train, validation, test or test-tool"],
        ),
        (with_line(3, short), vec!["data.csv:3", "23 columns", "24", "correct the row"]),
        (
            good.replace("Flow IAT Max", "IAT"),
            vec!["data.csv:1", "`Flow IAT Max`", "missing", "taphound replay"],
        ),
        (good.replace("true_category", "truth"), vec!["data.csv:1", "no truth column", "`true_category`"]),
        (
            good.replace(",scan,", ",benign,").replace(",dos,", ",benign,"),
            vec!["data.csv", "no attack", "add labelled"],
        ),
        (lines[0].to_owned() + "\n", vec!["data.csv", "no rows"]),
        (String::new(), vec!["data.csv:1", "`Flow Duration`"]),
        ("\u{1f}\u{8b}".to_owned(), vec!["data.csv:1"]),
    ];
    for (text, words) in cases {
        let (code, message) = train_on(folder.path(), &text);
        assert_eq!(code, 65, "{message}");
        assert_eq!(message.trim_end().lines().count(), 1, "one line: {message}");
        for word in words {
            assert!(message.contains(word), "`{word}` is not in: {message}");
        }
    }
    let packed = zstd::stream::encode_all(good.as_bytes(), 3).unwrap();
    let data = path(folder.path(), "cut.csv.zst");
    std::fs::write(&data, &packed[..packed.len() / 2]).unwrap();
    let output = retrain(&["train", "--data", &data, "--out", &path(folder.path(), "m")]);
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be decompressed"));
}

#[test]
fn usage_input_and_output_have_their_codes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = write_flows(folder, 300);
    let (data, out) = (data.to_str().unwrap(), path(folder, "m.taphound"));
    let (here, nowhere) = (folder.to_str().unwrap().to_owned(), path(folder, "missing/m.taphound"));
    let absent = path(folder, "absent");
    let cases: [(&[&str], i32, &str); 12] = [
        (&["train", "--data", data], 64, "--out"),
        (&["train", "--data", data, "--out", &out, "--slice", "4/3"], 64, "I/N"),
        (&["train", "--data", data, "--out", &out, "--leaf-prediction", "magic"], 64, "mc, nb, nba"),
        (&["train", "--data", data, "--out", &out, "--n-models", "0"], 64, "n_models"),
        (&["train", "--data", data, "--out", &out, "--threshold", "1.5"], 64, "0 to 1"),
        (&["train", "--data", &absent, "--out", &out], 66, "absent"),
        (&["train", "--data", &here, "--out", &out], 66, "directory"),
        (&["train", "--data", data, "--out", &nowhere, "--n-models", "1"], 73, "missing/m.taphound"),
        (&["train", "--data", data, "--out", &out, "--key", data], 65, "secret key"),
        (&["evaluate", "--model", &absent, "--data", data], 66, "absent"),
        (&["evaluate", "--model", data, "--data", data], 65, "TAPHND01"),
        (&["join", data, "--data", data, "--out", &out], 65, "not a slice"),
    ];
    for (args, code, word) in cases {
        let output = retrain(args);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
        assert!(message.contains(word), "{args:?}: `{word}` is not in: {message}");
    }
    succeed(&["--help"]);
    succeed(&["--version"]);
}

#[test]
fn slices_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let data = write_flows(folder, 300);
    let data = data.to_str().unwrap();
    let slice = |name: &str, part: &str, seed: &str| {
        let out = path(folder, name);
        succeed(&["train", "--data", data, "--out", &out, "--created", "1", "--slice", part, "--seed", seed]);
        out
    };
    let (first, second, other) = (slice("1", "1/2", "7"), slice("2", "2/2", "7"), slice("3", "2/2", "8"));
    let out = path(folder, "m.taphound");
    let joined = |slices: &[&str], data: &str| {
        let mut args = vec!["join"];
        args.extend(slices);
        args.extend(["--data", data, "--out", &out]);
        let output = retrain(&args);
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(joined(&[&first, &other], data).1.contains("another recipe"));
    assert!(joined(&[&first], data).1.contains("join every slice exactly once"));
    assert!(joined(&[&first, &first], data).1.contains("join every slice exactly once"));
    let shorter = path(folder, "shorter.csv");
    std::fs::write(&shorter, flows(299)).unwrap();
    assert!(joined(&[&first, &second], &shorter).1.contains("not the data"));
    let mut damaged = std::fs::read(&first).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    std::fs::write(&first, damaged).unwrap();
    let (code, message) = joined(&[&first, &second], data);
    assert_eq!(code, 65, "{message}");
}
