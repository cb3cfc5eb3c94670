//! One form only: a strict look at the encoding of a certificate, before it is parsed.
//!
//! The issuer signs the inner part of a certificate. The parser is generous with the outer part and with lengths, so
//! that one certificate could be written in many ways, each with a fingerprint of its own. Here every value must be in
//! DER (X.690, section 10 and 11): definite lengths in the fewest bytes, primitive strings, one form of each value.
//! The outer signatureAlgorithm must repeat the inner one byte for byte (RFC 5280, section 4.1.1.2), and the signature
//! has no unused bits. How many values and extensions there are is bounded here as well, while they are read.
//!
//! ECDSA leaves one freedom that no encoding takes away: from a signature anybody can compute its twin.

/// The most values in one certificate. Real ones have one to two hundred.
const MAX_VALUES: usize = 2000;
/// The deepest nesting. Real certificates take seven levels.
const MAX_DEPTH: usize = 24;
/// The most extensions of one certificate.
const MAX_EXTENSIONS: usize = 64;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const BIT_STRING: u8 = 0x03;
/// The tag `[3]` of the extensions.
const EXTENSIONS: u8 = 0xa3;
const CONSTRUCTED: u8 = 0x20;

/// One value: its tag, its content, and all of its bytes.
#[derive(Clone, Copy)]
struct Value<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// The outermost values of a text of DER, one after the other.
struct Values<'a>(&'a [u8]);

impl<'a> Values<'a> {
    fn next(&mut self) -> Result<Option<Value<'a>>, &'static str> {
        let whole = self.0;
        let Some((&tag, after)) = whole.split_first() else { return Ok(None) };
        if tag & 0x1f == 0x1f {
            return Err("a tag has a number that no certificate uses");
        }
        let (length, after) = length(after)?;
        let content = after.get(..length).ok_or("a value is longer than what holds it")?;
        self.0 = after.get(length..).unwrap_or_default();
        let whole = whole.get(..whole.len() - self.0.len()).unwrap_or_default();
        Ok(Some(Value { tag, content, whole }))
    }

    /// The next value, which must have this tag.
    fn expect(&mut self, tag: u8, missing: &'static str) -> Result<Value<'a>, &'static str> {
        self.next()?.filter(|value| value.tag == tag).ok_or(missing)
    }
}

/// A definite length in the fewest bytes, and what follows it.
fn length(bytes: &[u8]) -> Result<(usize, &[u8]), &'static str> {
    const NOT_SHORTEST: &str = "a length is not written in the fewest bytes";
    let (&first, after) = bytes.split_first().ok_or("a length is missing")?;
    let count = match first {
        0..=0x7f => return Ok((usize::from(first), after)),
        0x81..=0x84 => usize::from(first & 0x7f),
        _ => return Err("a length is indefinite or too long"),
    };
    let (digits, after) = after.split_at_checked(count).ok_or("a length is missing")?;
    let length = digits.iter().fold(0usize, |sum, digit| (sum << 8) | usize::from(*digit));
    if digits.first() == Some(&0) || length < 0x80 {
        return Err(NOT_SHORTEST);
    }
    Ok((length, after))
}

/// Checks a whole certificate.
///
/// # Errors
/// What is not as it must be.
pub(super) fn check_certificate(der: &[u8]) -> Result<(), &'static str> {
    check(der)?;
    let mut outermost = Values(der);
    let mut parts = Values(outermost.expect(SEQUENCE, "it is not a SEQUENCE")?.content);
    if outermost.next()?.is_some() {
        return Err("bytes follow after its end");
    }
    let signed = parts.expect(SEQUENCE, "the part that is signed is not a SEQUENCE")?;
    let outer = parts.expect(SEQUENCE, "signatureAlgorithm is not a SEQUENCE")?;
    let signature = parts.expect(BIT_STRING, "the signature is not a BIT STRING")?;
    if parts.next()?.is_some() {
        return Err("something follows its signature");
    }
    if signature.content.first() != Some(&0) {
        return Err("its signature has unused bits");
    }
    let mut inside = Values(signed.content);
    let mut inner = None;
    while let Some(value) = inside.next()? {
        if value.tag == SEQUENCE && inner.is_none() {
            inner = Some(value.whole);
        }
        if value.tag == EXTENSIONS {
            check_extensions(value.content)?;
        }
    }
    if inner != Some(outer.whole) {
        return Err("it names two different signature algorithms");
    }
    Ok(())
}

fn check_extensions(content: &[u8]) -> Result<(), &'static str> {
    let mut list = Values(Values(content).expect(SEQUENCE, "its extensions are not a SEQUENCE")?.content);
    let mut count = 0;
    while list.next()?.is_some() {
        count += 1;
        if count > MAX_EXTENSIONS {
            return Err("it has more than 64 extensions");
        }
    }
    Ok(())
}

/// Checks every value in some bytes of DER, at any depth.
///
/// # Errors
/// What is not DER, or more of it than any certificate has.
pub(super) fn check(der: &[u8]) -> Result<(), &'static str> {
    let mut open = vec![Values(der)];
    let mut count = 0;
    while let Some(level) = open.last_mut() {
        let Some(value) = level.next()? else {
            open.pop();
            continue;
        };
        count += 1;
        if count > MAX_VALUES {
            return Err("it holds more than 2000 values");
        }
        check_value(&value)?;
        if value.tag & CONSTRUCTED != 0 {
            if open.len() == MAX_DEPTH {
                return Err("it is nested too deeply");
            }
            open.push(Values(value.content));
        }
    }
    Ok(())
}

