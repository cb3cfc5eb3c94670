//! Between values and rows.

use crate::machine::{Departure, Transition};
use crate::operational::{Instance, Operational, Power, Revision};
use crate::sliver::{Allocation, AllocationStatus, Configuration, Pending, ResourceKind, Sliver};
use crate::store::{RosterEntry, StoreError};
use chrono::{DateTime, Utc};
use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::sync::Arc;
use urn::Urn;

/// The most bytes of a damaged row's name that are shown.
const LONGEST_NAME: usize = 300;

/// A transition as rows.
pub(super) struct Rows {
    pub(super) slice: Urn,
    pub(super) expected: u64,
    pub(super) uuid: Option<String>,
    pub(super) created: i64,
    pub(super) shutdown: Option<(String, i64)>,
    pub(super) is_gone: bool,
    pub(super) slivers: Vec<SliverRow>,
    pub(super) departed: Vec<DepartedRow>,
    pub(super) added_frames: Vec<(u32, String)>,
    pub(super) dropped_frames: Vec<u32>,
    pub(super) held: BTreeMap<String, i64>,
    pub(super) at: i64,
}

pub(super) struct SliverRow {
    pub(super) urn: Urn,
    pub(super) resource: &'static str,
    pub(super) created: i64,
    pub(super) creator: String,
    pub(super) expires: i64,
    pub(super) allocation: &'static str,
    pub(super) operational: &'static str,
    pub(super) settled: bool,
    pub(super) suspended: bool,
    pub(super) power: &'static str,
    pub(super) wanted: String,
    pub(super) configuration: String,
    pub(super) pending: Option<String>,
    pub(super) instance: Option<String>,
    pub(super) error: Option<String>,
}

pub(super) struct DepartedRow {
    pub(super) urn: Urn,
    pub(super) resource: &'static str,
    pub(super) created: i64,
    pub(super) creator: String,
    pub(super) cause: &'static str,
    pub(super) configuration: Option<String>,
    pub(super) instance: Option<String>,
}

impl Rows {
    pub(super) fn of(transition: &Transition) -> Result<Self, StoreError> {
        let slice = &transition.slice;
        let changed: std::collections::HashSet<&Urn> = transition.changed.iter().collect();
        let slivers = slice
            .slivers
            .iter()
            .filter(|sliver| changed.contains(&sliver.urn))
            .map(SliverRow::of)
            .collect::<Result<_, _>>()?;
        Ok(Self {
            slice: slice.urn.clone(),
            expected: slice.version,
            uuid: slice.uuid.clone(),
            created: slice.created.timestamp(),
            shutdown: slice.shutdown.as_ref().map(|stop| (stop.by.to_string(), stop.at.timestamp())),
            is_gone: slice.is_gone(),
            slivers,
            departed: transition.departed.iter().map(DepartedRow::of).collect::<Result<_, _>>()?,
            added_frames: transition
                .added_frames
                .iter()
                .filter_map(|number| slice.frame(*number))
                .map(|frame| (frame.number, frame.document.clone()))
                .collect(),
            dropped_frames: transition.dropped_frames.clone(),
            held: transition.held.clone(),
            at: transition.at.timestamp(),
        })
    }
}

impl SliverRow {
    fn of(sliver: &Sliver) -> Result<Self, StoreError> {
        let (configuration, pending) = match &sliver.allocation {
            Allocation::Allocated(only) | Allocation::Provisioned(only) => (only, None),
            Allocation::Updating { granted, pending } => (granted, Some(pending)),
        };
        Ok(Self {
            urn: sliver.urn.clone(),
            resource: sliver.resource.as_str(),
            created: sliver.created.timestamp(),
            creator: sliver.creator.to_string(),
            expires: sliver.expires.timestamp(),
            allocation: sliver.status().as_str(),
            operational: sliver.operational().as_str(),
            settled: sliver.is_settled(),
            suspended: sliver.suspended,
            power: sliver.power.as_str(),
            wanted: to_json(&sliver.wanted)?,
            configuration: to_json(configuration)?,
            pending: pending.map(to_json).transpose()?,
            instance: sliver.instance.as_ref().map(to_json).transpose()?,
            error: sliver.error.clone(),
        })
    }
}

impl DepartedRow {
    fn of(departure: &Departure) -> Result<Self, StoreError> {
        let sliver = &departure.sliver;
        // What was merely allocated was never built, so nothing has to be cleared away.
        let granted = sliver.granted();
        Ok(Self {
            urn: sliver.urn.clone(),
            resource: sliver.resource.as_str(),
            created: sliver.created.timestamp(),
            creator: sliver.creator.to_string(),
            cause: departure.cause.as_str(),
            configuration: granted.map(to_json).transpose()?,
            instance: granted.and(sliver.instance.as_ref()).map(to_json).transpose()?,
        })
    }
}

/// All slivers; [`sliver`] and the readers of parts of it know the columns. Those of a slice that is missing are there,
/// too: nothing that exists may be overlooked.
pub(super) const SLIVERS: &str = "SELECT slivers.key, slivers.slice, slices.urn, slivers.urn, resource, \
     slivers.created, creator, expires, allocation, operational, suspended, power, wanted, configuration, pending, \
     instance, error FROM slivers LEFT JOIN slices ON slices.key = slivers.slice";

