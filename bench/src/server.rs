//! Servers as processes of their own: started, watched, ended.

use crate::Failure;
use am_server::development::{Folder, Place};
use chrono::Utc;
use std::fs::File;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The authority of the aggregates that are measured.
const AUTHORITY: &str = "am.localhost";

/// A server under measurement; it ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// The URL it answers at.
    pub url: String,
}

/// What an aggregate has to lend.
#[derive(Debug, Clone, Copy)]
pub struct Lab {
    /// Advertised nodes.
    pub nodes: u32,
    /// Instances that fit on each.
    pub capacity: u32,
}

/// Makes the folder of an aggregate: authority, certificates, configuration. Nothing is started.
///
/// # Errors
/// The folder cannot be written.
pub fn prepare(dir: &Path, lab: Lab) -> Result<Folder, Failure> {
    let folder = Folder::at(dir);
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let place = Place { authority: AUTHORITY.to_owned(), listen };
    folder.init(&place, true, Utc::now()).map_err(Failure::when("the aggregate's folder"))?;
    let config = folder.config();
    let mut file =
        File::options().append(true).open(&config).map_err(Failure::when(config.display().to_string()))?;
    // The driver's section is the last one, so the first line belongs to it. All clients are one user on one address.
    writeln!(
        file,
        "realms = [{{ id = \"host-{{n}}\", count = {}, capacity = {}, hardware_type = \"pc\" }}]\n\
         [limits]\nconnections_per_address = 8192\nconnections_per_caller = 8192",
        lab.nodes, lab.capacity
    )
    .map_err(Failure::when(config.display().to_string()))?;
    Ok(folder)
}

/// Starts the aggregate of a folder: `program serve --config …`. Its log goes to `server.log` there.
///
/// # Errors
/// It does not start; the message quotes the end of its log.
pub async fn aggregate(program: &Path, folder: &Folder) -> Result<Server, Failure> {
    let log = folder.path("server.log");
    let mut command = Command::new(program);
    command.arg("serve").arg("--config").arg(folder.config());
    Server::start(command, &log).await
}

/// Starts the bare server with the same certificates as the aggregate of `folder`, to answer with `bodies`.
///
/// # Errors
/// It does not start.
pub async fn bare(folder: &Folder, bodies: &[bytes::Bytes]) -> Result<Server, Failure> {
    let mut command = Command::new(own_program()?);
    command
        .arg("bare-server")
        .arg("--certificate")
        .arg(folder.path("server-cert.pem"))
        .arg("--key")
        .arg(folder.path("server-key.pem"))
        .arg("--root")
        .arg(folder.path("trusted_roots/development.pem"));
    for (number, body) in bodies.iter().enumerate() {
        let file = folder.path(&format!("body-{number}"));
        std::fs::write(&file, body).map_err(Failure::when(file.display().to_string()))?;
        command.arg("--body").arg(file);
    }
    Server::start(command, &folder.path("bare.log")).await
}

/// Starts the Deltacloud face over a mock cloud of its own: `program deltacloud --driver mock …`.
///
/// # Errors
/// It does not start; the message quotes the end of its log.
pub async fn face(program: &Path, database: &Path, log: &Path) -> Result<Server, Failure> {
    let mut command = Command::new(program);
    command.args(["deltacloud", "--driver", "mock", "--listen", "127.0.0.1:0", "--database"]).arg(database);
    Server::start(command, log).await
}

/// This program, which is also the servers it measures: see [`crate::bare`] and the hidden command `serve`.
///
/// # Errors
/// The system does not tell.
pub fn own_program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(Failure::when("finding this program"))
}

impl Server {
    async fn start(mut command: Command, log: &Path) -> Result<Self, Failure> {
        let file = File::create(log).map_err(Failure::when(log.display().to_string()))?;
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .map_err(Failure::when("starting a server"))?;
        let Some(out) = child.stdout.take() else { return Err(Failure::new("a server without output")) };
        let mut lines = BufReader::new(out).lines();
        while let Some(line) = lines.next_line().await.map_err(Failure::when("a server's output"))? {
            if let Some(url) = line.strip_prefix("ready: ") {
                return Ok(Self { child, url: url.to_owned() });
            }
        }
        let said = std::fs::read_to_string(log).unwrap_or_default();
        let end: Vec<&str> = said.lines().rev().take(5).collect();
        Err(Failure::new(format!(
            "a server did not start: {}",
            end.into_iter().rev().collect::<Vec<_>>().join("; ")
        )))
    }

