//! The Deltacloud face and its client: a long listing, and a blob that no memory should hold.

use super::Bench;
use crate::Failure;
use crate::cloud::{Plain, Told};
use crate::server::{self, Server};
use crate::targets::{Line, median};
use drivers::mock::{MockConfig, MockDriver};
use drivers::{ComputeDriver, CreateInstance};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What server and client may use above what they use idle, in MiB.
const ABOVE_IDLE: f64 = 64.0;

pub(super) async fn measure(bench: &mut Bench<'_>) -> Result<(), Failure> {
    let folder = bench.dir.join("deltacloud");
    std::fs::create_dir_all(&folder).map_err(Failure::when(folder.display().to_string()))?;
    listing(bench, &folder).await?;
    blob(bench, &folder).await
}

/// A mock cloud's file with instances in it, written without any server.
async fn filled(folder: &Path, instances: u32) -> Result<PathBuf, Failure> {
    let file = folder.join("instances.sqlite");
    let driver =
        MockDriver::open(&file, MockConfig::deltacloud()).map_err(Failure::when("the mock cloud"))?;
    for number in 0..instances {
        let request = CreateInstance::new(format!("instance-{number}"), "img1");
        driver.create_instance(&request).await.map_err(Failure::when("the mock cloud"))?;
    }
    Ok(file)
}

/// Runs the client driver in a process of its own.
async fn client(server: &Server, arguments: [&str; 2]) -> Result<Told, Failure> {
    let mut command = tokio::process::Command::new(server::own_program()?);
    command.arg("cloud-client").args(["--url", &server.url]).args(arguments).kill_on_drop(true);
    let output = command.output().await.map_err(Failure::when("starting the client"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format!("the client: {}", said.trim())));
    }
    serde_json::from_slice(&output.stdout).map_err(Failure::when("what the client tells"))
}

/// Median in milliseconds, and how many a second that makes one after the other.
fn pace(seconds: Vec<f64>) -> (f64, f64) {
    let per_second = seconds.len() as f64 / seconds.iter().sum::<f64>();
    (per_second, 1e3 * median(seconds))
}

async fn listing(bench: &mut Bench<'_>, folder: &Path) -> Result<(), Failure> {
    let instances = bench.settings.listed;
    bench.say(&format!("the Deltacloud face: listings of {instances} instances"));
    let file = filled(folder, instances).await?;
    let time = bench.settings.round * 2;
    for (name, accept) in [("XML", "application/xml"), ("JSON", "application/json")] {
        // Each on a server of its own: memory that one has freed would hide what the next needs.
        let server = server::face(&bench.program, &file, &folder.join("face.log")).await?;
        let idle = server.resident_mib()?;
        let mut plain = Plain::connect(&server.url).await?;
        let (mut seconds, mut bytes) = (Vec::new(), 0);
        let begin = Instant::now();
        while begin.elapsed() < time || seconds.is_empty() {
            let start = Instant::now();
            bytes = plain.get("/api/instances", accept).await?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        let (per_second, milliseconds) = pace(seconds);
        let peak = server.peak_mib()?;
        server.stop().await?;
        bench.report.also(
            &format!("deltacloud: listings of {instances} instances through the face, {name}, per second"),
            per_second,
            format!(
                "median {milliseconds:.1} ms, {bytes} bytes, 1 client; server {idle:.1} MiB idle, {peak:.1} MiB at most"
            ),
        );
    }
    let server = server::face(&bench.program, &file, &folder.join("face.log")).await?;
    let told = client(&server, ["--list", &time.as_millis().to_string()]).await?;
    server.stop().await?;
    if told.count < u64::from(instances) {
        return Err(Failure::new(format!("the client lists {} instances", told.count)));
    }
    let (per_second, milliseconds) = pace(told.seconds);
    bench.report.also(
        &format!("deltacloud: listings of {instances} instances through client driver and face, per second"),
        per_second,
        format!(
            "median {milliseconds:.1} ms, 1 client; client {:.1} MiB idle, {:.1} MiB at most",
            told.idle_mib, told.peak_mib
        ),
    );
    Ok(())
}

async fn blob(bench: &mut Bench<'_>, folder: &Path) -> Result<(), Failure> {
    let size = bench.settings.blob_mib;
    bench.say(&format!("the Deltacloud face: a blob of {size} MiB"));
    let file = folder.join("blobs.sqlite");
    let server = server::face(&bench.program, &file, &folder.join("face.log")).await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let idle = server.resident_mib()?;
    let told = client(&server, ["--blob", &(u64::from(size) << 20).to_string()]).await?;
    let peak = server.peak_mib()?;
    server.stop().await?;
    for (way, seconds) in ["up", "down"].iter().zip(&told.seconds) {
        bench.report.also(
            &format!("deltacloud: a blob of {size} MiB {way} through client driver and face, MiB per second"),
            f64::from(size) / seconds,
            format!("{seconds:.1} s"),
        );
    }
    for (whose, idle, peak) in [("server", idle, peak), ("client", told.idle_mib, told.peak_mib)] {
        bench.report.line(Line::at_most(
            &format!("deltacloud: a blob of {size} MiB, memory of the {whose}"),
            "≤ 64 MiB above idle",
            ABOVE_IDLE,
            peak - idle,
            format!("{peak:.1} MiB at most, {idle:.1} MiB idle"),
        ));
    }
    Ok(())
}
