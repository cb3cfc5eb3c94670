//! The return struct, and the values that several calls answer with; the others stand with their calls ([`super::calls`]).
//!
//! Every answer is `{code: {geni_code, am_type}, value, output}` with all three members always there, and `am_code`
//! in `code` where it says more than `geni_code`; dates are strings, and nothing is ever nil (AM API v3, common concepts, return struct).

use super::http::Document;
use super::xmlrpc::Writer;
use crate::aggregate::answer::{Answer, Manifest, SliverEntry, Slivers};
use crate::aggregate::get_version::AM_TYPE;
use crate::error::{CallError, GeniCode};
use crate::time;
use chrono::{DateTime, Utc};
use std::sync::Arc;

/// About what the return struct and one sliver take, in bytes: what is reserved for an answer.
const FRAME: usize = 512;
const SLIVER: usize = 800;

/// Answers about more slivers than this, or with an RSpec of more bytes, are written off the async threads.
const LARGE: (usize, usize) = (2000, 1 << 20);

/// Bytes to reserve for these slivers.
pub(super) fn room_for(slivers: &[SliverEntry]) -> usize {
    slivers.len() * SLIVER
}

/// Bytes to reserve for this RSpec. Markup grows by a good quarter when it is escaped.
pub(super) fn room_for_rspec(rspec: &str) -> usize {
    rspec.len() / 3 * 4
}

/// Whether an answer with this RSpec is written off the async threads.
pub(super) fn is_large_rspec(rspec: &str) -> bool {
    rspec.len() > LARGE.1
}

/// Writes an answer, a large one off the async threads.
///
/// # Errors
/// The thread that wrote it failed.
pub(super) async fn written<T: Send + 'static>(
    large: bool,
    answer: Answer<T>,
    write: fn(&Answer<T>) -> String,
) -> Result<Arc<Document>, CallError> {
    let text = if large {
        tokio::task::spawn_blocking(move || write(&answer))
            .await
            .map_err(|_| CallError::new(GeniCode::ServerError, "the answer could not be written"))?
    } else {
        write(&answer)
    };
    Ok(Arc::new(Document::new(text)))
}

/// The document `write` makes of slivers.
///
/// # Errors
/// As [`written`].
pub(super) async fn slivers(
    answer: Answer<Slivers>,
    write: fn(&Answer<Slivers>) -> String,
) -> Result<Arc<Document>, CallError> {
    written(answer.value.slivers.len() > LARGE.0, answer, write).await
}

/// `[sliver, …]`.
#[must_use]
pub fn sliver_list(answer: &Answer<Slivers>) -> String {
    let slivers = &answer.value.slivers;
    success(room_for(slivers), &answer.output, |writer| write_slivers(writer, slivers))
}

/// `{geni_rspec, geni_urn, geni_slivers}`.
///
/// # Errors
/// As [`written`].
pub(super) async fn manifest(answer: Answer<Manifest>) -> Result<Arc<Document>, CallError> {
    let large = answer.value.slivers.len() > LARGE.0 || is_large_rspec(&answer.value.rspec);
    written(large, answer, |answer| {
        let Manifest { slice, rspec, slivers } = &answer.value;
        success(room_for(slivers) + room_for_rspec(rspec), &answer.output, |writer| {
            writer.structure(|writer| {
                writer.text("geni_rspec", rspec);
                writer.text("geni_urn", slice.as_str());
                writer.member("geni_slivers", |writer| write_slivers(writer, slivers));
            });
        })
    })
    .await
}

/// The member `code` of a return struct.
pub(super) fn code(writer: &mut Writer, geni_code: i32, am_code: Option<i32>) {
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

/// The return struct of a call that went well; `value` writes its value, of about so many `bytes`.
pub(super) fn success(bytes: usize, output: &str, value: impl FnOnce(&mut Writer)) -> String {
    let mut writer = Writer::response(FRAME + output.len() + bytes);
    writer.structure(|writer| {
        code(writer, 0, None);
        writer.member("value", value);
        writer.text("output", output);
    });
    writer.finish()
}

/// The return struct of a call that did not; `value` holds what would have been allowed, if that is known.
pub(super) fn failure(error: &CallError) -> String {
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

/// `[sliver, …]` as a part of an answer.
pub(super) fn write_slivers(writer: &mut Writer, entries: &[SliverEntry]) {
    let mut expires = Moment::default();
    writer.array(entries, |writer, entry| sliver(writer, entry, &mut expires));
}
