//! The connections of one listener: how many there may be, and which one goes when there is no room for another.

use crate::address::Address;
use crate::limits::Limits;
use crate::log_limit::LogLimit;
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tracing::info;

/// A quarter of the places is for clients nobody knows yet, half of that for one address; but not fewer than this.
const FEWEST_UNKNOWN: usize = 32;
/// So long an unknown client keeps its place even when others wait for one: a handshake over a slow line. Those of an
/// address that has more of them than any other lose theirs earlier.
const UNDISTURBED: Duration = Duration::from_secs(2);
/// How long a caller's new connection waits for one of the caller's old ones to end.
const CHANGEOVER: Duration = Duration::from_secs(1);
/// How often somebody is asked to leave while others wait.
const PRESSING: Duration = Duration::from_millis(100);

/// The caller has as many connections as one caller may have, and all of them are busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("you have {0} connections open, as many as one caller may have, and all of them are busy")]
pub struct TooMany(pub usize);

/// All connections of a listener.
///
/// No address and no caller gets all places. A connection that does nothing, and an unknown client that takes its
/// time, lose their place to one who waits.
#[derive(Debug)]
pub struct Connections {
    most: usize,
    per_address: usize,
    per_caller: usize,
    /// Of those who are not known yet, in all and from one address.
    unknown: usize,
    unknown_per_address: usize,
    open: Mutex<Open>,
    /// Somebody left, or became known.
    moved: Notify,
    /// Lines about refused strangers.
    strangers: LogLimit,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    count: usize,
    addresses: HashMap<Address, AtAddress>,
    /// The oldest first.
    unknown: BTreeMap<u64, Arc<Seat>>,
    /// By caller, the oldest first. Clients without an identity are nobody's: the empty name.
    known: HashMap<String, BTreeMap<u64, Arc<Seat>>>,
}

#[derive(Debug, Default)]
struct AtAddress {
    open: usize,
    unknown: usize,
}

/// What the listener and a connection know of each other.
#[derive(Debug)]
struct Seat {
    number: u64,
    address: Address,
    since: Instant,
    /// Answers that are under way.
    busy: AtomicUsize,
    /// It was asked to leave.
    asked: AtomicBool,
    leave: Notify,
}

impl Seat {
    fn ask_to_leave(&self) {
        self.asked.store(true, Ordering::Relaxed);
        self.leave.notify_one();
    }

    fn was_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    fn is_idle(&self) -> bool {
        self.busy.load(Ordering::Relaxed) == 0 && !self.was_asked()
    }
}

/// One connection's place, given back when it is dropped.
#[derive(Debug)]
pub struct Guest {
    connections: Arc<Connections>,
    seat: Arc<Seat>,
    /// Whose connection it is, once that is known.
    caller: Mutex<Option<String>>,
}

