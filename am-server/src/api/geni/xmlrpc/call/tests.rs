use super::*;
use dxr::MethodCall;
use proptest::prelude::*;
use std::borrow::Cow;

const CALL: &str = "<methodCall><methodName>Status</methodName><params><param><value>x</value></param></params></methodCall>";

fn one(value: &str) -> Result<Value, Fault> {
    let text =
        format!("<methodCall><methodName>a</methodName><params><param>{value}</param></params></methodCall>");
    decode(text.as_bytes()).map(|(_, mut parameters)| parameters.remove(0))
}

fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

#[test]
fn a_call_is_read() {
    let (name, params) = decode(format!("\u{feff}<?xml version='1.0'?>\n{CALL}\n").as_bytes()).unwrap();
    assert_eq!(name, "Status");
    assert_eq!(params, vec![string("x")]);
    assert!(decode(format!("<!-- hello -->{CALL}<!-- bye -->").as_bytes()).is_ok());
    let quoting = CALL.replace("x</value>", "<![CDATA[</methodCall>]]></value>");
    assert_eq!(decode(quoting.as_bytes()).unwrap().1, vec![string("</methodCall>")]);
    for none in ["<params/>", "<params></params>", "", " <params>\n</params> <!-- -->"] {
        let text = format!("<methodCall> <methodName>a</methodName>{none}</methodCall>");
        assert_eq!(decode(text.as_bytes()).unwrap(), ("a".to_owned(), vec![]));
    }
}

#[test]
fn every_type_is_read() {
    for (text, value) in [
        ("<value/>", string("")),
        ("<value></value>", string("")),
        ("<value> x </value>", string(" x ")),
        ("<value>  </value>", string("  ")),
        ("<value><string/></value>", string("")),
        ("<value>\n <string> a&lt;b&#62;&amp;&#xe4; </string>\n</value>", string(" a<b>&\u{e4} ")),
        ("<value><!-- c --><string>a<!-- c -->b</string></value>", string("ab")),
        ("<value><![CDATA[<&amp;]]>&amp;x</value>", string("<&amp;&x")),
        ("<value><string>a\r\nb\rc&#13;d</string></value>", string("a\nb\nc\rd")),
        ("<value><int> -7 </int></value>", Value::Integer(-7)),
        ("<value><i4>+7</i4></value>", Value::Integer(7)),
        ("<value><i8>5000000000</i8></value>", Value::Long(5_000_000_000)),
        ("<value><double>-1.5</double></value>", Value::Double(-1.5)),
        ("<value><boolean>1</boolean></value>", Value::Boolean(true)),
        ("<value><boolean>0</boolean></value>", Value::Boolean(false)),
        ("<value><base64> aGV\nsbG8= </base64></value>", Value::Base64(b"hello".to_vec())),
        ("<value><nil/></value>", Value::Nil),
        ("<value><array><data/></array></value>", Value::Array(vec![])),
        (
            "<value><array><data><value/><value><i4>1</i4></value></data></array></value>",
            Value::Array(vec![string(""), Value::Integer(1)]),
        ),
        ("<value><struct/></value>", Value::Struct(BTreeMap::new())),
        (
            "<value><struct>\n<member><value><nil></nil></value><name>a &amp; b</name></member>\n</struct></value>",
            Value::Struct([("a & b".to_owned(), Value::Nil)].into()),
        ),
    ] {
        assert_eq!(one(text).unwrap_or_else(|fault| panic!("{text}: {fault}")), value, "{text}");
    }
    let date = one("<value><dateTime.iso8601>20300131T12:00:00</dateTime.iso8601></value>").unwrap();
    assert!(matches!(date, Value::DateTime(date) if (date.year(), date.hour()) == (2030, 12)));
}

#[test]
fn what_is_no_call_is_a_fault_that_quotes_nothing() {
    for bad in [
        "",
        " ",
        "hello",
        "<a/>",
        "<methodCall>",
        "<methodCall/>",
        "<methodCall></methodCall>",
        "<methodCall><params/></methodCall>",
        "<methodResponse><params/></methodResponse>",
        &CALL[..60],
        &format!("{CALL}junk"),
        &format!("{CALL}{CALL}"),
        &format!("{CALL}<![CDATA[ ]]>"),
        &format!("x{CALL}"),
        &CALL.replace("x</value>", "\u{1}</value>"),
        &CALL.replace("<params>", "junk<params>"),
        &CALL.replace("<params>", "<params/><params>"),
        &CALL.replace("<params>", "<methodName>Status</methodName><params>"),
        &CALL.replace("</param>", "<value/></param>"),
        &CALL.replace("<param>", "<param><a>"),
    ] {
        let fault = decode(bad.as_bytes()).unwrap_err();
        assert_eq!(fault.code(), -32700, "{bad}");
        assert!(!fault.to_string().contains("Status"), "{fault}");
    }
    assert!(decode(b"\xff\xfe").is_err());
}

