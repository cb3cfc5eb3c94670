//! Handing a credential on.

use super::document::{self, Inherited, Level};
use super::{KeyPair, MintError};
use crate::credential::{MAX_LEVELS, check_delegation, elements, read};
use crate::document::{self as xml, XML, children_in, exactly_one, tag};
use crate::effort::Meter;
use crate::known::Known;
use crate::signature::DS;
use crate::{Certificate, CredentialError};
use chrono::{DateTime, Utc};
use roxmltree::Node;

/// Hands a credential on: its owner, with certificate chain and key, signs one for `to` (leaf first) on the
/// same target. The parent goes into the new credential unchanged, with its signatures, which are not
/// verified here.
///
/// # Errors
/// [`MintError`]: the parent cannot be read, does not belong to the holder, or does not allow this: a
/// privilege that it does not let be delegated, a later end, too many levels.
pub fn delegate(
    parent: &str,
    holder: (&[Certificate], &KeyPair),
    to: &[Certificate],
    privileges: &[(&str, bool)],
    expires: DateTime<Utc>,
) -> Result<String, MintError> {
    let (chain, key) = holder;
    let meter = Meter::unlimited();
    let parsed = xml::parse(parent, &meter)?;
    let root = parsed.root_element();
    let levels = elements(root)?;
    if levels.len() >= MAX_LEVELS {
        return Err(MintError::Refused(format!(
            "the credential has been delegated {} times; once more would be too often",
            levels.len() - 1
        )));
    }
    let Some((level, element)) = levels.first().copied() else {
        return Err(MintError::Refused("there is no credential to delegate".into()));
    };
    let held = read(level, element, &Known::new(), &meter)?;
    let own = chain.first().filter(|own| own.urn() == Some(&held.owner_urn));
    if own.is_none_or(|own| {
        own.spki_der() != key.spki_der()
            || held.owner.first().is_none_or(|owner| owner.spki_der() != own.spki_der())
    }) {
        return Err(MintError::Refused(format!(
            "the credential belongs to {}; only that certificate and key can delegate it",
            held.owner_urn
        )));
    }

    let source = parsed.input_text();
    let text = |node: Node<'_, '_>| source.get(node.range()).unwrap_or_default();
    let list = exactly_one(root, "signatures").map_err(CredentialError::NotACredential)?;
    let inherited = Inherited {
        root: tag(text(root)),
        credential: text(element),
        signatures: tag(text(list)),
        signature: children_in(list, Some(DS), "Signature").map(text).collect(),
    };
    if inherited.signature.len() != levels.len() {
        return Err(MintError::Refused("the credential is not signed at each of its levels".into()));
    }
    let new = Level { owner: to, target: &held.target, privileges, expires };
    let draft = document::draft_over(&new, &free_id(&parsed), &inherited)?;
    check(&draft.unsigned())?;
    draft.sign(chain, key)
}

/// Reads the new credential as a verifier will, and refuses what the verifier would refuse.
fn check(unsigned: &str) -> Result<(), MintError> {
    let meter = Meter::unlimited();
    let parsed = xml::parse(unsigned, &meter)?;
    let levels = elements(parsed.root_element())?;
    if let [(outer, child), (inner, parent), ..] = levels[..] {
        let known = Known::new();
        check_delegation(&read(outer, child, &known, &meter)?, &read(inner, parent, &known, &meter)?)?;
    }
    Ok(())
}

/// An `xml:id` that neither an element nor a signature of the document uses.
fn free_id(document: &roxmltree::Document<'_>) -> String {
    let taken = |id: &str| document.descendants().any(|node| node.attribute((XML, "id")) == Some(id));
    let mut number = 0usize;
    loop {
        let id = format!("ref{number}");
        if !taken(&id) && !taken(&format!("Sig_{id}")) {
            return id;
        }
        number += 1;
    }
}
