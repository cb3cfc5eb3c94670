//! Privileges: the names a credential grants, and the operations each name stands for.
//!
//! The table is the one that SFA and the GENI reference software share. A name that is not in it grants
//! nothing.

use urn::Kind;

/// The operations that the calls of the AM API need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// ListResources without a slice: any valid credential of the caller will do.
    ListResources,
    /// Describe (v2 ListResources of a slice).
    GetSliceResources,
    /// Status (v2 SliverStatus).
    SliverStatus,
    /// Allocate, Provision, PerformOperationalAction, Update (v2 CreateSliver).
    CreateSliver,
    /// Renew (v2 RenewSliver).
    RenewSliver,
    /// Delete, Cancel (v2 DeleteSliver); `deleteslice` grants it too.
    DeleteSliver,
    /// Shutdown.
    Shutdown,
}

impl Operation {
    /// The operation's name in the privilege table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ListResources => "listresources",
            Self::GetSliceResources => "getsliceresources",
            Self::SliverStatus => "sliverstatus",
            Self::CreateSliver => "createsliver",
            Self::RenewSliver => "renewsliver",
            Self::DeleteSliver => "deletesliver",
            Self::Shutdown => "shutdown",
        }
    }

    /// The names of which any one grants this operation.
    fn granted_by(self) -> &'static [&'static str] {
        match self {
            Self::GetSliceResources => &["getsliceresources"],
            Self::SliverStatus => &["sliverstatus"],
            Self::CreateSliver => &["createsliver"],
            Self::RenewSliver => &["renewsliver"],
            Self::DeleteSliver => &["deletesliver", "deleteslice"],
            Self::Shutdown => &["shutdown"],
            Self::ListResources => &[],
        }
    }
}

/// What a privilege stands for.
enum Grant {
    /// These operations.
    Some(&'static [&'static str]),
    /// Every operation.
    All,
}

impl Grant {
    fn of(privilege: &str) -> Self {
        Self::Some(match privilege {
            "authority" => return Self::All,
            "refresh" => &["remove", "update"],
            "resolve" => &["resolve", "list", "getcredential"],
            "sa" => &[
                "getticket",
                "redeemslice",
                "redeemticket",
                "createslice",
                "createsliver",
                "renewsliver",
                "deleteslice",
                "deletesliver",
                "updateslice",
                "getsliceresources",
                "loanresources",
                "stopslice",
                "startslice",
                "renewslice",
                "resetslice",
                "sliverstatus",
                "getgids",
                "listslices",
                "listnodes",
                "getpolicy",
            ],
            "embed" => &[
                "getticket",
                "redeemslice",
                "redeemticket",
                "createslice",
                "createsliver",
                "renewsliver",
                "deleteslice",
                "deletesliver",
                "updateslice",
                "sliverstatus",
                "getsliceresources",
                "shutdown",
            ],
            "bind" => &["getticket", "loanresources", "redeemticket"],
            "control" => &[
                "updateslice",
                "createslice",
                "createsliver",
                "renewsliver",
                "sliverstatus",
                "stopslice",
                "startslice",
                "deleteslice",
                "deletesliver",
                "resetslice",
                "getsliceresources",
                "getgids",
            ],
            "info" => &["listslices", "listnodes", "getpolicy"],
            "operator" => &["gettrustedcerts", "getgids"],
            _ => &[],
        })
    }

    fn includes(&self, operation: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(operations) => operations.contains(&operation),
        }
    }

    /// Whether everything granted here is granted by `other` too.
    fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::All, Self::Some(_)) => false,
            // A name that stands for nothing lies within no other name: it must itself be there.
            (Self::Some([]), Self::Some(_)) => false,
            (Self::Some(operations), Self::Some(_)) => {
                operations.iter().all(|operation| other.includes(operation))
            }
        }
    }
}

/// The privileges of a credential: names, each with its right to be delegated.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Privileges(Vec<(String, bool)>);

impl Privileges {
    /// Takes the names of a credential; `*` becomes what it stands for on a target of this kind.
    pub(crate) fn expand(names: impl IntoIterator<Item = (String, bool)>, target: Kind) -> Self {
        let mut expanded: Vec<(String, bool)> = Vec::new();
        let mut add = |name: &str, can_delegate: bool| {
            match expanded.iter_mut().find(|(known, _)| known == name) {
                // Said twice: the more generous reading would let a careless repetition widen rights.
                Some((_, known)) => *known &= can_delegate,
                None => expanded.push((name.to_owned(), can_delegate)),
            }
        };
        for (name, can_delegate) in names {
            if name == "*" {
                let all: &[&str] = match target {
                    Kind::Slice => &["refresh", "embed", "bind", "control", "info"],
                    Kind::User => &["refresh", "resolve", "info"],
                    Kind::Authority => &["authority", "sa"],
                    _ => &[],
                };
                all.iter().for_each(|name| add(name, can_delegate));
            } else {
                add(&name, can_delegate);
            }
        }
        Self(expanded)
    }

