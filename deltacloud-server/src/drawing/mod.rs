//! Instance states as a drawing: as text for Graphviz, as SVG, and as PNG.
//!
//! The crate's feature `drawings` adds SVG and PNG, and with them a painter and a font; the text is always there.
//!
//! SVG and PNG are drawn from one layout. States stand on an oval, clockwise in the order of their declaration from the
//! left on; each way between two of them is a bow, dashed where it is taken by itself. Between neighbours a way bends to
//! its own left; all others bend inwards, where no states stand, the way back more than the way there. So no two ways lie
//! on each other and none passes through a state: with the handful of states that clouds have, this stays legible
//! without knowing any of them.

mod gv;
#[cfg(feature = "drawings")]
mod layout;
#[cfg(feature = "drawings")]
mod png;
#[cfg(feature = "drawings")]
mod svg;

pub(super) use self::gv::gv;

#[cfg(feature = "drawings")]
use self::layout::Layout;
use drivers::StateMachine;

/// The drawing as SVG, a document of its own that can also stand in a page; `None` without the feature `drawings`.
#[must_use]
#[cfg_attr(
    not(feature = "drawings"),
    expect(unused_variables, reason = "nothing is drawn without the feature")
)]
pub(super) fn svg(machine: &StateMachine) -> Option<String> {
    #[cfg(feature = "drawings")]
    return Some(svg::write(&Layout::of(machine)));
    #[cfg(not(feature = "drawings"))]
    None
}

/// The drawing as PNG; `None` for a machine of so many states that no picture of sane size shows it, and
/// without the feature `drawings`.
#[must_use]
#[cfg_attr(
    not(feature = "drawings"),
    expect(unused_variables, reason = "nothing is drawn without the feature")
)]
pub(super) fn png(machine: &StateMachine) -> Option<Vec<u8>> {
    #[cfg(feature = "drawings")]
    {
        static GALLERY: png::Gallery = png::Gallery::new();
        GALLERY.picture(machine, || png::paint(&Layout::of(machine)))
    }
    #[cfg(not(feature = "drawings"))]
    None
}

#[cfg(all(test, feature = "drawings"))]
mod tests {
    use super::*;
    use drivers::{InstanceAction, InstanceState};

    /// The machine of the real mock driver, with a state whose name is markup.
    fn machine() -> StateMachine {
        use InstanceAction::{Create, Destroy, Reboot, Start, Stop};
        use InstanceState::{Finish, Pending, Running, Stopped};
        StateMachine::new([
            (InstanceState::Start, Some(Create), Pending),
            (Pending, None, Running),
            (Pending, None, InstanceState::Other("<odd & \"long name\">".into())),
            (Running, Some(Reboot), Running),
            (Running, Some(Stop), Stopped),
            (Stopped, Some(Start), Running),
            (Stopped, Some(Destroy), Finish),
        ])
    }

    #[test]
    fn the_svg_shows_every_state_and_every_way() {
        let drawing = svg(&machine()).unwrap();
        let document = roxmltree::Document::parse(&drawing).unwrap();
        let texts: Vec<_> =
            document.descendants().filter(|n| n.has_tag_name("text")).filter_map(|n| n.text()).collect();
        for word in ["start", "pending", "running", "stopped", "finish", "<odd & \"long name\">"] {
            assert!(texts.contains(&word), "{word} in {texts:?}");
        }
        for word in ["create", "reboot", "stop", "destroy"] {
            assert!(texts.contains(&word), "{word} in {texts:?}");
        }
        let ways = document.descendants().filter(|n| n.attribute("class") == Some("way")).count();
        let dashed = document.descendants().filter(|n| n.attribute("stroke-dasharray").is_some()).count();
        assert_eq!((ways, dashed), (7, 2));
    }

    #[test]
    fn the_png_is_a_picture_with_something_on_it() {
        let picture = png(&machine()).unwrap();
        let image = tiny_skia::Pixmap::decode_png(&picture).unwrap();
        let layout = Layout::of(&machine());
        assert!(f64::from(image.width()) >= layout.width && f64::from(image.height()) >= layout.height);
        let dark = image.pixels().iter().filter(|p| p.red() < 100 && p.alpha() == 255).count();
        assert!(dark > 500, "{dark} dark pixels");
        // In the middle of a state there is its name, and around the whole a margin without anything.
        let corner = image.pixel(1, 1).unwrap();
        assert_eq!((corner.red(), corner.green(), corner.blue()), (255, 255, 255));
    }

    #[test]
    fn a_machine_of_any_size_gives_a_drawing_or_none() {
        assert!(svg(&StateMachine::new([])).unwrap().contains("<svg"));
        assert!(png(&StateMachine::new([])).is_some());
        let name = |n: usize| InstanceState::Other(format!("state-{n}"));
        let long = StateMachine::new((0..2000).map(|n| (name(n), None, name(n + 1))));
        assert!(roxmltree::Document::parse(&svg(&long).unwrap()).is_ok());
        assert!(png(&long).is_none());
    }

    #[test]
    fn a_picture_is_painted_once() {
        let (gallery, machine) = (png::Gallery::new(), machine());
        let mut painted = 0;
        for _ in 0..3 {
            let picture = gallery.picture(&machine, || {
                painted += 1;
                Some(vec![1])
            });
            assert_eq!(picture, Some(vec![1]));
        }
        assert_eq!(painted, 1);
        let other = StateMachine::new([]);
        assert_eq!(gallery.picture(&other, || None), None, "each machine has its own");
    }
}
