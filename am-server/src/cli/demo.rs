//! `am-server demo`: a first experiment, from nothing to running machines.

use super::client::{Client, items, member, no_options, string, structure, text};
use super::serve::{runtime, stop_signal};
use super::{Failure, init, log_to_stderr};
use crate::clock::system_clocks;
use crate::development::{Folder, Place};
use crate::service::Service;
use crate::setup::Setup;
use chrono::Utc;
use clap::Args;
use dxr::Value;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Run the service and a first experiment against it, then keep serving.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Where everything is kept; made as by `init` if it is not there.
    #[arg(long, value_name = "DIR", default_value = "am-demo")]
    dir: PathBuf,
    /// Where to listen, if the folder is made now.
    #[arg(long, value_name = "ADDR:PORT", default_value_t = init::DEFAULT_LISTEN)]
    listen: SocketAddr,
    /// End after the experiment instead of serving on.
    #[arg(long)]
    once: bool,
}

/// How long the experiment waits for its machines.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long it waits between two looks.
const BETWEEN: Duration = Duration::from_millis(300);

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        let _log = log_to_stderr("warn");
        let folder = Folder::at(&self.dir);
        let place = Place { authority: init::DEFAULT_AUTHORITY.to_owned(), listen: self.listen };
        let made = folder.init(&place, true, Utc::now())?;
        say(&match made.files.len() {
            0 => format!("{} is there already and used as it is.", self.dir.display()),
            count => {
                format!("Made {count} files in {}: certificates, users, configuration.", self.dir.display())
            }
        });
        let setup = Setup::load(&folder.config())?;
        runtime()?.block_on(async {
            let service = Service::start(setup, system_clocks()).await?;
            let (address, url) = (service.address(), service.url());
            say(&format!("ready: {url}\n"));
            let stop = stop_signal()?;
            let mut stopped = stop.clone();
            let (end, ended) = tokio::sync::watch::channel(false);
            let serving = tokio::spawn(service.run(ended));
            let experiment = experiment(&folder, address);
            tokio::select! {
                result = experiment => result?,
                _ = stopped.wait_for(|stop| *stop) => {}
            }
            if !self.once && !*stop.borrow() {
                say(&how_to_call(&folder, &url));
                let _ = stopped.wait_for(|stop| *stop).await;
            }
            let _ = end.send(true);
            serving.await??;
            Ok(())
        })
    }
}

/// What a first experimenter does.
async fn experiment(folder: &Folder, address: SocketAddr) -> Result<(), Failure> {
    let client = Client::new(address, &folder.user("alice"), &folder.path("trusted_roots/development.pem"))?;
    let name = format!("demo{}", Utc::now().format("%m%d%H%M%S"));
    let slice = folder.slice_urn(&name)?.to_string();
    let credential = folder.slice_credential(&name, "alice", 30, Utc::now())?;
    let credentials = || {
        Value::Array(vec![structure([
            ("geni_type", string("geni_sfa")),
            ("geni_version", string("3")),
            ("geni_value", string(&credential)),
        ])])
    };
    let urns = || Value::Array(vec![string(&slice)]);
    let rspec_version = || structure([("type", string("GENI")), ("version", string("3"))]);

    let version = client.must("GetVersion", vec![]).await?;
    say(&format!("GetVersion      {} speaks AM API {}", text(&version, "geni_urn"), api_versions(&version)));

    let options =
        structure([("geni_rspec_version", rspec_version()), ("geni_available", Value::Boolean(true))]);
    let ad = client.must("ListResources", vec![credentials(), options]).await?;
    let Value::String(ad) = ad else { return Err("ListResources gave no RSpec".into()) };
    say(&format!("ListResources   {} nodes are available", ad.matches("<node ").count()));

    let request = std::fs::read_to_string(folder.path("request.rspec"))?;
    let allocated =
        client.must("Allocate", vec![string(&slice), credentials(), string(&request), no_options()]).await?;
    say(&format!("Allocate        {}", summary(&allocated)));

    let key =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICqXUWw1S2iEjNvY9UoiagpVsh7ROOIHrWxcu5wAqlrq alice@example.net";
    let user = structure([
        ("urn", string(&slice.replace("+slice+", "+user+").replace(&name, "alice"))),
        ("keys", Value::Array(vec![string(key)])),
    ]);
    let options =
        structure([("geni_rspec_version", rspec_version()), ("geni_users", Value::Array(vec![user]))]);
    let provisioned = client.must("Provision", vec![urns(), credentials(), options]).await?;
    say(&format!("Provision       {}", summary(&provisioned)));

    wait_for(&client, "geni_notready", urns(), credentials()).await?;
    client
        .must("PerformOperationalAction", vec![urns(), credentials(), string("geni_start"), no_options()])
        .await?;
    say("PerformOperationalAction geni_start");
    wait_for(&client, "geni_ready", urns(), credentials()).await?;

    let options = structure([("geni_rspec_version", rspec_version())]);
    let described = client.must("Describe", vec![urns(), credentials(), options]).await?;
    let manifest = text(&described, "geni_rspec");
    let file = folder.path("manifest.rspec");
    std::fs::write(&file, manifest)?;
    say(&format!(
        "Describe        {}\n                manifest written to {}, {} logins in it\n",
        summary(&described),
        file.display(),
        manifest.matches("<login ").count()
    ));
    Ok(())
}

