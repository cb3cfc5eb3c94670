use super::*;

fn connections(most: usize, per_address: usize, per_caller: usize) -> Arc<Connections> {
    let second = Duration::from_secs(1);
    Connections::new(&Limits {
        body: 0,
        connections: most,
        per_address,
        per_caller,
        request: second,
        idle: second,
    })
}

fn peer(n: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, n], 1))
}

/// A place, if there is one and the address may have it.
fn entered(connections: &Arc<Connections>, from: u8, now: Instant) -> Option<Guest> {
    match connections.try_enter(peer(from), now) {
        Entry::Entered(guest) => Some(guest),
        Entry::TurnedAway | Entry::Full => None,
    }
}

fn is_full(connections: &Arc<Connections>, from: u8, now: Instant) -> bool {
    matches!(connections.try_enter(peer(from), now), Entry::Full)
}

async fn caller(connections: &Arc<Connections>, from: u8, name: &str) -> Guest {
    let guest = entered(connections, from, Instant::now()).unwrap();
    guest.become_known(name).await.unwrap();
    guest
}

fn was_asked(guest: &Guest) -> bool {
    guest.seat.was_asked()
}

#[tokio::test]
async fn an_address_has_so_many_and_no_more() {
    let connections = connections(100, 5, 100);
    let mut there = Vec::new();
    for n in 0..5 {
        there.push(caller(&connections, 1, &n.to_string()).await);
    }
    let busy: Vec<Busy> = there.iter().map(Guest::busy).collect();
    assert!(entered(&connections, 1, Instant::now()).is_none());
    assert!(entered(&connections, 2, Instant::now()).is_some());
    drop(busy);
    there.pop();
    assert!(entered(&connections, 1, Instant::now()).is_some());
}

#[tokio::test]
async fn an_idle_connection_of_an_address_goes_for_a_new_one() {
    let connections = connections(100, 2, 100);
    let elsewhere = caller(&connections, 2, "alice").await;
    let there = [caller(&connections, 1, "bob").await, caller(&connections, 1, "carol").await];
    let _busy = there[0].busy();
    let _new = entered(&connections, 1, Instant::now()).unwrap();
    assert!(was_asked(&there[1]) && !was_asked(&there[0]) && !was_asked(&elsewhere));
    assert!(entered(&connections, 1, Instant::now()).is_none(), "nobody is asked twice");
}

#[tokio::test]
async fn one_address_cannot_take_all_places_of_the_unknown() {
    let connections = connections(200, 200, 200);
    let (start, share) = (Instant::now(), connections.unknown_per_address);
    assert!(share < connections.unknown && connections.unknown < 200);
    let there: Vec<Guest> = (0..share).map(|_| entered(&connections, 1, start).unwrap()).collect();
    assert!(entered(&connections, 1, start).is_none());
    assert!(!was_asked(&there[0]), "a handshake has its time");
    assert!(entered(&connections, 1, start + UNDISTURBED).is_none());
    assert!(was_asked(&there[0]) && !was_asked(&there[1]));
    assert!(entered(&connections, 2, start).is_some());
}

#[tokio::test]
async fn unknown_clients_of_many_addresses_lose_their_places_to_others() {
    let connections = connections(64, 64, 64);
    let start = Instant::now();
    let there: Vec<Guest> = (0..connections.unknown)
        .map(|n| entered(&connections, u8::try_from(n).unwrap(), start).unwrap())
        .collect();
    let served = there[0].become_known("alice").await;
    assert!(served.is_ok());
    let _more = entered(&connections, 99, start).unwrap();
    assert!(is_full(&connections, 98, start) && !there.iter().any(was_asked));
    assert!(is_full(&connections, 98, start + UNDISTURBED));
    assert!(!was_asked(&there[0]), "whoever is served is not asked in place of a stranger");
    assert!(was_asked(&there[1]));
}

