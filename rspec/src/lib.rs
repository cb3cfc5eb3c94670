//! GENI RSpec version 3: the documents in which experimenters ask for nodes and links and aggregates answer.
//!
//! Requests, manifests and advertisements. The public surface:
//! [`Request`] reads what comes in, [`ManifestWriter`] and [`Advertisement`] write what goes out, [`compare`]
//! says what changed.

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
mod node;
mod reader;
mod request;
mod source;
mod xml;

pub use advertisement::{
    Action, AdDiskImage, AdInterface, AdNode, AdSliverType, Advertisement, Location, OperationalStates,
    State, Wait, WaitKind,
};
pub use canonical::{Extension, Place};
pub use error::{Position, RspecError, RspecErrorKind};
pub use frame::Frame;
pub use granted::{GrantedInterface, GrantedLink, GrantedNode, Guarantee, Host, Login, User};
pub use limits::Limits;
pub use link::{InterfaceRef, Link, LinkType, Property};
pub use manifest::ManifestWriter;
pub use node::{
    DiskImage, Execute, Install, Interface, Ip, Node, Relation, RequestedLogin, Services, SliverType,
};
pub use request::{DocumentType, Local, Request};
