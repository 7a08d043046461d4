//! Log files as DuckDB reads them: another reader than the writer's own library.

use std::process::Command;

use fleet::log_file;
use fleet::log_table::StoredItem;

use crate::{servers, table};

#[test]
fn duckdb_reads_a_log_file_with_its_partitions() {
    let Some(python) = servers::program("duckdb", "servers/venv/bin/python", "servers") else { return };
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<StoredItem> = (0..100_u64)
        .map(|n| StoredItem {
            item: table::item(&format!("flow {n}"), 1_763_683_200_000 + n),
            truth: n.is_multiple_of(4).then(|| table::truth("benign", 1_763_683_300_000)),
        })
        .collect();
    let key = fleet::keys::log_file("cic20/1:0123abcd", "tap-1", "2025-11-21", "0");
    let path = folder.path().join(&key);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, log_file::encode(&rows).unwrap()).unwrap();
    let script = r#"
import duckdb, sys
rows = duckdb.sql(f"""SELECT count(*), count(true_label), min(epoch_ms("timestamp")), max(epoch_us(start_us)),
    any_value(schema), any_value(sensor), any_value("date"::VARCHAR), round(sum("Flow Bytes/s"), 3), any_value(label)
    FROM read_parquet('{sys.argv[1]}/logs/**/*.parquet', hive_partitioning = true)""").fetchone()
print("|".join(str(value) for value in rows))
"#;
    let answer = Command::new(python).args(["-c", script]).arg(folder.path()).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let said = String::from_utf8(answer.stdout).unwrap();
    assert_eq!(
        said.trim(),
        "100|25|1763683200000|1763683200099007|cic20/1:0123abcd|tap-1|2025-11-21|12345678.901|attack"
    );
}
