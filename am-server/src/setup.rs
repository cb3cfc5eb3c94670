//! The configuration file, read: what the aggregate is told, and the APIs that are served.
//!
//! Every section is read once. What is wrong is collected, so that one run of `am-server check` reports all of it.

use crate::api::KINDS;
use crate::api::kind::{ApiSettings, Section, SettingsFrom};
use crate::config::{self, Config, ConfigError, Sections};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// Everything that a configuration file says.
#[derive(Debug)]
pub struct Setup {
    /// What the aggregate is told.
    pub config: Config,
    /// The APIs to serve.
    pub apis: Vec<ApiSection>,
}

/// An API to serve.
#[derive(Debug, Clone)]
pub struct ApiSection {
    /// The section of the configuration that holds `listen`.
    pub name: &'static str,
    /// Its settings.
    pub settings: Arc<dyn ApiSettings>,
}

impl Setup {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found.
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let fail = |problems| ConfigError { file: file.to_owned(), problems };
        let text = std::fs::read_to_string(file)
            .map_err(|error| fail(vec![format!("it cannot be read: {error}")]))?;
        let folder = file.parent().map(Path::to_owned).unwrap_or_default();
        Self::parse(&text, &folder).map_err(fail)
    }

    /// Reads a configuration; `folder` is what relative paths start from.
    ///
    /// # Errors
    /// Every problem found, a sentence each.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, Vec<String>> {
        let mut table: toml::Table = toml::from_str(text)
            .map_err(|error| vec![format!("it is not TOML: {}", error.to_string().trim())])?;
        let mut problems = Vec::new();
        let sections = Sections::take(&mut table, folder, &mut problems);
        let mut apis = Vec::new();
        for kind in &KINDS {
            let SettingsFrom::Section(read) = kind.settings else { continue };
            let name = kind.section;
            let Some(value) = table.remove(name) else { continue };
            let settings = read(Section { name, value, folder, problems: &mut problems });
            apis.extend(settings.map(|settings| ApiSection { name, settings }));
        }
        if !table.is_empty() {
            let known = known_sections();
            problems.extend(table.keys().map(|it| format!("[{it}] is not a section; there are {known}")));
        }
        let mut listeners: Vec<_> =
            sections.listen().map(|address| ("aggregate.listen".to_owned(), address)).into_iter().collect();
        listeners.extend(apis.iter().map(|api| (format!("{}.listen", api.name), api.settings.listen())));
        check_listeners(&listeners, &mut problems);
        match sections.complete() {
            Some(config) if problems.is_empty() => Ok(Self { apis: all(apis, &config), config }),
            _ => Err(problems),
        }
    }
}

/// These APIs, and those that every aggregate serves, in the order of the registry.
fn all(mut apis: Vec<ApiSection>, config: &Config) -> Vec<ApiSection> {
    let served = KINDS.iter().filter_map(|kind| match kind.settings {
        SettingsFrom::Aggregate(read) => Some(ApiSection { name: kind.section, settings: read(config) }),
        SettingsFrom::Section(_) => {
            let at = apis.iter().position(|api| api.name == kind.section)?;
            Some(apis.swap_remove(at))
        }
    });
    served.collect()
}

/// The names of all sections, as messages list them.
fn known_sections() -> String {
    let apis = KINDS.iter().filter(|kind| matches!(kind.settings, SettingsFrom::Section(_)));
    let names = config::SECTIONS.into_iter().chain(apis.map(|kind| kind.section));
    format!("{} and {}", names.collect::<Vec<_>>().join(", "), config::DRIVERS)
}

/// Refuses addresses of which the second could not be taken, because the first is there already.
fn check_listeners(listeners: &[(String, SocketAddr)], problems: &mut Vec<String>) {
    for (at, (name, one)) in listeners.iter().enumerate() {
        for (other_name, two) in listeners.iter().take(at) {
            // Port 0 is a free one each time.
            if one.port() == two.port() && one.port() != 0 && (covers(one, two) || covers(two, one)) {
                problems
                    .push(format!("{name}: {one} is taken by {other_name} ({two}); give each its own port"));
            }
        }
    }
}

