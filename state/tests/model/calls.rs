//! The calls as the reference takes them.

/// Which slivers a call names.
#[derive(Debug, Clone)]
pub(crate) enum Named {
    Slice,
    These(Vec<u32>),
}

/// What an update makes of one sliver.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wish {
    Become(u8, u32),
    Impossible,
}

/// A new sliver: name, whether a link, label, cores.
pub(crate) type New = (u32, bool, u8, u32);

#[derive(Debug, Clone)]
pub(crate) enum Call {
    Allocate {
        new: Vec<New>,
        end: Option<i64>,
        credential: i64,
    },
    Provision {
        named: Named,
        best: bool,
        end: Option<i64>,
        credential: i64,
        work: bool,
    },
    Renew {
        named: Named,
        until: i64,
        alap: bool,
        best: bool,
        credential: i64,
    },
    Update {
        named: Named,
        wishes: Vec<(u32, Wish)>,
        new: Vec<New>,
        best: bool,
        credential: i64,
    },
    Cancel {
        named: Named,
        best: bool,
    },
    Delete {
        named: Named,
        best: bool,
        operator: bool,
    },
    Act {
        named: Named,
        action: &'static str,
        best: bool,
    },
    Shutdown,
    Restore,
    Expire,
    /// The cloud finishes (or fails at) whatever it has to do for the slice.
    Cloud {
        fails: bool,
    },
}
