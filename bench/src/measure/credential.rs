//! The credential check by itself: the first time it sees a credential, and every time after.

use super::Bench;
use crate::Failure;
use crate::baseline::Verification;
use crate::experimenter::mint;
use crate::server::{self, Lab};
use crate::targets::{Line, median};
use chrono::Utc;
use credentials::{Aggregate, Certificate, Operation, Policy, Target, TrustRoots, Verifier, authorise};
use std::hint::black_box;
use std::time::Instant;
use urn::Urn;

/// Credentials that are seen for the first time in one round.
const FRESH: usize = 200;

pub(super) fn measure(bench: &mut Bench<'_>) -> Result<(), Failure> {
    bench.say("the credential check");
    let folder = server::prepare(&bench.dir.join("credentials"), Lab { nodes: 1, capacity: 1 })?;
    let minted = mint(&folder, "c", FRESH)?;
    let root = std::fs::read_to_string(folder.path("trusted_roots/development.pem"))
        .map_err(Failure::when("the development root"))?;
    let roots = Certificate::chain_from_pem(&root).map_err(Failure::when("the development root"))?;
    let roots = TrustRoots::from_certificates(roots, &Policy::default())
        .map_err(Failure::when("the development root"))?;
    let alice = std::fs::read_to_string(folder.user("alice").join("cert.pem"))
        .map_err(Failure::when("alice's certificate"))?;
    let alice = Certificate::chain_from_pem(&alice).map_err(Failure::when("alice's certificate"))?;
    let now = Utc::now();
    let caller = roots.verify_chain(&alice, now).map_err(Failure::when("alice's certificate"))?;
    let principal = Aggregate {
        urn: Urn::parse("urn:publicid:IDN+am.localhost+authority+am").map_err(Failure::when("a URN"))?,
        operators: Vec::new(),
    };
    let targets = minted
        .iter()
        .map(|(urn, _)| Urn::parse(urn).map(Target::Slice))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Failure::when("a URN"))?;
    let bytes = minted.first().map_or("", |(_, xml)| xml);
    let verification = Verification::new(signed_info(bytes).as_bytes())?;

    let check = |verifier: &Verifier| -> Result<f64, Failure> {
        let start = Instant::now();
        for ((_, xml), target) in minted.iter().zip(&targets) {
            let verified = [verifier.verify(xml, now)];
            let granted = authorise(&verified, &caller, target, Operation::CreateSliver, &principal, now);
            black_box(granted.map_err(Failure::when("a credential"))?);
        }
        Ok(start.elapsed().as_secs_f64() * 1e6 / FRESH as f64)
    };
    let (mut first, mut again, mut bare, mut ratios) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.settings.rounds * 2 {
        let verifier = Verifier::new(fresh(&roots)?, 2 * FRESH);
        // The authority and the caller are known to a service that runs; the credential is what is new.
        if let Some((_, xml)) = mint(&folder, "known", 1)?.first() {
            verifier.verify(xml, now).map_err(Failure::when("a credential"))?;
        }
        let unknown = check(&verifier)?;
        let known = check(&verifier)?;
        let start = Instant::now();
        for (_, xml) in &minted {
            if !black_box(verification.once(xml.as_bytes())) {
                return Err(Failure::new("the baseline's signature does not verify"));
            }
        }
        let least = start.elapsed().as_secs_f64() * 1e6 / FRESH as f64;
        first.push(unknown);
        again.push(known);
        bare.push(least);
        ratios.push(unknown / least);
    }
    bench.report.line(Line::at_most(
        "credential check, first time",
        "≤ 1.5 × bare verification",
        1.5,
        median(ratios),
        format!("{:.1} µs to {:.1} µs; {} bytes", median(first), median(bare), bytes.len()),
    ));
    let again = median(again);
    bench.report.line(Line::at_most(
        "credential check, remembered",
        "≤ 20 µs",
        20.0,
        again,
        format!("{again:.1} µs with authorisation"),
    ));
    Ok(())
}

fn fresh(roots: &TrustRoots) -> Result<TrustRoots, Failure> {
    TrustRoots::from_certificates(roots.certificates().to_vec(), roots.policy())
        .map_err(Failure::when("the development root"))
}

/// The part of a credential that its signature is over.
fn signed_info(xml: &str) -> &str {
    let start = xml.find("<SignedInfo").unwrap_or(0);
    let end = xml.find("</SignedInfo>").map_or(xml.len(), |at| at + "</SignedInfo>".len());
    xml.get(start..end).unwrap_or(xml)
}
