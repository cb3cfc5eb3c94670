//! A second, plainer account of what the calls do: flat rows, states stored instead of derived, one long
//! match. It shares no code with the crate; where the two disagree, one of them is wrong.

use super::calls::{Call, Named, New, Wish};

pub(crate) const ALLOCATED_FOR: i64 = 100;
pub(crate) const PROVISIONED_FOR: i64 = 1000;
pub(crate) const LONGEST: i64 = 3000;
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub name: u32,
    pub slice: usize,
    pub link: bool,
    pub state: &'static str,
    /// Allocated or granted: label and cores.
    pub has: (u8, u32),
    /// While updating: what it becomes, or `None` if it is to go.
    pub next: Option<(u8, u32)>,
    pub ends: i64,
    pub operational: &'static str,
    /// The state to come back to after a shutdown.
    resumed: &'static str,
    on: bool,
    built: bool,
    runs: bool,
    broken: bool,
    change_to_do: bool,
}

/// Name, allocation state, next state, expiry, code of the refusal.
pub(crate) type Seen = (u32, &'static str, &'static str, Option<i64>, Option<i32>);

#[derive(Debug, Clone, Default)]
pub(crate) struct Reference {
    pub rows: Vec<Row>,
    pub shut: Vec<usize>,
    pub single_allocation: bool,
    pub single_allocate: bool,
}

fn seen(row: &Row) -> Seen {
    let next = match (row.state, row.next) {
        ("geni_provisioned", _) => "",
        ("geni_updating", None) => "geni_unallocated",
        _ => "geni_provisioned",
    };
    (row.name, row.state, next, Some(row.ends), None)
}

impl Reference {
    pub(crate) fn live(&self, slice: usize, now: i64) -> Vec<&Row> {
        let shut = self.shut.contains(&slice);
        self.rows.iter().filter(|row| row.slice == slice && (shut || row.ends > now)).collect()
    }

    /// Cores that the slice holds, expired slivers that nobody has cleared away included.
    pub(crate) fn held(&self, slice: usize) -> u64 {
        let cores = |row: &Row| {
            if row.state == "geni_updating" {
                row.has.1.max(row.next.map_or(0, |next| next.1))
            } else {
                row.has.1
            }
        };
        self.rows.iter().filter(|row| row.slice == slice).map(|row| u64::from(cores(row))).sum()
    }

    /// What is to happen, or the code of the refusal, in which case nothing did.
    pub(crate) fn call(&mut self, slice: usize, call: &Call, now: i64) -> Result<Vec<Seen>, i32> {
        let mut after = self.clone();
        let report = after.attempt(slice, call, now)?;
        *self = after;
        Ok(report)
    }

    fn drop_expired(&mut self, slice: usize, now: i64) {
        if !self.shut.contains(&slice) {
            self.rows.retain(|row| row.slice != slice || row.ends > now);
        }
    }

