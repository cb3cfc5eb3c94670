//! Entities of the API from the trees of its answers, version 0.3.0 to 1.1.

mod compute;
mod network;
mod storage;

pub(super) use self::compute::{
    command_output, hardware_profile, image, instance, key, metric, realm, states,
};
pub(super) use self::network::{firewall, load_balancer, network, network_interface, subnet};
pub(super) use self::storage::{address, blob, bucket, snapshot, volume};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

use super::token::token;
use super::wire::{Node, Tree};

/// Reads the body of an answer as every kind of thing, and as a list of every kind, and drops what it reads. Gives
/// whether it is an answer at all. This is all that the driver does with the bytes of a server; it stands here for
/// those who look for bodies that break it or cost too much.
#[must_use]
pub fn reads_answer(media_type: &str, body: &str) -> bool {
    fn each<T>(media_type: &str, body: &str, tree: &Tree, decode: impl Fn(Node<'_>) -> Option<T>) {
        let _ = (decode(tree.root()), Tree::read_list(media_type, body, decode));
    }
    let Ok(tree) = Tree::read(media_type, body) else { return false };
    each(media_type, body, &tree, realm);
    each(media_type, body, &tree, hardware_profile);
    each(media_type, body, &tree, image);
    each(media_type, body, &tree, instance);
    each(media_type, body, &tree, key);
    each(media_type, body, &tree, metric);
    each(media_type, body, &tree, firewall);
    each(media_type, body, &tree, load_balancer);
    each(media_type, body, &tree, network);
    each(media_type, body, &tree, network_interface);
    each(media_type, body, &tree, subnet);
    each(media_type, body, &tree, address);
    each(media_type, body, &tree, blob);
    each(media_type, body, &tree, bucket);
    each(media_type, body, &tree, snapshot);
    each(media_type, body, &tree, volume);
    // These are never listed.
    let _ = (command_output(tree.root()), states(tree.root()));
    true
}

/// A moment in one of the ways in which servers write it; times of day without a known zone are nothing.
pub(super) fn time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.to_utc());
    }
    if let Ok(moment) = DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S %z") {
        return Some(moment.to_utc());
    }
    // "Thu Oct 25 14:27:53 CEST 2012", as the language of the real server prints a moment.
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, month, day, clock, zone, year] = words.as_slice() else { return None };
    let hours = match *zone {
        "UTC" | "GMT" | "WET" | "Z" => 0,
        "CET" | "BST" | "WEST" => 1,
        "CEST" | "EET" => 2,
        "EDT" => -4,
        "EST" | "CDT" => -5,
        "CST" | "MDT" => -6,
        "MST" | "PDT" => -7,
        "PST" => -8,
        _ => return None,
    };
    let local =
        NaiveDateTime::parse_from_str(&format!("{year} {month} {day} {clock}"), "%Y %b %d %H:%M:%S").ok()?;
    Some((local - TimeDelta::hours(hours)).and_utc())
}

fn time_of(node: Node<'_>, name: &str) -> DateTime<Utc> {
    node.text(&[name]).and_then(time).unwrap_or_default()
}

