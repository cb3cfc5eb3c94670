//! Answers as XML-RPC: the return struct, and the members each call puts into its `value`.
//!
//! Every answer is `{code: {geni_code, am_type}, value, output}` with all three members always there, and `am_code`
//! in `code` where it says more than `geni_code`; dates are strings, and nothing is ever nil (AM API v3, common concepts, return struct).

use super::version::Version;
use super::xmlrpc::Writer;
use crate::aggregate::answer::{Answer, Manifest, SliverEntry, Slivers};
use crate::aggregate::error::CallError;
use crate::aggregate::get_version::{AM_TYPE, VersionInfo};
use crate::time;
use chrono::{DateTime, Utc};

/// About what the return struct and one sliver take, in bytes: what is reserved for an answer.
const FRAME: usize = 512;
const SLIVER: usize = 800;

fn code(writer: &mut Writer, geni_code: i32, am_code: Option<i32>) {
    writer.member("code", |writer| {
        writer.structure(|writer| {
            writer.number("geni_code", geni_code);
            writer.text("am_type", AM_TYPE);
            if let Some(am_code) = am_code {
                writer.number("am_code", am_code);
            }
        });
    });
}

/// The return struct of a call that went well; `value` writes its value.
fn success(bytes: usize, output: &str, value: impl FnOnce(&mut Writer)) -> String {
    let mut writer = Writer::response(FRAME + output.len() + bytes);
    writer.structure(|writer| {
        code(writer, 0, None);
        writer.member("value", value);
        writer.text("output", output);
    });
    writer.finish()
}

/// The return struct of a call that did not; `value` holds what would have been allowed, if that is known.
#[must_use]
pub fn failure(error: &CallError) -> String {
    let mut writer = Writer::response(FRAME);
    writer.structure(|writer| {
        code(writer, error.geni_code(), error.am_code());
        writer.text("value", error.hint().unwrap_or_default());
        writer.text("output", &error.to_string());
    });
    writer.finish()
}

/// A moment as it was written last: the slivers of a slice mostly end together.
#[derive(Default)]
struct Moment {
    at: Option<DateTime<Utc>>,
    text: String,
}

impl Moment {
    fn text(&mut self, at: Option<DateTime<Utc>>) -> &str {
        if self.at != at {
            *self = Self { at, text: at.map(time::format).unwrap_or_default() };
        }
        &self.text
    }
}

fn sliver(writer: &mut Writer, entry: &SliverEntry, expires: &mut Moment) {
    writer.structure(|writer| {
        writer.text("geni_sliver_urn", entry.urn.as_str());
        writer.text("geni_allocation_status", entry.allocation);
        writer.text("geni_operational_status", entry.operational);
        writer.text("geni_next_allocation_status", entry.next);
        writer.text("geni_expires", expires.text(entry.expires));
        writer.text("geni_error", &entry.error);
    });
}

fn slivers(writer: &mut Writer, entries: &[SliverEntry]) {
    let mut expires = Moment::default();
    writer.array(entries, |writer, entry| sliver(writer, entry, &mut expires));
}

/// `[sliver, …]`.
#[must_use]
pub fn sliver_list(answer: &Answer<Slivers>) -> String {
    let entries = &answer.value.slivers;
    success(entries.len() * SLIVER, &answer.output, |writer| slivers(writer, entries))
}

/// `{geni_urn, geni_slivers}`.
#[must_use]
pub fn status(answer: &Answer<Slivers>) -> String {
    let Slivers { slice, slivers: entries } = &answer.value;
    success(entries.len() * SLIVER, &answer.output, |writer| {
        writer.structure(|writer| {
            writer.text("geni_urn", slice.as_str());
            writer.member("geni_slivers", |writer| slivers(writer, entries));
        });
    })
}

/// `{geni_rspec, geni_urn, geni_slivers}`.
#[must_use]
pub fn manifest(answer: &Answer<Manifest>) -> String {
    let Manifest { slice, rspec, slivers: entries } = &answer.value;
    // Markup grows by a good quarter when it is escaped.
    success(entries.len() * SLIVER + rspec.len() / 3 * 4, &answer.output, |writer| {
        writer.structure(|writer| {
            writer.text("geni_rspec", rspec);
            writer.text("geni_urn", slice.as_str());
            writer.member("geni_slivers", |writer| slivers(writer, entries));
        });
    })
}

/// An advertisement.
#[must_use]
pub fn advertisement(answer: &Answer<impl AsRef<str>>) -> String {
    let text = answer.value.as_ref();
    success(text.len() / 3 * 4, &answer.output, |writer| writer.string(text))
}

/// Yes or no.
#[must_use]
pub fn boolean(answer: &Answer<bool>) -> String {
    success(0, &answer.output, |writer| writer.boolean(answer.value))
}

/// GetVersion's value, and the answer around it, which alone has a fourth member `geni_api`.
#[must_use]
pub fn version(info: &VersionInfo, version: Version) -> String {
    let mut writer = Writer::response(4096);
    writer.structure(|writer| {
        code(writer, 0, None);
        writer.member("value", |writer| version_value(writer, info, version));
        writer.text("output", "");
        writer.number("geni_api", version.number());
    });
    writer.finish()
}

fn version_value(writer: &mut Writer, info: &VersionInfo, version: Version) {
    writer.structure(|writer| {
        writer.number("geni_api", version.number());
        writer.member("geni_api_versions", |writer| {
            writer.structure(|writer| {
                for version in Version::ALL {
                    let url = format!("{}{}", info.base_url, version.path());
                    writer.text(&version.number().to_string(), &url);
                }
            });
        });
        let (request, ad) = (rspec::namespaces::REQUEST_SCHEMA, rspec::namespaces::AD_SCHEMA);
        rspec_versions(writer, "geni_request_rspec_versions", request, info.request_extensions);
        rspec_versions(writer, "geni_ad_rspec_versions", ad, info.ad_extensions);
        writer.member("geni_credential_types", |writer| {
            writer.array(["3", "2"], |writer, number| {
                writer.structure(|writer| {
                    writer.text("geni_type", "geni_sfa");
                    writer.text("geni_version", number);
                });
            });
        });
        writer.text("geni_allocate", info.allocate);
        writer.member("geni_am_type", |writer| writer.array([AM_TYPE], Writer::string));
        writer.flag("geni_unicode_compliant", false);
        writer.flag("geni_handles_speaksfor", false);
        writer.text("geni_urn", info.urn.as_str());
        writer.text("urn", info.urn.as_str());
        match version {
            // The acceptance tests for version 3 want an integer here; the text of the API, and so version 4, a boolean.
            Version::V3 => writer.number("geni_single_allocation", i32::from(info.single_allocation)),
            Version::V4 => writer.flag("geni_single_allocation", info.single_allocation),
        }
        if let Some(code_version) = info.code_version {
            writer.text("geni_am_code_version", code_version);
        }
    });
}

fn rspec_versions(writer: &mut Writer, name: &str, schema: &str, extensions: &[&str]) {
    writer.member(name, |writer| {
        writer.array([schema], |writer, schema| {
            writer.structure(|writer| {
                writer.text("type", "GENI");
                writer.text("version", "3");
                writer.text("schema", schema);
                writer.text("namespace", rspec::namespaces::GENI);
                writer.member("extensions", |writer| {
                    writer.array(extensions, |writer, extension| writer.string(extension));
                });
            });
        });
    });
}