/// Asks for the status until every sliver is in `state`.
async fn wait_for(client: &Client, state: &str, urns: Value, credentials: Value) -> Result<(), Failure> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut last = String::new();
    loop {
        let status = client.must("Status", vec![urns.clone(), credentials.clone(), no_options()]).await?;
        let slivers = items(&status, "geni_slivers");
        let seen = summary(&status);
        if seen != last {
            say(&format!("Status          {seen}"));
            last = seen;
        }
        if let Some(failed) = slivers.iter().find(|it| text(it, "geni_operational_status") == "geni_failed") {
            return Err(format!("{}: {}", text(failed, "geni_sliver_urn"), text(failed, "geni_error")).into());
        }
        if slivers.iter().all(|sliver| text(sliver, "geni_operational_status") == state) {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            return Err(format!("the slivers did not become {state} within {} s", PATIENCE.as_secs()).into());
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

/// The slivers of an answer in a few words.
fn summary(answer: &Value) -> String {
    let slivers = items(answer, "geni_slivers");
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for sliver in slivers {
        let state =
            format!("{}/{}", text(sliver, "geni_allocation_status"), text(sliver, "geni_operational_status"));
        *counts.entry(state).or_default() += 1;
    }
    let states: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let expires = slivers.iter().map(|sliver| text(sliver, "geni_expires")).min().unwrap_or_default();
    format!("{} slivers: {}; until {expires}", slivers.len(), states.join(", "))
}

fn api_versions(version: &Value) -> String {
    match member(version, "geni_api_versions") {
        Some(Value::Struct(versions)) => versions.keys().cloned().collect::<Vec<_>>().join(" and "),
        _ => String::new(),
    }
}

fn how_to_call(folder: &Folder, url: &str) -> String {
    let dir = folder.path("").display().to_string();
    let dir = dir.trim_end_matches('/');
    format!(
        r#"The service goes on until Ctrl-C. Mint yourself a credential for a slice:

    am-server credential slice --dir {dir} --slice myslice --owner alice --out {dir}/myslice.xml

and call it with Omni:

    omni -c {dir}/omni_config -V3 -a {url} --slicecredfile {dir}/myslice.xml --usercredfile {dir}/users/alice/user-cred.xml allocate myslice {dir}/request.rspec

or with nothing but Python:

    python3 - <<'END'
    import ssl, xmlrpc.client
    tls = ssl.create_default_context(cafile="{dir}/trusted_roots/development.pem")
    tls.load_cert_chain("{dir}/users/alice/cert.pem", "{dir}/users/alice/key.pem")
    am = xmlrpc.client.ServerProxy("{url}", context=tls)
    print(am.GetVersion()["value"]["geni_urn"])
    credential = dict(geni_type="geni_sfa", geni_version="3", geni_value=open("{dir}/users/alice/user-cred.xml").read())
    options = dict(geni_rspec_version=dict(type="GENI", version="3"))
    print(am.ListResources([credential], options)["value"])
    END
"#
    )
}

/// Tells the person in front of the terminal.
#[allow(clippy::print_stdout, reason = "the command's answer")]
fn say(text: &str) {
    println!("{text}");
}
