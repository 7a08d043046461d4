//! The EVE file: turned over by size, opened anew on demand, nothing lost in between.

use super::open;

fn lines_in(path: &std::path::Path) -> usize {
    std::fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

#[test]
fn turning_over_keeps_every_line_up_to_the_files_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eve.json");
    let (handle, thread) = open(&path, 100, 3).unwrap().start().unwrap();
    for n in 0..10 {
        handle.write(format!("{{\"n\": {n}, \"filling\": \"..........................\"}}\n").into_bytes());
    }
    drop(handle);
    thread.join().unwrap();
    let sizes: Vec<usize> = ["", ".1", ".2", ".3", ".4"]
        .iter()
        .map(|end| lines_in(&folder.path().join(format!("eve.json{end}"))))
        .collect();
    assert_eq!(sizes, [2, 2, 2, 2, 0]);
}

#[test]
fn a_moved_file_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (folder.path().join("eve.json"), folder.path().join("eve.json.moved"));
    let (handle, thread) = open(&path, 0, 0).unwrap().start().unwrap();
    handle.write(b"{}\n".to_vec());
    while lines_in(&path) == 0 {
        std::thread::yield_now();
    }
    std::fs::rename(&path, &moved).unwrap();
    handle.reopen();
    handle.write(b"{}\n".to_vec());
    drop(handle);
    thread.join().unwrap();
    assert_eq!((lines_in(&path), lines_in(&moved)), (1, 1));
}

#[test]
fn half_a_line_of_a_killed_run_does_not_spoil_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eve.json");
    std::fs::write(&path, "{}\n{\"half").unwrap();
    let (handle, thread) = open(&path, 0, 0).unwrap().start().unwrap();
    handle.write(b"{}\n".to_vec());
    drop(handle);
    thread.join().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{}\n{\"half\n{}\n");
}
