//! What a credential costs: counted in steps, so that the same text costs the same everywhere.

use super::*;
use crate::MAX_STEPS;
use crate::common::*;
use crate::mint::document::{Level as Text, draft};

fn text() -> Text<'static> {
    Text { owner: &WORLD.alice.chain, target: &WORLD.slice, privileges: &[("*", true)], expires: expiry() }
}

/// A credential signed by `signer`, with `content` in its extensions.
fn with_content(
    content: &str,
    chain: &[Certificate],
    key: &crate::mint::KeyPair,
) -> Result<String, crate::mint::MintError> {
    let change =
        |head: &str| head.replacen("<uuid/>", &format!("<uuid/><extensions>{content}</extensions>"), 1);
    draft(&text(), "ref0").unwrap().map(change).sign(chain, key)
}

/// The verdict and its steps, with nothing known from before.
fn judged(xml: &str) -> (Result<Verified, CredentialError>, u64) {
    let meter = Meter::new(MAX_STEPS);
    let result = verify(xml, &WORLD.roots(), now(), &meter);
    (result, meter.spent())
}

#[test]
fn content_is_looked_at_only_for_those_who_may_sign() {
    let content = "<x a='1'>y</x>".repeat(5_000);
    let (good, with_right) = judged(&with_content(&content, WORLD.lab.chain(), WORLD.lab.key()).unwrap());
    assert!(good.is_ok());
    let (bad, without) = judged(&with_content(&content, &WORLD.alice.chain, &WORLD.alice.key).unwrap());
    assert!(matches!(bad, Err(CredentialError::NotASigner { .. })));
    let (strange, stranger) =
        judged(&with_content(&content, WORLD.stranger.chain(), WORLD.stranger.key()).unwrap());
    assert!(matches!(strange, Err(CredentialError::Chain { .. })));
    // To read the document takes some steps for each byte, to digest it some more.
    let least = 2 * content.len() as u64;
    assert!(without + least < with_right, "{without} {with_right}");
    assert!(stranger + least < with_right, "{stranger} {with_right}");
}

#[test]
fn a_delegated_level_is_looked_at_only_for_the_parents_owner() {
    let parent = WORLD.credential(&[("*", true)]);
    let level = Text { owner: &WORLD.bob.chain, ..text() };
    let inherited = super::tests::inherited(&parent);
    let content = "<x a='1'>y</x>".repeat(5_000);
    let signed = |chain: &[Certificate], key: &crate::mint::KeyPair| {
        let change =
            |head: &str| head.replacen("<uuid/>", &format!("<uuid/><extensions>{content}</extensions>"), 1);
        let draft = crate::mint::document::draft_over(&level, "ref9", &inherited).unwrap();
        judged(&draft.map(change).sign(chain, key).unwrap())
    };
    let (good, by_owner) = signed(&WORLD.alice.chain, &WORLD.alice.key);
    assert!(good.is_ok());
    let (bad, by_another) = signed(&WORLD.carol.chain, &WORLD.carol.key);
    assert!(matches!(bad, Err(CredentialError::NotTheOwner { .. })));
    assert!(by_another + 2 * (content.len() as u64) < by_owner, "{by_another} {by_owner}");
}

/// Twice as much of something may cost little more than twice as much, or is refused for its size.
fn grows_linearly(what: &str, content: impl Fn(usize) -> String) {
    let mut costs: Vec<u64> = Vec::new();
    for number in [500, 1000, 2000, 4000, 8000, 16000] {
        // Beyond the bounds for credentials, not even one that is minted is written.
        let Ok(xml) = with_content(&content(number), WORLD.lab.chain(), WORLD.lab.key()) else { break };
        let (result, steps) = judged(&xml);
        assert!(result.is_ok(), "{what}: {:?}", result.err());
        costs.push(steps);
    }
    assert!(costs.len() > 1, "{what}: nothing to compare");
    for pair in costs.windows(2) {
        assert!(pair[1] * 10 <= pair[0] * 22, "{what}: {costs:?}");
    }
}

#[test]
fn twice_as_much_costs_about_twice_as_much() {
    let scope = |count: usize| (0..count).map(|n| format!(" xmlns:n{n}='urn:{n}'")).collect::<String>();
    grows_linearly("text", |n| "some text &amp; more of it ".repeat(n));
    grows_linearly("data in pieces", |n| "a<![CDATA[<b>]]>".repeat(n));
    grows_linearly("comments", |n| "<!-- c -->".repeat(n));
    grows_linearly("elements", |n| "<a/>".repeat(n));
    grows_linearly("attributes", |n| "<a b='1' c='2' d='3'/>".repeat(n));
    grows_linearly("names in namespaces", |n| {
        format!("<r{}>{}</r>", scope(20), "<n19:a n0:b='1'/>".repeat(n))
    });
    grows_linearly("instructions", |n| "<?a b?>".repeat(n));
}

#[test]
fn names_times_namespaces_times_levels_are_bounded() {
    let scope: String = (0..30).map(|n| format!(" xmlns:n{n}='urn:{n}'")).collect();
    let parents = "<parent></parent>".repeat(8);
    let many = format!("<r{scope}>{parents}{}</r>", "<a/>".repeat(4_000));
    let (result, steps) = judged(&many);
    assert!(matches!(result, Err(CredentialError::TooLarge { .. })), "{:?}", result.err());
    assert_eq!(steps, many.len() as u64, "it was not even parsed");
}

#[test]
fn too_many_large_keys_end_a_verification() {
    let xml = WORLD.delegated();
    let (_, whole) = judged(&xml);
    for limit in [whole / 4, whole / 2, whole - 1_000] {
        let meter = Meter::new(limit);
        let result = verify(&xml, &WORLD.roots(), now(), &meter);
        // What stands before the last look at the meter may go beyond it by one stage.
        assert!(result.is_ok() || meter.is_exhausted(), "{limit} of {whole}");
    }
    assert!(verify(&xml, &WORLD.roots(), now(), &Meter::new(whole / 4)).is_err());
}

#[test]
fn the_deepest_delegation_stays_far_below_the_bound() {
    let mut xml = WORLD.credential(&[("*", true)]);
    for times in 1..MAX_LEVELS {
        let (from, to) = if times % 2 == 1 { (&WORLD.alice, &WORLD.bob) } else { (&WORLD.bob, &WORLD.alice) };
        let holder = (&from.chain[..], &from.key);
        xml = crate::mint::delegate(&xml, holder, &to.chain, &[("*", true)], expiry()).unwrap();
    }
    let (result, steps) = judged(&xml);
    assert!(result.is_ok());
    assert!(steps * 4 < MAX_STEPS, "{steps}");
}
