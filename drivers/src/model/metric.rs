//! What is measured of instances.

use std::fmt;

use chrono::{DateTime, Utc};

named! {
    /// What is measured, by its name in the Deltacloud API.
    Measure {
        /// Part of the processors in use.
        CpuUtilization = "cpuUtilization",
        /// Requests to read from disks.
        DiskReadRequests = "diskReadRequestCount",
        /// Sectors read from disks.
        DiskReadSectors = "diskReadSector",
        /// Requests to write to disks.
        DiskWriteRequests = "diskWriteRequestCount",
        /// Sectors written to disks.
        DiskWriteSectors = "diskWriteSector",
        /// Bytes that came in over the network.
        NetworkInBytes = "nicInputByte",
        /// Packets that came in over the network.
        NetworkInPackets = "nicInputPacket",
        /// Bytes that went out over the network.
        NetworkOutBytes = "nicOutputByte",
        /// Packets that went out over the network.
        NetworkOutPackets = "nicOutputPacket",
    }
}

impl Measure {
    /// The unit of its samples.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::CpuUtilization => "Percent",
            Self::NetworkInBytes | Self::NetworkOutBytes => "Bytes",
            _ => "Count",
        }
    }
}

/// What was measured in one short span of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The least.
    pub minimum: f64,
    /// The most.
    pub maximum: f64,
    /// The mean.
    pub average: f64,
    /// When, to the second.
    pub at: DateTime<Utc>,
    /// In what it is measured, as the cloud puts it (`Percent`, `Count`, `Bytes`).
    pub unit: String,
}

/// All that is measured of one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The instance's identity.
    pub id: String,
    /// The instance's name.
    pub entity: String,
    /// Each measure with its samples, the newest first. In listings there are none.
    pub series: Vec<(Measure, Vec<Sample>)>,
}