/// The name, or the identity of what has none.
fn name(node: Node<'_>, id: &str) -> String {
    node.text(&["name"]).unwrap_or(id).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Measure, PropertyValue, VolumeState};

    #[test]
    fn moments_are_read_however_servers_write_them() {
        let moment = DateTime::from_timestamp(1_351_168_073, 0);
        for text in [
            "Thu Oct 25 14:27:53 CEST 2012",
            "Thu Oct 25 12:27:53 UTC 2012",
            "2012-10-25 12:27:53 +0000",
            "2012-10-25T12:27:53.000Z",
        ] {
            assert_eq!(time(text), moment, "{text}");
        }
        assert_eq!(time("yesterday"), None);
        assert_eq!(time("Thu Oct 25 12:27:53 XYZ 2012"), None);
    }

    #[test]
    fn a_volume_of_version_0_3_0_is_read() {
        let node = Tree::read(
            "application/xml",
            "<storage_volume id='vol-1'><created>2010-08-11T20:40:11.000Z</created><capacity>1</capacity>\
             <device/><state>AVAILABLE</state><instance/></storage_volume>",
        );
        let volume = volume(node.unwrap().root()).unwrap();
        assert_eq!((volume.capacity, volume.instance_id, volume.state), (1, None, VolumeState::Available));
    }

    #[test]
    fn what_is_measured_reads_the_same_in_both_languages() {
        let xml = "<metric id='i1'><entity>n</entity><properties><cpuUtilization><sample>\
             <property name='minimum' value='0.1'/><property name='maximum' value='0.5'/>\
             <property name='average' value='0.3'/><property name='timestamp' value='1795290165'/>\
             <property name='unit' value='Percent'/></sample></cpuUtilization><nicInputByte></nicInputByte>\
             <unheardOf></unheardOf></properties></metric>";
        let json = r#"{"metric":{"id":"i1","entity":"n","properties":[{"name":"cpuUtilization","values":[
             {"minimum":0.1,"maximum":0.5,"average":0.3,"timestamp":1795290165,"unit":"Percent"}]},
             {"name":"nicInputByte","values":null},{"name":"unheardOf","values":null}]}}"#;
        let of_xml = metric(Tree::read("application/xml", xml).unwrap().root()).unwrap();
        let of_json = metric(Tree::read("application/json", json).unwrap().root()).unwrap();
        assert_eq!(of_xml, of_json);
        let (measure, samples) = &of_xml.series[0];
        assert_eq!((*measure, samples.len(), of_xml.series.len()), (Measure::CpuUtilization, 1, 2));
        assert_eq!((samples[0].at.timestamp(), samples[0].unit.as_str()), (1_795_290_165, "Percent"));
    }

    #[test]
    fn a_load_balancer_is_read_from_both_languages() {
        let xml = "<load_balancer id='lb'><public_addresses><address>lb.example</address></public_addresses>\
             <created_at>2026-11-21 19:41:43 +0000</created_at><realm id='us'/><listeners>\
             <listener protocol='HTTP'><load_balancer_port>80</load_balancer_port>\
             <instance_port>8080</instance_port></listener></listeners><instances><instance id='i1'/></instances>\
             </load_balancer>";
        let json = r#"{"load_balancer":{"id":"lb","realms":[{"id":"us"}],"listeners":[{"id":null,"protocol":"HTTP",
             "load_balancer_port":"80","instance_port":"8080"}],"instances":[{"id":"i1"}],
             "public_addresses":["lb.example"],"created_at":"2026-11-21 19:41:43 +0000"}}"#;
        let of_xml = load_balancer(Tree::read("application/xml", xml).unwrap().root()).unwrap();
        assert_eq!(load_balancer(Tree::read("application/json", json).unwrap().root()), Some(of_xml.clone()));
        assert_eq!((of_xml.listeners[0].instance_port, of_xml.instances[0].as_str()), (8080, "i1"));
        assert_eq!(of_xml.realm_id.as_deref(), Some("us"));
    }

    #[test]
    fn a_machine_of_more_states_than_any_cloud_has_is_none() {
        let document = |n: usize| {
            let state = |i| format!("<state name='s{i}'><transition action='stop' to='s{i}'/></state>");
            let all: String = (0..n).map(state).collect();
            Tree::read("application/xml", &format!("<states>{all}</states>")).unwrap()
        };
        assert_eq!(states(document(1000).root()).map(|machine| machine.states().count()), Some(1000));
        assert!(states(document(1001).root()).is_none());
    }

    #[test]
    fn a_range_that_is_none_becomes_its_default() {
        let node = Tree::read(
            "application/xml",
            "<hardware_profile id='p'><property kind='range' name='cpu' unit='count' value='2'>\
             <range first='x' last='3'/></property></hardware_profile>",
        );
        let profile = hardware_profile(node.unwrap().root()).unwrap();
        assert_eq!(profile.properties[0].value, PropertyValue::Fixed { value: "2".into() });
    }
}