#[test]
fn what_is_no_value_is_a_fault() {
    for bad in [
        "",
        "x",
        "<int>1</int>",
        "<value>a<i4>1</i4></value>",
        "<value><i4>1</i4>a</value>",
        "<value><i4>1</i4><i4>2</i4></value>",
        "<value><i4>1.5</i4></value>",
        "<value><i4>99999999999</i4></value>",
        "<value><i4><b>1</b></i4></value>",
        "<value><boolean>yes</boolean></value>",
        "<value><boolean/></value>",
        "<value><double>x</double></value>",
        "<value><dateTime.iso8601>tomorrow</dateTime.iso8601></value>",
        "<value><base64>*</base64></value>",
        "<value><nil>x</nil></value>",
        "<value><array/></value>",
        "<value><array><data/><data/></array></value>",
        "<value><array><value/></array></value>",
        "<value><array><data><i4>1</i4></data></array></value>",
        "<value><struct><member/></struct></value>",
        "<value><struct><member><name>a</name></member></struct></value>",
        "<value><struct><member><value/></member></struct></value>",
        "<value><struct><value/></struct></value>",
        "<value><struct><member><name>a</name><value/></member><member><name>a</name><value/></member></struct></value>",
        "<value><string>&nbsp;</string></value>",
        "<value><string>&#0;</string></value>",
        "<value><string>a & b</string></value>",
        "<value><string>a</value></string>",
        "<value><x:string>a</x:string></value>",
        "<value><x:nil/></value>",
        "<value><i1>1</i1></value>",
        "<value><float>1</float></value>",
        "<value><date>1</date></value>",
    ] {
        assert_eq!(one(bad).expect_err(bad).code(), -32700);
    }
}

#[test]
fn dialects_of_clients_are_taken_as_they_are_meant() {
    for (text, value) in [
        ("<value><boolean> true </boolean></value>", Value::Boolean(true)),
        ("<value><boolean>False</boolean></value>", Value::Boolean(false)),
        (
            "<value><struct><member><name> a b\n</name><value/></member></struct></value>",
            Value::Struct([("a b".to_owned(), string(""))].into()),
        ),
    ] {
        assert_eq!(one(text).unwrap(), value, "{text}");
    }
    let spaced = CALL.replace("Status", "\n Status ");
    assert_eq!(decode(format!(" \n<?xml version='1.0'?>\n{spaced}").as_bytes()).unwrap().0, "Status");
    let twice = "<value><struct><member><name>a</name><value/></member><member><name> a</name><value/></member></struct></value>";
    assert!(one(twice).is_err(), "two members of one name, however they are written");
}

#[test]
fn the_types_of_apaches_libraries_are_known_in_their_namespace() {
    let declared = |inside: &str, value: &str| {
        let text = format!(
            "<methodCall {inside}><methodName>a</methodName><params><param>{value}</param></params></methodCall>"
        );
        decode(text.as_bytes()).map(|(_, mut parameters)| parameters.remove(0))
    };
    let namespace = format!("xmlns:ex='{EXTENSIONS}'");
    for (text, value) in [
        ("<value><ex:nil/></value>", Value::Nil),
        ("<value><ex:nil></ex:nil></value>", Value::Nil),
        ("<value><ex:i8>5000000000</ex:i8></value>", Value::Long(5_000_000_000)),
        ("<value> <ex:i2> 5 </ex:i2> </value>", Value::Integer(5)),
        ("<value><ex:float>1.5</ex:float></value>", Value::Double(1.5)),
    ] {
        assert_eq!(declared(&namespace, text).unwrap(), value, "{text}");
        let here = text.replacen("<ex:", "<y:", 1).replace("</ex:", "</y:");
        let (before, after) = here.split_once("<y:").unwrap();
        let at = after.find(['>', '/']).unwrap();
        let here = format!("{before}<y:{} xmlns:y=\"{EXTENSIONS}\"{}", &after[..at], &after[at..]);
        assert_eq!(declared("", &here).unwrap(), value, "{here}");
        assert!(declared("", text).is_err(), "{text} without its namespace");
        assert!(declared("xmlns:ex='http://example.net/'", text).is_err(), "{text} in another one");
    }
    assert!(declared(&namespace, "<value><ex:string>a</ex:string></value>").is_err());
    assert!(declared(&namespace, "<value><ex:i8>5</i8></value>").is_err());
}

#[test]
fn a_dtd_is_refused_before_anything_is_expanded() {
    let bomb = format!("<!DOCTYPE m [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>{CALL}");
    assert_eq!(decode(bomb.as_bytes()).unwrap_err(), Fault::Dtd);
}

#[test]
fn values_may_be_nested_but_not_without_end() {
    let nested = |deep| {
        one(&format!(
            "{}<value/>{}",
            "<value><array><data>".repeat(deep),
            "</data></array></value>".repeat(deep)
        ))
    };
    assert!(nested(DEEPEST - 1).is_ok());
    assert!(nested(DEEPEST).unwrap_err().to_string().contains("nested"));
    assert!(nested(100_000).is_err());
}

/// Values of all types but dates, which the codec does not let anybody make.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i32>().prop_map(Value::Integer),
        any::<i64>().prop_map(Value::Long),
        any::<bool>().prop_map(Value::Boolean),
        "\\PC{0,20}".prop_map(Value::String),
        (-1e9..1e9_f64).prop_map(Value::Double),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Base64),
        Just(Value::Nil),
    ];
    leaf.prop_recursive(4, 30, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::btree_map("[a-z<&]([a-z<& ]{0,6}[a-z<&])?", inner, 0..6)
                .prop_map(Value::Struct),
        ]
    })
}

proptest! {
    #[test]
    fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
    }

    #[test]
    fn near_calls_never_panic(tail in "[<>/a-z0-9 &;\"=]{0,80}") {
        let _ = decode(format!("<methodCall><methodName>{tail}</methodName></methodCall>").as_bytes());
        let _ = one(&format!("<value>{tail}</value>"));
    }

    #[test]
    fn what_the_codec_writes_is_read_as_it_was(parameters in prop::collection::vec(values(), 0..5)) {
        let call = MethodCall { name: Cow::Borrowed("Call"), params: parameters.clone() };
        let (name, read) = decode(call.to_xml().unwrap().as_bytes()).unwrap();
        prop_assert_eq!(name, "Call");
        prop_assert_eq!(read, parameters);
    }
}