// Connections are accepted in turn: a stranger who waits for a place keeps everybody waiting.
#[tokio::test]
async fn when_few_addresses_have_all_places_of_the_unknown_the_greediest_goes_at_once() {
    let connections = connections(64, 64, 64);
    let start = Instant::now();
    let lone = entered(&connections, 1, start).unwrap();
    let mut greedy = Vec::new();
    while connections.open().unknown.len() < connections.unknown {
        let from = [3, 2, 5, 3, 2][greedy.len() % 5];
        greedy.push((from, entered(&connections, from, start).unwrap()));
    }
    assert!(is_full(&connections, 4, start));
    let asked: Vec<u8> = greedy.iter().filter(|(_, guest)| was_asked(guest)).map(|(from, _)| *from).collect();
    assert_eq!(asked, [3]);
    assert!(was_asked(&greedy[0].1), "its oldest");
    greedy.remove(0);
    let next = entered(&connections, 4, start).unwrap();
    // Also for the next of their own, which would else keep the others waiting; never a lone one.
    for _ in 0..2 * connections.unknown {
        assert!(is_full(&connections, 3, start));
        greedy.retain(|(_, guest)| !was_asked(guest));
        while connections.open().unknown.len() < connections.unknown {
            greedy.push((3, entered(&connections, 3, start).unwrap()));
        }
    }
    assert!(!was_asked(&lone) && !was_asked(&next));
}

#[tokio::test]
async fn an_idle_connection_of_the_greediest_goes_when_all_places_are_taken() {
    let connections = connections(4, 4, 4);
    let first = caller(&connections, 1, "bob").await;
    let mut greedy = Vec::new();
    for n in 2..5 {
        greedy.push(caller(&connections, n, "alice").await);
    }
    let busy = greedy[0].busy();
    assert!(is_full(&connections, 9, Instant::now()));
    assert!(was_asked(&greedy[1]) && !was_asked(&greedy[0]) && !was_asked(&first));
    drop(busy);
    greedy.remove(1);
    assert!(entered(&connections, 9, Instant::now()).is_some());
}

#[tokio::test]
async fn busy_connections_are_left_alone() {
    let connections = connections(2, 2, 2);
    let there = [caller(&connections, 1, "alice").await, caller(&connections, 1, "bob").await];
    let _busy: Vec<Busy> = there.iter().map(Guest::busy).collect();
    assert!(is_full(&connections, 9, Instant::now()) && !there.iter().any(was_asked));
}

#[tokio::test]
async fn a_caller_changes_an_idle_connection_for_a_new_one() {
    let connections = connections(100, 100, 2);
    let old = caller(&connections, 1, "alice").await;
    let other = caller(&connections, 2, "alice").await;
    let _busy = other.busy();
    let new = entered(&connections, 3, Instant::now()).unwrap();
    let leaving = async {
        old.asked_to_leave().await;
        drop(old);
    };
    let (known, ()) = tokio::join!(new.become_known("alice"), leaving);
    assert_eq!(known, Ok(()));
    let _both_busy = new.busy();
    let third = entered(&connections, 4, Instant::now()).unwrap();
    assert_eq!(third.become_known("alice").await, Err(TooMany(2)));
    assert_eq!(third.become_known("bob").await, Ok(()));
}

#[tokio::test]
async fn nothing_is_left_of_connections_that_ended() {
    let connections = connections(100, 100, 100);
    for n in 0..50 {
        let guest = entered(&connections, n, Instant::now()).unwrap();
        match n % 3 {
            0 => guest.become_known("alice").await.unwrap(),
            1 => guest.become_served(),
            _ => {}
        }
    }
    let open = connections.open();
    assert!(open.addresses.is_empty() && open.unknown.is_empty() && open.known.is_empty());
    assert_eq!(open.count, 0);
}

#[tokio::test]
async fn a_connection_is_that_of_the_caller_named_last() {
    let connections = connections(100, 100, 1);
    let (first, second) =
        (entered(&connections, 1, Instant::now()), entered(&connections, 1, Instant::now()));
    let (first, second) = (first.unwrap(), second.unwrap());
    first.become_served();
    second.become_served();
    let _busy = first.busy();
    first.become_known("alice").await.unwrap();
    first.become_known("alice").await.unwrap();
    assert!(!second.try_become("alice", 1), "alice has one, which is busy");
    first.become_known("bob").await.unwrap();
    assert!(second.try_become("alice", 1));
    let callers = |connections: &Connections| {
        let open = connections.open();
        let mut names: Vec<String> = open.known.keys().cloned().collect();
        names.sort_unstable();
        names
    };
    assert_eq!(callers(&connections), ["alice", "bob"]);
    drop((first, second));
    assert!(callers(&connections).is_empty());
}

#[tokio::test]
async fn the_end_of_one_answer_is_not_the_end_of_the_next() {
    let connections = connections(100, 100, 100);
    let guest = caller(&connections, 1, "alice").await;
    let (first, second) = (guest.busy(), guest.busy());
    drop(first);
    assert!(guest.is_busy());
    drop(second);
    assert!(!guest.is_busy());
}
