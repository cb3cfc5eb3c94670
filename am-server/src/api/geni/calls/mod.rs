//! The calls, each in a file of its own: its arguments become a request to [`crate::aggregate`], and what that answers
//! becomes a document.
//!
//! [`METHODS`] is the table of them all. A new call is a new file here and a line in the table, beside its file in
//! [`crate::aggregate`], which carries it out.

mod allocate;
mod cancel;
mod delete;
mod describe;
mod get_version;
mod list_resources;
mod perform_operational_action;
mod provision;
mod renew;
mod shutdown;
mod status;
mod update;

use super::arguments::Arguments;
use super::context::{Answering, Context};
use super::version::Version;

/// One method of the API.
pub(super) struct Method {
    /// Its name, as in `methodName`.
    pub(super) name: &'static str,
    /// The names of its arguments, in order: all of them are needed.
    pub(super) arguments: &'static [&'static str],
    /// The versions of the API that offer it.
    versions: &'static [Version],
    /// Answers a call of it.
    pub(super) answer: for<'a> fn(Context<'a>, Arguments) -> Answering<'a>,
}

const fn method(
    name: &'static str,
    arguments: &'static [&'static str],
    versions: &'static [Version],
    answer: for<'a> fn(Context<'a>, Arguments) -> Answering<'a>,
) -> Method {
    Method { name, arguments, versions, answer }
}

/// What every version offers.
const ALL: &[Version] = &Version::ALL;

/// All methods by name.
#[rustfmt::skip]
static METHODS: [Method; 12] = [
    method("Allocate", &["slice_urn", "credentials", "rspec", "options"], ALL, allocate::answer),
    method("Cancel", &["urns", "credentials", "options"], ALL, cancel::answer),
    method("Delete", &["urns", "credentials", "options"], ALL, delete::answer),
    method("Describe", &["urns", "credentials", "options"], ALL, describe::answer),
    method("GetVersion", &["options"], ALL, get_version::answer),
    method("ListResources", &["credentials", "options"], ALL, list_resources::answer),
    method("PerformOperationalAction", &["urns", "credentials", "action", "options"], ALL, perform_operational_action::answer),
    method("Provision", &["urns", "credentials", "options"], ALL, provision::answer),
    method("Renew", &["urns", "credentials", "expiration_time", "options"], ALL, renew::answer),
    method("Shutdown", &["slice_urn", "credentials", "options"], ALL, shutdown::answer),
    method("Status", &["urns", "credentials", "options"], ALL, status::answer),
    method("Update", &["urns", "credentials", "rspec", "options"], ALL, update::answer),
];

/// The method of this name, if `version` offers it.
pub(super) fn find(version: Version, name: &str) -> Option<&'static Method> {
    offered(version).find(|method| method.name == name)
}

/// The names of all methods that `version` offers, for the message that says what could have been called.
pub(super) fn names(version: Version) -> String {
    offered(version).map(|method| method.name).collect::<Vec<_>>().join(", ")
}

fn offered(version: Version) -> impl Iterator<Item = &'static Method> {
    METHODS.iter().filter(move |method| method.versions.contains(&version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_its_names_and_each_is_found_where_it_is_offered() {
        assert!(METHODS.is_sorted_by(|one, next| one.name < next.name));
        for method in &METHODS {
            assert!(!method.versions.is_empty(), "{}", method.name);
            assert_eq!(method.arguments.last(), Some(&"options"), "{}", method.name);
            for version in Version::ALL {
                let found = find(version, method.name).is_some();
                assert_eq!(found, method.versions.contains(&version), "{}", method.name);
                assert_eq!(names(version).split(", ").any(|name| name == method.name), found);
            }
        }
        assert!(find(Version::V3, "allocate").is_none() && find(Version::V4, "").is_none());
    }
}