/// Whether listening on `one` also takes what arrives at the address of `two`. The IPv6 address for all takes IPv4, too.
fn covers(one: &SocketAddr, two: &SocketAddr) -> bool {
    one.ip() == two.ip() || (one.ip().is_unspecified() && (one.is_ipv6() || two.is_ipv4()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_reported_at_once() {
        let text = r#"
            surprise = 1
            [aggregate]
            authority = "a b"
            listen = "127.0.0.1:0"
            operators = ["nobody"]
            url = "http://x"
            [tls]
            certificate = "missing.pem"
            key = "missing.key"
            trusted_roots = "missing"
            [policy]
            allocate = "geni_some"
            allocated_minutes = 0
            [links]
            first_vlan = 5
            last_vlan = 4
            [volumes]
            per_node = 99
            largest_gigabytes = 0
            devices = "vd"
            [[drivers]]
            name = "a b"
            kind = "mock"
        "#;
        let problems = Setup::parse(text, Path::new("/nonexistent")).unwrap_err();
        for expected in [
            "[surprise]",
            "aggregate.authority",
            "aggregate.operators",
            "aggregate.url",
            "tls.certificate",
            "tls.key",
            "tls.trusted_roots",
            "policy.allocate:",
            "policy.allocated_minutes",
            "links:",
            "volumes.per_node",
            "volumes.largest_gigabytes",
            "volumes.devices",
            "drivers: name",
        ] {
            assert!(problems.iter().any(|p| p.starts_with(expected)), "{expected} in {problems:?}");
        }
    }

    #[test]
    fn wrong_types_in_several_sections_are_all_reported() {
        let text = "[aggregate]\nauthority = 5\nlisten = \"x\"\n[tls]\n[limits]\nbody_bytes = \"much\"\n[links]\nlast_vlan = 0\n";
        let problems = Setup::parse(text, Path::new(".")).unwrap_err();
        // What is wrong in the sections that could be read is not kept for another time.
        for expected in ["[aggregate]", "[tls]", "[limits]", "links:", "no [[drivers]]"] {
            assert!(problems.iter().any(|p| p.starts_with(expected)), "{expected} in {problems:?}");
        }
    }

    #[test]
    fn no_two_listeners_share_a_port() {
        let problems = |aggregate: &str, deltacloud: &str, metrics: &str| -> Vec<String> {
            let text = format!(
                "[aggregate]\nauthority = \"am.example.net\"\nlisten = {aggregate:?}\n[deltacloud]\nlisten = {deltacloud:?}\n\
                 users = []\n[metrics]\nlisten = {metrics:?}\n"
            );
            let problems = Setup::parse(&text, Path::new(".")).unwrap_err();
            problems.into_iter().filter(|problem| problem.contains("is taken by")).collect()
        };
        assert_eq!(problems("0.0.0.0:443", "127.0.0.1:3001", "127.0.0.1:9180"), [""; 0]);
        assert_eq!(problems("127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"), [""; 0]);
        assert_eq!(problems("127.0.0.2:3001", "127.0.0.1:3001", "127.0.0.1:9180"), [""; 0]);
        assert_eq!(problems("0.0.0.0:443", "[::1]:443", "127.0.0.1:9180"), [""; 0]);
        assert_eq!(problems("[::]:443", "127.0.0.1:443", "127.0.0.1:9180").len(), 1);
        let said = "metrics.listen: 127.0.0.1:443 is taken by aggregate.listen (0.0.0.0:443); give each its own port";
        assert_eq!(problems("0.0.0.0:443", "127.0.0.1:3001", "127.0.0.1:443"), [said]);
        assert_eq!(problems("127.0.0.1:7", "127.0.0.1:7", "127.0.0.1:7").len(), 3);
    }

    /// The settings that a section knows, as its refusal of another one lists them.
    fn settings(section: &str) -> Vec<String> {
        let problems = Setup::parse(&format!("[{section}]\n\"no such setting\" = 1\n"), Path::new("."));
        let problems = problems.unwrap_err();
        let start = format!("[{section}]: unknown field `no such setting`, expected ");
        let said = problems.iter().find_map(|problem| problem.strip_prefix(&start));
        let said = said.unwrap_or_else(|| panic!("[{section}] takes anything: {problems:?}"));
        said.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_setting_is_described() {
        let page = include_str!("../../docs/configuration.md");
        let problems = Setup::parse("surprise = 1", Path::new(".")).unwrap_err();
        let said = problems.iter().find_map(|problem| problem.split_once("; there are ")).unwrap().1;
        let sections: Vec<&str> = said.split(", ").flat_map(|names| names.split(" and ")).collect();
        assert!(sections.len() >= 10, "{sections:?}");
        // Their members are named by the operator, or by the driver.
        let (free, sections): (Vec<&str>, Vec<&str>) =
            sections.into_iter().partition(|name| ["sliver_types", "drivers"].contains(name));
        assert_eq!(free.len(), 2);
        for section in sections {
            let (_, text) = page.split_once(&format!("\n## `[{section}]`")).expect(section);
            let text = text.split_once("\n## ").map_or(text, |(own, _)| own);
            let rows: Vec<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("| ")?.split_once(" | ").map(|(names, _)| names))
                .collect();
            let known = settings(section);
            assert!(!known.is_empty());
            for setting in known {
                let quoted = [format!("`{setting}`"), format!("`[[{section}.{setting}]]`")];
                let described =
                    rows.iter().any(|names| quoted.iter().any(|name| names.contains(name.as_str())));
                assert!(described, "docs/configuration.md says nothing of {section}.{setting}");
            }
        }
    }
}