    /// Asks it to end and waits until it has.
    ///
    /// # Errors
    /// It cannot be asked.
    pub async fn stop(mut self) -> Result<(), Failure> {
        if let Some(id) = self.child.id() {
            let asked = Command::new("kill").arg(id.to_string()).status().await;
            asked.map_err(Failure::when("stopping a server"))?;
        }
        self.child.wait().await.map_err(Failure::when("a server's end"))?;
        Ok(())
    }

    /// Resident memory in MiB.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn resident_mib(&self) -> Result<f64, Failure> {
        memory_mib_in(&self.proc("status")?, "VmRSS")
    }

    /// The most resident memory it ever had, in MiB.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn peak_mib(&self) -> Result<f64, Failure> {
        memory_mib_in(&self.proc("status")?, "VmHWM")
    }

    /// Processor time used so far, in seconds.
    ///
    /// # Errors
    /// The system does not tell.
    pub fn cpu_seconds(&self) -> Result<f64, Failure> {
        cpu_seconds_in(&self.proc("stat")?)
    }

    fn proc(&self, file: &str) -> Result<String, Failure> {
        let id = self.child.id().ok_or_else(|| Failure::new("a server has ended by itself"))?;
        std::fs::read_to_string(format!("/proc/{id}/{file}")).map_err(Failure::when("/proc"))
    }
}

/// Processor time this process has used so far, in seconds.
///
/// # Errors
/// The system does not tell.
pub fn own_cpu_seconds() -> Result<f64, Failure> {
    cpu_seconds_in(&std::fs::read_to_string("/proc/self/stat").map_err(Failure::when("/proc"))?)
}

/// Resident memory of this process in MiB.
///
/// # Errors
/// The system does not tell.
pub fn own_memory_mib() -> Result<f64, Failure> {
    memory_mib_in(&own_status()?, "VmRSS")
}

/// The most resident memory this process ever had, in MiB.
///
/// # Errors
/// The system does not tell.
pub fn own_peak_mib() -> Result<f64, Failure> {
    memory_mib_in(&own_status()?, "VmHWM")
}

fn own_status() -> Result<String, Failure> {
    std::fs::read_to_string("/proc/self/status").map_err(Failure::when("/proc"))
}

fn memory_mib_in(status: &str, field: &str) -> Result<f64, Failure> {
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok())
        .ok_or_else(|| Failure::new(format!("/proc does not tell {field}")))?;
    Ok(kib / 1024.0)
}

/// Linux counts processor time in hundredths of a second there, whatever its timer does.
fn cpu_seconds_in(stat: &str) -> Result<f64, Failure> {
    const TICKS: f64 = 100.0;
    // The program's name may hold spaces; it ends with the last bracket.
    let behind = stat.rsplit_once(')').map_or(stat, |(_, behind)| behind);
    let fields: Vec<&str> = behind.split_ascii_whitespace().collect();
    let ticks = |field: usize| fields.get(field).and_then(|text| text.parse::<f64>().ok());
    match (ticks(11), ticks(12)) {
        (Some(user), Some(system)) => Ok((user + system) / TICKS),
        _ => Err(Failure::new("/proc does not tell the processor time")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_never_below_what_is_there() {
        let status = "VmPeak:\t 9 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert!((memory_mib_in(status, "VmHWM").unwrap() - 2.0).abs() < 1e-9);
        assert!((memory_mib_in(status, "VmRSS").unwrap() - 1.0).abs() < 1e-9);
        assert!(memory_mib_in(status, "VmSwap").is_err());
        assert!(own_peak_mib().unwrap() > 0.0 && own_memory_mib().unwrap() > 0.0);
    }

    #[test]
    fn processor_time_is_read_behind_the_name() {
        let stat = "1 (a b) c) S 0 0 0 0 -1 0 0 0 0 0 150 50 0 0 20";
        assert!((cpu_seconds_in(stat).unwrap() - 2.0).abs() < 1e-9);
        assert!(own_cpu_seconds().unwrap() >= 0.0);
        assert!(cpu_seconds_in("").is_err());
    }
}
