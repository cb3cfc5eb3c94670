//! Large answers of a cloud take memory in proportion, and none beyond the bounds of a tree.

#![allow(clippy::unwrap_used)]

use drivers::deltacloud::reads_answer;
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const BYTES: usize = 16 << 20;

/// The most bytes that reading the body held at once, beside the body.
fn held(body: &str) -> usize {
    let before = HEAP.current_usage();
    HEAP.reset_peak_usage();
    let _ = reads_answer("", body);
    HEAP.peak_usage().saturating_sub(before)
}

#[test]
fn sixteen_megabytes_of_small_elements_take_no_more_than_four_times_as_many() {
    for (part, start, end) in [
        ("<a/>", "<r>", "</r>"),
        ("<a b='c'>d</a>", "<r>", "</r>"),
        ("<instance id='i' state='RUNNING'/>", "<instances>", "</instances>"),
        ("0,", "[", "0]"),
        ("{\"id\":\"i\"},", "{\"instances\":[", "{}]}"),
        ("text ", "<a>", "</a>"),
    ] {
        let body = format!("{start}{}{end}", part.repeat(BYTES / part.len()));
        let held = held(&body);
        assert!(held < 4 * BYTES, "{held} bytes for {BYTES} of {part}");
    }
}
