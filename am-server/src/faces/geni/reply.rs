//! Answers as XML-RPC values: the return struct, and the members each call puts into its `value`.
//!
//! Every answer is `{code: {geni_code, am_type, am_code}, value, output}` with all three members always
//! there; dates are strings, and nothing is ever nil (AM API v3, common concepts, return struct).

use super::version::Version;
use super::xmlrpc::printable;
use crate::aggregate::answer::{Answer, Manifest, SliverEntry, Slivers};
use crate::aggregate::error::CallError;
use crate::aggregate::get_version::{AM_TYPE, VersionInfo};
use crate::time;
use dxr::Value;

/// A struct from its members.
#[must_use]
pub fn structure<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A string that XML can carry.
#[must_use]
pub fn string(text: impl AsRef<str>) -> Value {
    Value::String(printable(text.as_ref()).into_owned())
}

fn list<T>(items: impl IntoIterator<Item = T>, encode: impl FnMut(T) -> Value) -> Value {
    Value::Array(items.into_iter().map(encode).collect())
}

fn code(geni_code: i32, am_code: i32) -> Value {
    structure([
        ("geni_code", Value::Integer(geni_code)),
        ("am_type", string(AM_TYPE)),
        ("am_code", Value::Integer(am_code)),
    ])
}

/// The return struct of a call that went well.
#[must_use]
pub fn success(answer: Answer<Value>) -> Value {
    structure([("code", code(0, 0)), ("value", answer.value), ("output", string(answer.output))])
}

/// The return struct of a call that did not; `value` holds what would have been allowed, if that is known.
#[must_use]
pub fn failure(error: &CallError) -> Value {
    structure([
        ("code", code(error.geni_code(), error.am_code())),
        ("value", string(error.hint().unwrap_or_default())),
        ("output", string(error.to_string())),
    ])
}

/// One sliver.
#[must_use]
pub fn sliver(entry: &SliverEntry) -> Value {
    structure([
        ("geni_sliver_urn", string(entry.urn.as_str())),
        ("geni_allocation_status", string(entry.allocation)),
        ("geni_operational_status", string(entry.operational)),
        ("geni_next_allocation_status", string(entry.next)),
        ("geni_expires", string(entry.expires.map(time::format).unwrap_or_default())),
        ("geni_error", string(&entry.error)),
    ])
}

/// `[sliver, …]`.
#[must_use]
pub fn sliver_list(answer: Answer<Slivers>) -> Answer<Value> {
    Answer { value: list(&answer.value.slivers, sliver), output: answer.output }
}

/// `{geni_urn, geni_slivers}`.
#[must_use]
pub fn status(answer: Answer<Slivers>) -> Answer<Value> {
    let value = structure([
        ("geni_urn", string(answer.value.slice.as_str())),
        ("geni_slivers", list(&answer.value.slivers, sliver)),
    ]);
    Answer { value, output: answer.output }
}

/// `{geni_rspec, geni_urn, geni_slivers}`.
#[must_use]
pub fn manifest(answer: Answer<Manifest>) -> Answer<Value> {
    let value = structure([
        ("geni_rspec", string(answer.value.rspec)),
        ("geni_urn", string(answer.value.slice.as_str())),
        ("geni_slivers", list(&answer.value.slivers, sliver)),
    ]);
    Answer { value, output: answer.output }
}

/// GetVersion's value, and the answer around it, which alone has a fourth member `geni_api`.
#[must_use]
pub fn version(info: &VersionInfo, version: Version) -> Value {
    let rspec_versions = |schema: &str, extensions: &[&str]| {
        Value::Array(vec![structure([
            ("type", string("GENI")),
            ("version", string("3")),
            ("schema", string(schema)),
            ("namespace", string(rspec::namespaces::GENI)),
            ("extensions", list(extensions, string)),
        ])])
    };
    let credential_types = list(["3", "2"], |number| {
        structure([("geni_type", string("geni_sfa")), ("geni_version", string(number))])
    });
    let api_versions = Version::ALL
        .iter()
        .map(|version| (version.number().to_string(), string(format!("{}{}", info.base_url, version.path()))))
        .collect();
    let mut members = vec![
        ("geni_api", Value::Integer(version.number())),
        ("geni_api_versions", Value::Struct(api_versions)),
        (
            "geni_request_rspec_versions",
            rspec_versions(rspec::namespaces::REQUEST_SCHEMA, info.request_extensions),
        ),
        ("geni_ad_rspec_versions", rspec_versions(rspec::namespaces::AD_SCHEMA, info.ad_extensions)),
        ("geni_credential_types", credential_types),
        ("geni_allocate", string(info.allocate)),
        ("geni_am_type", Value::Array(vec![string(AM_TYPE)])),
        ("geni_unicode_compliant", Value::Boolean(false)),
        ("geni_handles_speaksfor", Value::Boolean(false)),
        ("geni_urn", string(info.urn.as_str())),
        ("urn", string(info.urn.as_str())),
        (
            // The acceptance tests for version 3 want an integer here; the text of the API, and so version 4, a boolean.
            "geni_single_allocation",
            match version {
                Version::V3 => Value::Integer(i32::from(info.single_allocation)),
                Version::V4 => Value::Boolean(info.single_allocation),
            },
        ),
    ];
    if let Some(code_version) = info.code_version {
        members.push(("geni_am_code_version", string(code_version)));
    }
    let value = Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    structure([
        ("code", code(0, 0)),
        ("value", value),
        ("output", string("")),
        ("geni_api", Value::Integer(version.number())),
    ])
}
