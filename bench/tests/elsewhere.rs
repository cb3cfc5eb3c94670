//! The load generator against an aggregate that it did not start.
#![allow(clippy::unwrap_used)]

use bench::experimenter::mint;
use bench::server::{Lab, aggregate, prepare};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const PROGRAM: &str = env!("CARGO_BIN_EXE_bench");

/// Runs the program against `url`; its cells.
fn load(url: &str, user: &Path, folder: &Path, only: &str) -> (Output, Vec<Value>) {
    let file = folder.join(format!("{only}.json"));
    let output = Command::new(PROGRAM)
        .args(["--quick", "--url", url, "--only", only])
        .arg("--cert")
        .arg(user.join("cert.pem"))
        .arg("--key")
        .arg(user.join("key.pem"))
        .arg("--credentials")
        .arg(folder)
        .arg("--json")
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    (output, report["operations"].as_array().unwrap().clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_carried_out_and_leaves_the_slices_empty() {
    let dir = tempfile::tempdir().unwrap();
    // Room for a hundred slivers, not for a thousand.
    let folder = prepare(&dir.path().join("lab"), Lab { nodes: 10, capacity: 20 }).unwrap();
    let server = aggregate(Path::new(PROGRAM), &folder).await.unwrap();
    let credentials = dir.path().join("credentials");
    std::fs::create_dir(&credentials).unwrap();
    for (number, (_, xml)) in mint(&folder, "s", 8).unwrap().iter().enumerate() {
        std::fs::write(credentials.join(format!("slice-{number}.xml")), xml).unwrap();
    }
    let (url, user) = (server.url.clone(), folder.user("alice"));
    let said = tokio::task::spawn_blocking(move || {
        let mut said = String::new();
        for (only, sizes) in [("getversion", 1), ("status", 2), ("allocate", 1), ("update", 1)] {
            let (output, cells) = load(&url, &user, &credentials, only);
            // With 64 clients only what changes nothing: there are 8 slices.
            let loads = if matches!(only, "getversion" | "status") { 6 } else { 4 };
            assert_eq!(cells.len(), sizes * loads, "{only}");
            for cell in &cells {
                assert_eq!(cell["failures"], 0, "{cell}");
                assert!(cell["all_turns"].as_u64().unwrap() > 0, "{cell}");
            }
            said.push_str(&String::from_utf8_lossy(&output.stderr));
        }
        said
    })
    .await
    .unwrap();
    assert!(said.contains("Status of 1000 is left out"), "{said}");
    server.stop().await.unwrap();
    let database = rusqlite::Connection::open(folder.path("am.sqlite")).unwrap();
    let left: i64 = database.query_row("SELECT COUNT(*) FROM slivers", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}
