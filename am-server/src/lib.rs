//! A GENI aggregate manager: experimenters' tools speak the AM API to it, compute drivers make the machines.
//!
//! The way of a call, from the wire to the disk: [`api::geni`] takes it off TLS, HTTP and XML-RPC and gives its
//! arguments their types; [`aggregate`] admits it and carries it out as one transaction on the slice;
//! [`reconcile`] later makes the clouds match, step by step as [`plan`] says. [`service`] puts these together from
//! a [`config`], and [`cli`] is what an operator types.

pub mod aggregate;
pub mod api;
pub mod blocking;
pub mod cli;
pub mod clock;
pub mod cloud;
pub mod config;
pub mod development;
pub mod error;
pub mod grant;
pub mod health;
pub mod inspection;
pub mod inventory;
pub mod memory;
pub mod metrics;
pub mod placement;
pub mod plan;
pub mod reconcile;
pub mod registry;
pub mod secrets;
pub mod service;
pub mod setup;
pub mod slices;
pub mod time;
pub mod trust;