    fn attempt(&mut self, slice: usize, call: &Call, now: i64) -> Result<Vec<Seen>, i32> {
        self.drop_expired(slice, now);
        let by_operator = matches!(
            call,
            Call::Delete { operator: true, .. }
                | Call::Shutdown
                | Call::Restore
                | Call::Expire
                | Call::Cloud { .. }
        );
        if self.shut.contains(&slice) && !by_operator {
            return Err(3);
        }
        match call {
            Call::Allocate { new, end, credential } => {
                if new.is_empty() {
                    return Err(1);
                }
                if self.single_allocate && self.rows.iter().any(|row| row.slice == slice) {
                    return Err(13);
                }
                let report = self.add(slice, new, *end, *credential, now);
                self.labels_differ(slice)?;
                Ok(report)
            }
            Call::Provision { named, best, end, credential, work } => {
                let names = self.names(slice, named, *best, "waiting")?;
                let cap = (now + LONGEST).min(*credential);
                let end = end.filter(|end| *end > now).map(|end| end.min(cap));
                let report = self.per_sliver(&names, *best, |row| {
                    match row.state {
                        "geni_allocated" => {
                            row.ends = end.unwrap_or((now + PROVISIONED_FOR).min(cap));
                            row.state = "geni_provisioned";
                        }
                        "geni_updating" => {
                            let Some(next) = row.next.take() else { return Ok(false) };
                            row.has = next;
                            row.state = "geni_provisioned";
                            row.ends = end.unwrap_or(row.ends);
                            if *work {
                                row.change_to_do = true;
                                if row.built {
                                    row.operational = "geni_configuring";
                                }
                            }
                        }
                        _ => {}
                    }
                    Ok(true)
                })?;
                self.labels_differ(slice)?;
                Ok(report)
            }
            Call::Renew { named, until, alap, best, credential } => {
                let names = self.names(slice, named, *best, "state")?;
                self.per_sliver(&names, *best, |row| {
                    let time = if row.state == "geni_allocated" { ALLOCATED_FOR } else { LONGEST };
                    let cap = (now + time).min(*credential);
                    if *until <= now || (*until > cap && !alap) {
                        return Err(19);
                    }
                    row.ends = if *until <= cap {
                        *until
                    } else if row.ends > cap {
                        // Already later than could be given now: kept, unless less was asked for.
                        row.ends.min(*until)
                    } else {
                        cap
                    };
                    Ok(true)
                })
            }
            Call::Update { named, wishes, new, best, credential } => {
                let empty = self.rows.iter().all(|row| row.slice != slice);
                let names = match named {
                    Named::Slice if empty && new.is_empty() => return Err(1),
                    Named::Slice if empty => Vec::new(),
                    _ => self.names(slice, named, *best, "all")?,
                };
                // The one that is named last in order of names decides nothing; any stray refuses the call.
                let mut strays: Vec<u32> =
                    wishes.iter().map(|(name, _)| *name).filter(|name| !names.contains(name)).collect();
                strays.sort_by_key(|name| format!("s{name}"));
                if let Some(stray) = strays.first() {
                    let here = self.rows.iter().any(|row| row.slice == slice && row.name == *stray);
                    return Err(if here { 1 } else { 12 });
                }
                let mut report = self.per_sliver(&names, *best, |row| {
                    let wish = wishes.iter().find(|(name, _)| *name == row.name).map(|(_, wish)| *wish);
                    let next = match wish {
                        Some(Wish::Impossible) => return Err(13),
                        Some(Wish::Become(label, cores)) => Some((label, cores)),
                        None => None,
                    };
                    if row.state == "geni_allocated" {
                        let Some(next) = next else { return Ok(false) };
                        row.has = next;
                        row.ends = (now + ALLOCATED_FOR).min(*credential);
                    } else {
                        row.state = "geni_updating";
                        row.next = next;
                    }
                    Ok(true)
                })?;
                report.extend(self.add(slice, new, None, *credential, now));
                self.labels_differ(slice)?;
                Ok(report)
            }
            Call::Cancel { named, best } => {
                let names = self.names(slice, named, *best, "waiting")?;
                let report = self.per_sliver(&names, *best, |row| {
                    if row.state == "geni_updating" {
                        row.state = "geni_provisioned";
                        row.next = None;
                    }
                    Ok(row.state != "geni_allocated")
                })?;
                self.labels_differ(slice)?;
                Ok(report)
            }
            Call::Delete { named, best, .. } => {
                let names = self.names(slice, named, *best, "state")?;
                self.per_sliver(&names, *best, |_| Ok(false))
            }
            Call::Act { named, action, best } => {
                if !["geni_start", "geni_stop", "geni_restart"].contains(action) {
                    return Err(13);
                }
                let names = self.names(slice, named, *best, "free")?;
                self.per_sliver(&names, *best, |row| match (row.state, row.operational, *action) {
                    ("geni_allocated", ..) => Err(13),
                    ("geni_updating", ..) => Err(16),
                    (_, "geni_ready", "geni_start") => Ok(true),
                    (_, "geni_configuring", "geni_start") if row.on => Ok(true),
                    (_, "geni_notready", "geni_start") => {
                        (row.on, row.operational) = (true, "geni_configuring");
                        Ok(true)
                    }
                    (_, "geni_ready", "geni_stop") => {
                        (row.on, row.operational) = (false, "geni_stopping");
                        Ok(true)
                    }
                    (_, "geni_ready", "geni_restart") => {
                        row.operational = "geni_configuring";
                        Ok(true)
                    }
                    _ => Err(13),
                })
            }
            Call::Shutdown => {
                if !self.shut.contains(&slice) {
                    self.shut.push(slice);
                    for row in self.rows.iter_mut().filter(|row| row.slice == slice) {
                        row.resumed = row.operational;
                        row.operational = match row {
                            Row { built: false, .. } => "geni_pending_allocation",
                            Row { broken: true, .. } => "geni_failed",
                            Row { runs: true, .. } => "geni_stopping",
                            _ => "geni_notready",
                        };
                    }
                }
                Ok(self.all(slice))
            }
            Call::Restore => {
                if self.shut.contains(&slice) {
                    self.shut.retain(|shut| *shut != slice);
                    for row in self.rows.iter_mut().filter(|row| row.slice == slice) {
                        row.operational = row.resumed;
                    }
                    self.drop_expired(slice, now);
                }
                Ok(self.all(slice))
            }
            Call::Expire => Ok(self.all(slice)),
            Call::Cloud { fails } => {
                let shut = self.shut.contains(&slice);
                for row in self.rows.iter_mut().filter(|row| row.slice == slice) {
                    row.work(shut, *fails);
                }
                Ok(Vec::new())
            }
        }
    }