/// Checks what X.690 says of one value beyond its length.
fn check_value(value: &Value<'_>) -> Result<(), &'static str> {
    let content = value.content;
    match (value.tag, content) {
        // Other classes than the universal one say nothing of their content.
        (0x40.., _) | (SEQUENCE | SET, _) => Ok(()),
        (0x10 | 0x11, _) => Err("a SEQUENCE or SET is primitive"),
        (0x20.., _) => Err("a string is written in pieces"),
        (0x00, _) => Err("an end-of-contents mark stands where no length is indefinite"),
        (0x01, [0x00 | 0xff]) => Ok(()),
        (0x01, _) => Err("a BOOLEAN is neither 00 nor FF"),
        (0x02 | 0x0a, []) => Err("an INTEGER is empty"),
        (0x02 | 0x0a, [0x00, next, ..]) if *next < 0x80 => Err("an INTEGER has a byte too many"),
        (0x02 | 0x0a, [0xff, next, ..]) if *next >= 0x80 => Err("an INTEGER has a byte too many"),
        (BIT_STRING, [unused, bits @ ..]) => {
            let padding = match (unused, bits.last()) {
                (0, _) => 0,
                (1..=7, Some(last)) => last & ((1 << unused) - 1),
                _ => return Err("a BIT STRING has a wrong count of unused bits"),
            };
            if padding == 0 { Ok(()) } else { Err("a BIT STRING has unused bits that are not zero") }
        }
        (BIT_STRING, []) => Err("a BIT STRING is empty"),
        (0x05, [_, ..]) => Err("a NULL has content"),
        (0x06, _) => check_identifier(content),
        _ => Ok(()),
    }
}

/// An object identifier: each arc in the fewest bytes, the last one complete. Arcs may have any number of bits.
fn check_identifier(content: &[u8]) -> Result<(), &'static str> {
    if content.last().is_none_or(|last| *last >= 0x80) {
        return Err("an OBJECT IDENTIFIER is cut off");
    }
    let mut starts = true;
    for byte in content {
        if starts && *byte == 0x80 {
            return Err("an OBJECT IDENTIFIER has a byte too many");
        }
        starts = *byte < 0x80;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_of_each_value() {
        for good in [
            &[0x02, 0x01, 0x00][..],
            &[0x02, 0x02, 0x00, 0x80],
            &[0x01, 0x01, 0xff],
            &[0x03, 0x02, 0x05, 0xa0],
            &[0x03, 0x01, 0x00],
            &[0x05, 0x00],
            &[0x30, 0x03, 0x02, 0x01, 0x05],
            &[0xa0, 0x03, 0x02, 0x01, 0x02],
            // 2.25.305821105408246119474742976030998643995
            &[
                0x06, 0x14, 0x69, 0x83, 0xcc, 0x93, 0x80, 0xa8, 0x98, 0xcc, 0xa8, 0xc7, 0xbd, 0xb1, 0xa7,
                0x80, 0x80, 0xaa, 0xae, 0xd7, 0x8a, 0x1b,
            ],
        ] {
            assert_eq!(check(good), Ok(()), "{good:x?}");
        }
        for bad in [
            &[0x02, 0x81, 0x01, 0x00][..],
            &[0x02, 0x02, 0x00, 0x7f],
            &[0x02, 0x02, 0xff, 0x80],
            &[0x02, 0x00],
            &[0x01, 0x01, 0x01],
            &[0x03, 0x00],
            &[0x03, 0x01, 0x01],
            &[0x03, 0x02, 0x05, 0xa1],
            &[0x03, 0x02, 0x08, 0xa0],
            &[0x05, 0x01, 0x00],
            &[0x06, 0x00],
            &[0x06, 0x02, 0x2a, 0x86],
            &[0x06, 0x03, 0x2a, 0x80, 0x01],
            &[0x10, 0x00],
            &[0x24, 0x03, 0x04, 0x01, 0x00],
            &[0x30, 0x80, 0x00, 0x00],
            &[0x30, 0x04, 0x02, 0x01, 0x05],
            &[0x1f, 0x01, 0x00],
            &[0x30],
            &[0x30, 0x82, 0x01],
        ] {
            assert!(check(bad).is_err(), "{bad:x?}");
        }
    }

    #[test]
    fn depth_and_number_are_bounded() {
        let nested = |depth: usize| {
            (0..depth).fold(Vec::new(), |inner, _| {
                let mut outer = vec![0x30, u8::try_from(inner.len()).unwrap()];
                outer.extend(inner);
                outer
            })
        };
        assert!(check(&nested(20)).is_ok());
        assert!(check(&nested(40)).is_err());
        assert!(check(&[0x05, 0x00].repeat(MAX_VALUES)).is_ok());
        assert!(check(&[0x05, 0x00].repeat(MAX_VALUES + 1)).is_err());
    }
}
