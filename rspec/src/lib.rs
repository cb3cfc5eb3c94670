//! GENI RSpec version 3: the documents in which experimenters ask for nodes and links and aggregates answer.
//!
//! * [`Request`] reads what comes in: requests, and manifests sent back as requests.
//! * [`ManifestWriter`] writes what was granted, [`Advertisement`] what is on offer.
//! * [`compare`] says what changed between what a sliver is and what is asked of it.
//!
//! # The idea
//! An RSpec is a small vocabulary in a sea of extensions. This crate understands the vocabulary and keeps its hands off
//! the rest: each [`Node`] and [`Link`] has typed fields for what an aggregate acts upon, and beside them its own
//! text as it stood in the document. Writing a manifest means editing that text: granted values are put
//! in at their places, and no other byte changes, so that unknown elements, attributes, comments and
//! character data come back as they were. What belongs to no sliver of ours (other aggregates' nodes and links,
//! extensions at the root) is the [`Frame`]. Nodes, links and frames turn to text that stands alone and back, so that
//! they can be kept in a database.
//!
//! A manifest may be sent back as a request (AM API v4 draft, change set C). [`Node::fragment`] and
//! [`Link::fragment`] take out again what [`ManifestWriter`] puts in and only an aggregate can know; values that
//! a request could have said as well (component, sliver type, image) stay, and [`compare`] knows that saying what was
//! granted asks for nothing new.
//!
//! # Reading
//! No document type declarations, so no entities but the five of XML; size, depth, number of elements and attributes
//! are bounded ([`Limits`]); work is linear in the size. Every error says line and column ([`RspecError`]).
//!
//! The checks of `request.xsd` and `manifest.xsd` are made by hand, in the same walk that reads the fields,
//! and the crate's tests hold them against two schema validators on generated documents. A generic validator
//! at run time would be less code, but for a request of 10,000 nodes (6.4 MB) it takes at least as long as all of
//! reading does, and it cannot say where in the document the error is. Measured with `examples/speed.rs`, release build,
//! two shared cores: raw quick-xml events 20 ms, with attributes 47 ms, the tree alone (roxmltree) 89 ms, reading in
//! all 260 ms; uppsala's parsing and validation would add 280 ms. Most of reading is building the tree and many small
//! strings; a reader that fills the fields straight from events is the way to more speed.
//!
//! ```
//! use rspec::{Limits, Request};
//! let xml = r#"<rspec xmlns="http://www.geni.net/resources/rspec/3" type="request">
//!   <node client_id="a" exclusive="perhaps"/>
//! </rspec>"#;
//! let error = Request::parse_request(xml, &Limits::default()).unwrap_err();
//! assert_eq!(error.to_string(), "line 2, column 23: node: exclusive=\"perhaps\" should be true or false");
//! ```

mod advertisement;
mod canonical;
pub mod compare;
mod edit;
mod error;
mod frame;
mod granted;
mod limits;
mod link;
mod manifest;
pub mod namespaces;
mod node;
mod reader;
mod request;
mod source;
mod volume;
mod xml;

pub use advertisement::{
    Action, AdBlockstore, AdDiskImage, AdInterface, AdNode, AdSliverType, Advertisement, Location,
    OperationalStates, State, Wait, WaitKind,
};
pub use canonical::{Extension, Place};
pub use error::{Position, RspecError, RspecErrorKind};
pub use frame::Frame;
pub use granted::{GrantedInterface, GrantedLink, GrantedNode, GrantedVolume, Guarantee, Host, Login, User};
pub use limits::Limits;
pub use link::{InterfaceRef, Link, LinkType, Property};
pub use manifest::ManifestWriter;
pub use node::{
    DiskImage, Execute, Install, Interface, Ip, Node, Relation, RequestedLogin, Services, SliverType,
};
pub use request::{DocumentType, Local, Request};
pub use volume::Volume;