/// The sliver in a row of [`SLIVERS`].
pub(super) fn sliver(row: &Row<'_>) -> Result<Sliver, StoreError> {
    let configuration: Arc<Configuration> = json(row, 13, "configuration")?;
    let allocation = match status(row, 8)? {
        AllocationStatus::Allocated => Allocation::Allocated(configuration),
        AllocationStatus::Provisioned => Allocation::Provisioned(configuration),
        AllocationStatus::Updating => {
            let pending: Pending = json(row, 14, "pending change")?;
            Allocation::Updating { granted: configuration, pending }
        }
        AllocationStatus::Unallocated => return Err(StoreError::Corrupt { what: "allocation state" }),
    };
    let power: String = value(row, 11, "power")?;
    Ok(Sliver {
        urn: urn_of_key(row, 3, 0)?,
        resource: resource(row, 4)?,
        created: time(row, 5)?,
        creator: urn(row, 6)?,
        expires: time(row, 7)?,
        allocation,
        suspended: value(row, 10, "suspension")?,
        power: match power.as_str() {
            "stopped" => Power::Stopped,
            "running" => Power::Running,
            _ => return Err(StoreError::Corrupt { what: "power" }),
        },
        wanted: json::<Revision>(row, 12, "revision")?,
        instance: optional_json::<Instance>(row, 15, "instance")?,
        error: value(row, 16, "error")?,
    })
}

/// The sliver in a row of [`SLIVERS`] at a glance.
pub(super) fn roster_entry(row: &Row<'_>) -> Result<RosterEntry, StoreError> {
    Ok(RosterEntry {
        slice: urn(row, 2)?,
        sliver: urn_of_key(row, 3, 0)?,
        resource: resource(row, 4)?,
        created: time(row, 5)?,
        creator: urn(row, 6)?,
        expires: time(row, 7)?,
        status: status(row, 8)?,
        operational: operational(row, 9)?,
    })
}

/// A value of a type that SQLite knows.
pub(super) fn value<T: FromSql>(row: &Row<'_>, column: usize, what: &'static str) -> Result<T, StoreError> {
    row.get(column).map_err(|_| StoreError::Corrupt { what })
}

/// A text for people to recognise a row by, however damaged it is.
pub(super) fn as_text(row: &Row<'_>, column: usize) -> String {
    match row.get_ref(column) {
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => {
            String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_NAME)]).into_owned()
        }
        Ok(ValueRef::Integer(number)) => number.to_string(),
        _ => String::new(),
    }
}

pub(super) fn urn(row: &Row<'_>, column: usize) -> Result<Urn, StoreError> {
    let text: String = value(row, column, "URN")?;
    Urn::parse(&text).map_err(|_| StoreError::Corrupt { what: "URN" })
}

/// A URN whose folded form stands in another column: it is what the row is found by.
pub(super) fn urn_of_key(row: &Row<'_>, column: usize, key: usize) -> Result<Urn, StoreError> {
    let (urn, key) = (urn(row, column)?, value::<String>(row, key, "key")?);
    if urn.key() == key { Ok(urn) } else { Err(StoreError::Corrupt { what: "key" }) }
}

pub(super) fn time(row: &Row<'_>, column: usize) -> Result<DateTime<Utc>, StoreError> {
    DateTime::from_timestamp(value(row, column, "time")?, 0).ok_or(StoreError::Corrupt { what: "time" })
}

pub(super) fn resource(row: &Row<'_>, column: usize) -> Result<ResourceKind, StoreError> {
    let text: String = value(row, column, "resource")?;
    [ResourceKind::Node, ResourceKind::Link]
        .into_iter()
        .find(|kind| kind.as_str() == text)
        .ok_or(StoreError::Corrupt { what: "resource" })
}

pub(super) fn status(row: &Row<'_>, column: usize) -> Result<AllocationStatus, StoreError> {
    let text: String = value(row, column, "allocation state")?;
    AllocationStatus::from_name(&text).ok_or(StoreError::Corrupt { what: "allocation state" })
}

pub(super) fn operational(row: &Row<'_>, column: usize) -> Result<Operational, StoreError> {
    let text: String = value(row, column, "operational state")?;
    Operational::from_name(&text).ok_or(StoreError::Corrupt { what: "operational state" })
}

pub(super) fn count(row: &Row<'_>, column: usize) -> Result<u64, StoreError> {
    u64::try_from(value::<i64>(row, column, "count")?).map_err(|_| StoreError::Corrupt { what: "count" })
}

pub(super) fn json<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
    what: &'static str,
) -> Result<T, StoreError> {
    optional_json(row, column, what)?.ok_or(StoreError::Corrupt { what })
}

pub(super) fn optional_json<T: DeserializeOwned>(
    row: &Row<'_>,
    column: usize,
    what: &'static str,
) -> Result<Option<T>, StoreError> {
    let unreadable = StoreError::Corrupt { what };
    let Ok(Ok(text)) = row.get_ref(column).map(|value| value.as_str_or_null()) else {
        return Err(unreadable);
    };
    let Some(text) = text else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|_| StoreError::Corrupt { what })
}

pub(super) fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::Database(format!("a value cannot be written as JSON: {error}")))
}
