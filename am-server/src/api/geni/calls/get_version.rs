//! GetVersion: options; what the aggregate is and speaks comes back, and no credential is asked for.

use crate::aggregate::get_version::{AM_TYPE, VersionInfo};
use crate::api::geni::arguments::{Arguments, Options};
use crate::api::geni::context::{Answering, Context};
use crate::api::geni::reply;
use crate::api::geni::version::Version;
use crate::api::geni::xmlrpc::Writer;

/// Answers the call.
pub(super) fn answer(context: Context<'_>, mut arguments: Arguments) -> Answering<'_> {
    Box::pin(async move {
        // The one call whose options may be left out, and all of whose options are ignored.
        let _ = arguments.options().unwrap_or_else(|_| Options::none());
        let write = || write(&context.aggregate.get_version(), context.version);
        Ok(context.ready.version(context.version, write))
    })
}

/// The value, and the answer around it, which alone has a fourth member `geni_api`.
fn write(info: &VersionInfo, version: Version) -> String {
    let mut writer = Writer::response(4096);
    writer.structure(|writer| {
        reply::code(writer, 0, None);
        writer.member("value", |writer| value(writer, info, version));
        writer.text("output", "");
        writer.number("geni_api", version.number());
    });
    writer.finish()
}

fn value(writer: &mut Writer, info: &VersionInfo, version: Version) {
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
