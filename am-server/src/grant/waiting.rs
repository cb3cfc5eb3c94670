//! What a sliver waits for that the experimenter can do nothing about: a driver that does not answer.
//!
//! It is told as it is at that moment and not stored: the moment of the next attempt changes with every attempt, and
//! thousands of slivers may wait for one driver.

use super::Grant;
use super::instance::InstanceDetail;
use crate::cloud::Cloud;
use state::{ResourceKind, Sliver};

/// What the text for people begins with while a cloud does not do as asked.
pub const WAITING: &str = "waiting for the cloud";

/// What is to be said of a sliver that is not yet as it should be while a driver that has to do with it is left
/// alone: which driver, since when, why, and when it is tried again.
#[must_use]
pub fn waits_for(clouds: &[Cloud], sliver: &Sliver) -> Option<String> {
    let outages: Vec<_> =
        clouds.iter().filter_map(|cloud| Some((&cloud.name, cloud.breaker.outage()?))).collect();
    // Nearly always there is none, and then nothing is read.
    if outages.is_empty() || sliver.resource != ResourceKind::Node || sliver.is_settled() {
        return None;
    }
    let granted = match Grant::of(sliver.granted()?) {
        Ok(Grant::Node(grant)) => grant.driver,
        _ => return None,
    };
    let noted = InstanceDetail::of(sliver).map(|noted| noted.built.driver);
    let (driver, outage) =
        outages.into_iter().find(|(name, _)| **name == granted || noted.as_ref() == Some(name))?;
    Some(format!("{WAITING}: driver {driver} {outage}"))
}
