//! Reads grown inputs, so that callgrind can count the instructions of each reading.
//!
//! `cost K/M` takes every M-th growth of the table and of the controls, from the K-th on. For each reading it writes a line with the
//! names of reader and growth, the input's bytes, whether the reader took it, and the most bytes the reader held at
//! once, between tabs. callgrind writes a part of its counts whenever `counted_reading` ends
//! (`--dump-after`), in the same order.

use std::hint::black_box;
use std::io::Write;
use std::process::ExitCode;

use peak_alloc::PeakAlloc;
use readers::{CONTROLS, Reader, all};

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// The reading of one input: the function whose instructions are counted.
#[inline(never)]
fn counted_reading(reader: &Reader, input: &[u8]) -> bool {
    black_box((reader.read)(black_box(input)))
}

fn share(argument: Option<String>) -> Option<(usize, usize)> {
    let argument = argument?;
    let (share, of) = argument.split_once('/')?;
    Some((share.parse().ok()?, of.parse().ok().filter(|of| *of > 0)?))
}

fn main() -> ExitCode {
    let Some((share, of)) = share(std::env::args().nth(1)) else {
        let _ = writeln!(std::io::stderr(), "usage: cost K/M");
        return ExitCode::FAILURE;
    };
    let table: Vec<Reader> = all().into_iter().chain(CONTROLS).collect();
    let growths = table.iter().flat_map(|reader| reader.growths.iter().map(move |growth| (reader, growth)));
    let mut out = std::io::stdout();
    for (reader, growth) in growths.skip(share).step_by(of) {
        // What is made once for all readings is made now, and not in the first that counts.
        let _ = (reader.read)(&(growth.input)(1));
        for n in [growth.n, growth.n * 2, growth.n * 4] {
            let input = (growth.input)(n);
            let before = HEAP.current_usage();
            HEAP.reset_peak_usage();
            let taken = counted_reading(reader, &input);
            let held = HEAP.peak_usage().saturating_sub(before);
            let line = format!("{}\t{}\t{}\t{taken}\t{held}", reader.name, growth.name, input.len());
            if writeln!(out, "{line}").is_err() {
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
