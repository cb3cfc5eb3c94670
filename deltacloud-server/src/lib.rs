//! A server of the Deltacloud REST API: the API of Apache Deltacloud over any of our drivers, each under its name.
//!
//! A request's headers are read ([`params`], [`origin`]), its format chosen ([`negotiation`]), its user recognised
//! ([`auth`], [`throttle`]), only then its body read ([`body`], [`multipart`]), and then it
//! leads to one operation of the driver ([`routing`], [`collections`], [`blobs`], [`extras`]), whose result is shown
//! ([`views`], [`xml`], [`html`]) or whose error is told ([`errors`]). What a client sees is what Apache
//! Deltacloud 1.1.3 answers, less its faults; `docs/deltacloud-differences.md` lists each of them.
//!
//! Source: the Deltacloud REST API (0.3.0), and recordings of the real server.

mod asked;
pub mod auth;
mod blobs;
mod body;
mod call;
mod collections;
mod docs;
mod drawing;
mod entry;
mod error_page;
pub mod errors;
mod extras;
mod face;
mod format;
mod html;
mod listing;
pub mod multipart;
pub mod negotiation;
mod operations;
mod origin;
pub mod params;
pub mod reply;
mod routing;
mod serve;
pub mod throttle;
pub mod views;
pub mod xml;

pub use asked::{Asked, Context};
pub use entry::API_VERSION;
pub use face::{Face, NamedDriver};
pub use format::{Format, Language};
pub use serve::{ListenError, server_config};
