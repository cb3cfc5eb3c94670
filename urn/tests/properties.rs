//! What must hold for every text, not just for the examples.

use proptest::prelude::*;
use urn::{Authority, Urn, from_urn_text, to_urn_text};

fn component() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9][a-zA-Z0-9.-]{0,8}"
}

fn authority() -> impl Strategy<Value = String> {
    prop::collection::vec(component(), 1..4).prop_map(|parts| parts.join(":"))
}

fn flip(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect()
}

proptest! {
    #[test]
    fn parsing_never_panics(text in any::<String>()) {
        let _ = Urn::parse(&text);
        let _ = Authority::parse(&text);
    }

    #[test]
    fn near_urns_never_panic_and_keep_their_text(tail in "\\PC{0,40}") {
        let text = format!("urn:publicid:IDN+{tail}");
        if let Ok(urn) = Urn::parse(&text) {
            prop_assert_eq!(urn.as_str(), &text);
            let (authority, kind, name) = (urn.authority(), urn.kind_str(), urn.name());
            prop_assert_eq!(format!("urn:publicid:IDN+{authority}+{kind}+{name}"), text);
            prop_assert_eq!(Urn::parse(urn.key()).unwrap(), urn);
        }
    }

    #[test]
    fn what_is_not_seen_is_in_no_urn(text in any::<String>(), hidden in "[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]") {
        let escaped: String = hidden.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for name in [format!("{text}{hidden}"), format!("x{escaped}{text}")] {
            let urn = format!("urn:publicid:IDN+a+user+{name}");
            prop_assert!(Urn::parse(&urn).is_err(), "{:?}", urn);
        }
        let authority = format!("a{hidden}");
        prop_assert!(Authority::parse(&authority).is_err());
    }

    #[test]
    fn slices_are_the_same_in_any_case(authority in authority(), name in "[a-z0-9]{1,19}") {
        let text = format!("urn:publicid:IDN+{authority}+slice+{name}");
        let other = format!("urn:publicid:IDN+{}+slice+{}", flip(&authority), flip(&name));
        prop_assert_eq!(Urn::parse_slice(&text).unwrap(), Urn::parse_slice(&other).unwrap());
    }

    #[test]
    fn slivers_are_only_the_same_exactly(a in "[a-zA-Z0-9]{1,6}", b in "[a-zA-Z0-9]{1,6}") {
        let of = |name: &str| Urn::parse(&format!("urn:publicid:IDN+x+sliver+{name}")).unwrap();
        prop_assert_eq!(of(&a) == of(&b), a == b);
    }

    #[test]
    fn an_authority_covers_itself_and_what_is_below_only(parent in authority(), child in component()) {
        let above = Authority::parse(&parent).unwrap();
        let below = Authority::parse(&format!("{parent}:{child}")).unwrap();
        let beside = Authority::parse(&format!("{parent}{child}")).unwrap();
        prop_assert!(above.covers(&above) && above.covers(&below));
        prop_assert!(!below.covers(&above) && !above.covers(&beside));
    }

    #[test]
    fn transcribed_text_comes_back(text in "[a-zA-Z0-9+:/;'?#%é-]{0,20}") {
        prop_assert_eq!(from_urn_text(&to_urn_text(&text)), text);
    }

    #[test]
    fn transcribed_text_fits_a_urn(text in "[a-zA-Z0-9+:/;'?#% ]{1,20}") {
        prop_assume!(!text.trim().is_empty());
        let urn = format!("urn:publicid:IDN+a+node+{}", to_urn_text(&text));
        prop_assert!(Urn::parse(&urn).is_ok());
    }
}