/// A request is being answered until this is dropped.
#[derive(Debug)]
pub struct Busy(Arc<Seat>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connections {
    /// Places for the connections of one listener.
    #[must_use]
    pub fn new(limits: &Limits) -> Arc<Self> {
        let unknown = (limits.connections / 4).max(FEWEST_UNKNOWN).min(limits.connections);
        Arc::new(Self {
            most: limits.connections,
            per_address: limits.per_address,
            per_caller: limits.per_caller,
            unknown,
            unknown_per_address: (unknown / 2).max(FEWEST_UNKNOWN / 2).min(unknown),
            open: Mutex::default(),
            moved: Notify::new(),
            strangers: LogLimit::default(),
        })
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection that was just accepted, as soon as there is one, which is seen to; `None` when its
    /// address has as many as it may have.
    pub(crate) async fn enter(self: &Arc<Self>, peer: SocketAddr) -> Option<Guest> {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            match self.try_enter(peer, Instant::now()) {
                Entry::Entered(guest) => return Some(guest),
                Entry::TurnedAway => return None,
                Entry::Full => {
                    let _ = tokio::time::timeout(PRESSING, moved).await;
                }
            }
        }
    }

    /// Takes a place if there is one; if not, somebody is asked to leave.
    fn try_enter(self: &Arc<Self>, peer: SocketAddr, now: Instant) -> Entry {
        let address = Address::from(peer.ip());
        let mut open = self.open();
        let open = &mut *open;
        let (there, unknown) = open.addresses.get(&address).map_or((0, 0), |it| (it.open, it.unknown));
        if unknown >= self.unknown_per_address {
            // The address's slowest handshake ends for the next one.
            open.slow(now, |seat| seat.address == address).into_iter().for_each(Seat::ask_to_leave);
            return self.turn_away(peer, now);
        }
        let mut leaving = None;
        if there >= self.per_address {
            // An idle connection of the address goes for this one.
            leaving = if there > unknown { open.idle(|seat| seat.address == address) } else { None };
            if leaving.is_none() {
                return self.turn_away(peer, now);
            }
        }
        let crowded = open.unknown.len() >= self.unknown;
        let full = open.count >= self.most || crowded;
        if full && leaving.is_none() {
            let idle = || if crowded { None } else { open.idle(|_| true) };
            leaving = open.slow(now, |_| true).or_else(|| open.crowding()).or_else(idle);
        }
        leaving.into_iter().for_each(Seat::ask_to_leave);
        if full {
            return Entry::Full;
        }
        let there = open.addresses.entry(address).or_default();
        there.open += 1;
        there.unknown += 1;
        open.count += 1;
        open.next += 1;
        let seat = Arc::new(Seat {
            number: open.next,
            address,
            since: now,
            busy: AtomicUsize::new(0),
            asked: AtomicBool::new(false),
            leave: Notify::new(),
        });
        open.unknown.insert(seat.number, Arc::clone(&seat));
        Entry::Entered(Guest { connections: Arc::clone(self), seat, caller: Mutex::default() })
    }

    fn turn_away(&self, peer: SocketAddr, now: Instant) -> Entry {
        if let Some(withheld) = self.strangers.admit(peer.ip(), now) {
            info!(%peer, withheld, "connection closed: its address has too many connections open");
        }
        Entry::TurnedAway
    }
}

/// What becomes of a connection that was just accepted.
#[derive(Debug)]
enum Entry {
    Entered(Guest),
    TurnedAway,
    Full,
}

impl Open {
    /// The oldest of those unknown connections that have had their time.
    fn slow(&self, now: Instant, which: impl Fn(&Seat) -> bool) -> Option<&Seat> {
        let oldest = self.unknown.values().find(|seat| which(seat) && !seat.was_asked())?;
        (now.saturating_duration_since(oldest.since) >= UNDISTURBED).then_some(oldest)
    }

    /// The oldest unknown connection of the address that has most of them, several at least. Whoever has many loses one
    /// for the next at once: else those of few addresses could hold up the accepting of everybody's connections, which
    /// goes in turn.
    fn crowding(&self) -> Option<&Seat> {
        let seats = || self.unknown.values().filter(|seat| !seat.was_asked());
        let mut counts: HashMap<Address, usize> = HashMap::new();
        for seat in seats() {
            *counts.entry(seat.address).or_default() += 1;
        }
        let (most, _) = counts.into_iter().filter(|(_, count)| *count > 1).max_by_key(|(_, count)| *count)?;
        seats().find(|seat| seat.address == most).map(Arc::as_ref)
    }

    /// The oldest idle connection of the caller who has most connections, of those that `which` admits.
    fn idle(&self, which: impl Fn(&Seat) -> bool) -> Option<&Seat> {
        let idle =
            |seats: &BTreeMap<u64, Arc<Seat>>| seats.values().any(|seat| seat.is_idle() && which(seat));
        let greediest = self.known.values().filter(|seats| idle(seats)).max_by_key(|seats| seats.len())?;
        greediest.values().find(|seat| seat.is_idle() && which(seat)).map(Arc::as_ref)
    }

    /// An address is forgotten with its last connection.
    /// Takes a seat from a caller.
    fn forget(&mut self, caller: &str, seat: u64) {
        if let Some(seats) = self.known.get_mut(caller) {
            seats.remove(&seat);
            if seats.is_empty() {
                self.known.remove(caller);
            }
        }
    }

    fn settle(&mut self, address: Address, left: bool) {
        let Some(there) = self.addresses.get_mut(&address) else { return };
        if left {
            there.open -= 1;
        } else {
            there.unknown -= 1;
        }
        if there.open == 0 {
            self.addresses.remove(&address);
        }
    }
}

impl Guest {
    /// Whether it is known whose connection this is.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.caller.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// From now on the connection is one of `caller`'s, and no longer that of another who was named before. When the
    /// caller has too many, the longest idle of them is closed for it.
    ///
    /// # Errors
    /// [`TooMany`] when all of them stay busy.
    pub async fn become_known(&self, caller: &str) -> Result<(), TooMany> {
        let connections = &self.connections;
        let deadline = tokio::time::Instant::now() + CHANGEOVER;
        loop {
            let moved = connections.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if self.try_become(caller, connections.per_caller) {
                return Ok(());
            }
            if tokio::time::timeout_at(deadline, moved).await.is_err() {
                return Err(TooMany(connections.per_caller));
            }
        }
    }

    /// From now on the connection is one of those that are served, though nobody has said whose it is.
    pub fn become_served(&self) {
        if !self.is_known() {
            self.try_become("", usize::MAX);
        }
    }

    fn try_become(&self, caller: &str, most: usize) -> bool {
        let mut open = self.connections.open();
        let mut named = self.caller.lock().unwrap_or_else(PoisonError::into_inner);
        if named.as_deref() == Some(caller) {
            return true;
        }
        if let Some(seats) = open.known.get(caller)
            && seats.len() >= most
        {
            if let Some(seat) = seats.values().find(|seat| seat.is_idle()) {
                seat.ask_to_leave();
            }
            return false;
        }
        if open.unknown.remove(&self.seat.number).is_some() {
            open.settle(self.seat.address, false);
        }
        if let Some(before) = named.replace(caller.to_owned()) {
            open.forget(&before, self.seat.number);
        }
        let seats = open.known.entry(caller.to_owned()).or_default();
        seats.insert(self.seat.number, Arc::clone(&self.seat));
        drop((open, named));
        self.connections.moved.notify_waiters();
        true
    }

    /// Returns when the place is needed for somebody else.
    pub async fn asked_to_leave(&self) {
        self.seat.leave.notified().await;
    }

    /// A request is being answered.
    #[must_use]
    pub fn busy(&self) -> Busy {
        self.seat.busy.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(&self.seat))
    }

    /// Whether a request is being answered.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.seat.busy.load(Ordering::Relaxed) > 0
    }

    /// Whether a line about a stranger at this address may be logged, with the number of those that were withheld.
    #[must_use]
    pub fn may_log(&self, peer: SocketAddr) -> Option<u64> {
        self.connections.strangers.admit(peer.ip(), Instant::now())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        let caller = self.caller.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        match caller {
            None => {
                open.unknown.remove(&self.seat.number);
                open.settle(self.seat.address, false);
            }
            Some(caller) => open.forget(&caller, self.seat.number),
        }
        open.settle(self.seat.address, true);
        open.count -= 1;
        drop(open);
        self.connections.moved.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