    /// Whether one of the privileges grants the operation. [`Operation::ListResources`] needs none.
    #[must_use]
    pub fn allows(&self, operation: Operation) -> bool {
        let wanted = operation.granted_by();
        wanted.is_empty()
            || self.0.iter().any(|(name, _)| {
                let grant = Grant::of(name);
                wanted.iter().any(|operation| grant.includes(operation))
            })
    }

    /// The privileges by name, each with whether it can be delegated; `*` is already expanded.
    pub fn iter(&self) -> impl Iterator<Item = (&str, bool)> {
        self.0.iter().map(|(name, can_delegate)| (name.as_str(), *can_delegate))
    }

    /// The first privilege of `self`, a delegated credential, that `parent` does not hand on: it must have
    /// one that grants at least as much and can be delegated.
    pub(crate) fn beyond<'a>(&'a self, parent: &Self) -> Option<&'a str> {
        self.iter().map(|(name, _)| name).find(|name| {
            let wanted = Grant::of(name);
            !parent.iter().any(|(held, can_delegate)| {
                can_delegate && (held == *name || wanted.is_within(&Grant::of(held)))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Operation; 6] = [
        Operation::GetSliceResources,
        Operation::SliverStatus,
        Operation::CreateSliver,
        Operation::RenewSliver,
        Operation::DeleteSliver,
        Operation::Shutdown,
    ];

    fn privileges(names: &[(&str, bool)], target: Kind) -> Privileges {
        Privileges::expand(names.iter().map(|(name, can)| ((*name).to_owned(), *can)), target)
    }

    #[test]
    fn each_name_grants_what_the_table_says() {
        let granted = |name: &str| -> Vec<Operation> {
            let privileges = privileges(&[(name, false)], Kind::Slice);
            ALL.into_iter().filter(|operation| privileges.allows(*operation)).collect()
        };
        assert_eq!(granted("embed"), ALL);
        assert_eq!(granted("authority"), ALL);
        assert_eq!(granted("*"), ALL);
        assert_eq!(granted("control"), ALL[..5]);
        assert_eq!(granted("sa"), ALL[..5]);
        for nothing in
            ["info", "refresh", "resolve", "bind", "operator", "createsliver", "EMBED", "", "nonsense"]
        {
            assert_eq!(granted(nothing), [], "{nothing}");
        }
    }

    #[test]
    fn the_star_depends_on_the_target() {
        let names =
            |kind| privileges(&[("*", true)], kind).iter().map(|(n, _)| n.to_owned()).collect::<Vec<_>>();
        assert_eq!(names(Kind::Slice), ["refresh", "embed", "bind", "control", "info"]);
        assert_eq!(names(Kind::User), ["refresh", "resolve", "info"]);
        assert_eq!(names(Kind::Authority), ["authority", "sa"]);
        assert!(names(Kind::Sliver).is_empty());
        assert!(!privileges(&[("*", true)], Kind::User).allows(Operation::CreateSliver));
    }

    #[test]
    fn listing_resources_needs_no_privilege() {
        assert!(Privileges::default().allows(Operation::ListResources));
        assert!(!Privileges::default().allows(Operation::SliverStatus));
    }

    #[test]
    fn delegation_needs_a_delegable_privilege_that_grants_as_much() {
        let parent = privileges(&[("embed", true), ("control", false), ("odd", true)], Kind::Slice);
        let beyond =
            |names: &[(&str, bool)]| privileges(names, Kind::Slice).beyond(&parent).map(str::to_owned);
        assert_eq!(beyond(&[("embed", true)]), None);
        assert_eq!(beyond(&[("odd", false)]), None);
        assert_eq!(beyond(&[]), None);
        assert_eq!(
            beyond(&[("control", false)]),
            Some("control".to_owned()),
            "not delegable, and wider than embed"
        );
        assert_eq!(beyond(&[("info", false)]), Some("info".to_owned()));
        assert_eq!(beyond(&[("other", false)]), Some("other".to_owned()));
        assert_eq!(beyond(&[("*", false)]), Some("refresh".to_owned()));
        let whole = privileges(&[("*", true)], Kind::Slice);
        assert_eq!(privileges(&[("*", true)], Kind::Slice).beyond(&whole), None);
        assert_eq!(privileges(&[("embed", false)], Kind::Slice).beyond(&whole), None);
    }

    #[test]
    fn a_repeated_name_keeps_the_narrower_right() {
        let twice = privileges(&[("embed", true), ("embed", false)], Kind::Slice);
        assert_eq!(twice.iter().collect::<Vec<_>>(), [("embed", false)]);
    }
}
