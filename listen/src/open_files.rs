//! How many files the process may have open: every connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are open besides connections of clients: the database, the drivers' connections, what the libraries need.
pub const BESIDES: usize = 256;

/// Makes room for `wanted` open files, as far as the system lets us, and gives the number there may be now.
///
/// The soft limit, often 1024, is the process's own to raise; the hard limit is the operator's (`LimitNOFILE=` in a
/// systemd unit, `ulimit -Hn` in a shell).
#[must_use]
pub fn make_room_for(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = u64::try_from(wanted).unwrap_or(u64::MAX);
    let now = match limit.current {
        Some(current) if current < wanted => {
            let raised = limit.maximum.map_or(wanted, |maximum| wanted.min(maximum));
            let set = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum });
            if set.is_ok() { Some(raised) } else { Some(current) }
        }
        current => current,
    };
    now.map_or(usize::MAX, |now| usize::try_from(now).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_and_never_lowered() {
        let before = getrlimit(Resource::Nofile).current;
        assert!(make_room_for(1) >= 1);
        assert_eq!(getrlimit(Resource::Nofile).current, before);
        let Some(before) = before else { return };
        let there_is = make_room_for(usize::try_from(before).unwrap() + 1);
        let now = getrlimit(Resource::Nofile);
        assert_eq!(u64::try_from(there_is).ok(), now.current);
        assert!(now.current == now.maximum || now.current == Some(before + 1));
    }
}