    fn all(&self, slice: usize) -> Vec<Seen> {
        self.rows.iter().filter(|row| row.slice == slice).map(seen).collect()
    }

    fn add(&mut self, slice: usize, new: &[New], end: Option<i64>, credential: i64, now: i64) -> Vec<Seen> {
        let short = (now + ALLOCATED_FOR).min(credential);
        let ends = end.filter(|end| *end > now).map_or(short, |end| end.min(short));
        new.iter()
            .map(|(name, link, label, cores)| {
                let row = Row {
                    name: *name,
                    slice,
                    link: *link,
                    state: "geni_allocated",
                    has: (*label, *cores),
                    next: None,
                    ends,
                    operational: "geni_pending_allocation",
                    resumed: "geni_pending_allocation",
                    on: false,
                    built: false,
                    runs: false,
                    broken: false,
                    change_to_do: false,
                };
                self.rows.push(row.clone());
                seen(&row)
            })
            .collect()
    }

    fn names(&self, slice: usize, named: &Named, best: bool, together: &str) -> Result<Vec<u32>, i32> {
        let here: Vec<&Row> = self.rows.iter().filter(|row| row.slice == slice).collect();
        let mut names: Vec<u32> = Vec::new();
        match named {
            Named::Slice if here.is_empty() => return Err(12),
            Named::Slice => return Ok(here.iter().map(|row| row.name).collect()),
            Named::These(list) if list.is_empty() => return Err(1),
            Named::These(list) => {
                for name in list {
                    if !names.contains(name) {
                        names.push(*name);
                    }
                }
            }
        }
        if !best && names.iter().any(|name| here.iter().all(|row| row.name != *name)) {
            return Err(12);
        }
        let left_out = here.iter().filter(|row| !names.contains(&row.name)).any(|row| match together {
            "all" => true,
            "waiting" => row.state != "geni_provisioned",
            "state" => here.iter().any(|other| names.contains(&other.name) && other.state == row.state),
            _ => false,
        });
        if self.single_allocation && left_out { Err(13) } else { Ok(names) }
    }

    /// `Ok(false)` means that the sliver goes.
    fn per_sliver(
        &mut self,
        names: &[u32],
        best: bool,
        mut call: impl FnMut(&mut Row) -> Result<bool, i32>,
    ) -> Result<Vec<Seen>, i32> {
        let mut report = Vec::new();
        for name in names {
            let Some(place) = self.rows.iter().position(|row| row.name == *name) else {
                report.push((*name, "geni_unallocated", "", None, Some(12)));
                continue;
            };
            match call(&mut self.rows[place]) {
                Ok(true) => report.push(seen(&self.rows[place])),
                Ok(false) => {
                    report.push((*name, "geni_unallocated", "", Some(self.rows[place].ends), None));
                    self.rows.remove(place);
                }
                Err(code) if best => {
                    let (name, state, next, ends, _) = seen(&self.rows[place]);
                    report.push((name, state, next, ends, Some(code)));
                }
                Err(code) => return Err(code),
            }
        }
        Ok(report)
    }

    /// No two slivers of a kind may bear one label, neither after a full Provision nor after a full Cancel.
    fn labels_differ(&self, slice: usize) -> Result<(), i32> {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.slice == slice).collect();
        let provisioned = |row: &Row| if row.state == "geni_updating" { row.next } else { Some(row.has) };
        let cancelled = |row: &Row| if row.state == "geni_allocated" { None } else { Some(row.has) };
        for (n, one) in rows.iter().enumerate() {
            for other in &rows[n + 1..] {
                let same = |a: Option<(u8, u32)>, b: Option<(u8, u32)>| match (a, b) {
                    (Some(a), Some(b)) => one.link == other.link && a.0 == b.0,
                    _ => false,
                };
                if same(provisioned(one), provisioned(other)) || same(cancelled(one), cancelled(other)) {
                    return Err(17);
                }
            }
        }
        Ok(())
    }
}

impl Row {
    /// The cloud does what there is to do for it.
    fn work(&mut self, shut: bool, fails: bool) {
        if self.state == "geni_allocated" {
            return;
        }
        if shut {
            if self.built && self.runs {
                self.runs = false;
                self.operational = "geni_notready";
                self.resumed =
                    if self.change_to_do || self.on { "geni_configuring" } else { "geni_notready" };
            }
            return;
        }
        if ["geni_notready", "geni_ready", "geni_failed"].contains(&self.operational) {
            return;
        }
        self.built = true;
        self.change_to_do = false;
        self.broken = fails;
        self.runs = self.on && !fails;
        self.operational = match (fails, self.on) {
            (true, _) => "geni_failed",
            (false, true) => "geni_ready",
            (false, false) => "geni_notready",
        };
    }
}
