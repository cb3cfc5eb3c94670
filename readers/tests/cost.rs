//! The cost of reading is linear: callgrind counts the instructions of each reading of n, 2n and 4n parts.
//!
//! This needs valgrind; `tests/run` installs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use readers::judge::{Counted, MOST, most_held, ratio};
use readers::{CONTROLS, End, all};

/// One line of the program `cost`, with its count.
struct Reading {
    reader: String,
    growth: String,
    counted: Counted,
    taken: bool,
    held: u64,
}

/// Runs one share of the readings under callgrind.
fn share(share: usize, of: usize, folder: &Path) -> Vec<Reading> {
    let counts = folder.join(format!("counts-{share}"));
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--dump-line=no", "--combine-dumps=yes"])
        // Costs are set to nothing when a reading begins, and written when it ends.
        .args(["--zero-before=cost::counted_reading", "--dump-after=cost::counted_reading"])
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .args([env!("CARGO_BIN_EXE_cost"), &format!("{share}/{of}")])
        .stderr(Stdio::inherit())
        .output()
        .expect("valgrind is installed (Debian: apt-get install valgrind)");
    assert!(output.status.success(), "valgrind or the program under it failed: {}", output.status);
    let counts = std::fs::read_to_string(&counts).unwrap();
    let costs: Vec<u64> = counts
        .split("\npart: ")
        .filter(|part| part.contains("\ndesc: Trigger: --dump-after="))
        .map(|part| {
            let summary = part.lines().find_map(|line| line.strip_prefix("summary: ")).expect("a summary");
            summary.parse().unwrap()
        })
        .collect();
    let lines: Vec<Vec<String>> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.split('\t').map(str::to_owned).collect())
        .collect();
    assert_eq!(lines.len(), costs.len(), "callgrind writes a part for each reading");
    lines.iter().zip(costs).map(|(line, cost)| reading(line, cost)).collect()
}

fn reading(line: &[String], cost: u64) -> Reading {
    let [reader, growth, bytes, taken, held] = line else { panic!("{line:?} is no line of cost") };
    Reading {
        reader: reader.clone(),
        growth: growth.clone(),
        counted: Counted { bytes: bytes.parse().unwrap(), cost },
        taken: taken == "true",
        held: held.parse().unwrap(),
    }
}

/// All readings, in threes by reader and growth.
fn readings() -> HashMap<(String, String), [Reading; 3]> {
    let folder = tempfile::tempdir().unwrap();
    let of = thread::available_parallelism().map_or(1, usize::from);
    let all: Vec<Reading> = thread::scope(|scope| {
        let folder = folder.path();
        let shares: Vec<_> = (0..of).map(|k| scope.spawn(move || share(k, of, folder))).collect();
        shares.into_iter().flat_map(|share| share.join().unwrap()).collect()
    });
    let mut threes: HashMap<(String, String), Vec<Reading>> = HashMap::new();
    for reading in all {
        threes.entry((reading.reader.clone(), reading.growth.clone())).or_default().push(reading);
    }
    let three = |(key, three): (_, Vec<Reading>)| (key, three.try_into().ok().expect("three readings each"));
    threes.into_iter().map(three).collect()
}

fn ratio_of(readings: &[Reading; 3]) -> f64 {
    ratio(&readings.each_ref().map(|reading| reading.counted))
}

/// What is wrong with three readings.
fn faults(readings: &[Reading; 3], end: End) -> Vec<String> {
    let mut faults = Vec::new();
    let ratio = ratio_of(readings);
    if ratio > MOST {
        let costs = readings.each_ref().map(|reading| (reading.counted.bytes, reading.counted.cost));
        faults.push(format!("the cost is not linear: ratio {ratio:.2}, (bytes, instructions) {costs:?}"));
    }
    for reading in readings {
        if reading.held > most_held(reading.counted.bytes) {
            faults.push(format!("{} bytes are held for an input of {}", reading.held, reading.counted.bytes));
        }
    }
    let taken = readings.each_ref().map(|reading| reading.taken);
    let as_said = match end {
        End::Taken => taken == [true; 3],
        End::Refused => taken == [false; 3],
        End::Bounded => taken[0] && !taken[2],
    };
    if !as_said {
        faults.push(format!("taken are {taken:?}, which is not {end:?}"));
    }
    faults
}

#[test]
fn reading_costs_in_proportion_to_the_input() {
    let readings = readings();
    let of = |reader: &str, growth: &str| {
        readings.get(&(reader.to_owned(), growth.to_owned())).expect("every growth is read")
    };
    // The check itself works: it lets a linear reader pass, and not a quadratic one.
    let [linear, quadratic] = CONTROLS.map(|control| ratio_of(of(control.name, control.growths[0].name)));
    assert!(linear < MOST && quadratic > MOST, "the controls have the ratios {linear} and {quadratic}");
    let mut wrong = Vec::new();
    for reader in all() {
        for growth in reader.growths {
            let three = of(reader.name, growth.name);
            println!("{:5.2}  {}: {}", ratio_of(three), reader.name, growth.name);
            let faults = faults(three, growth.end);
            wrong.extend(faults.iter().map(|fault| format!("{}: {}: {fault}", reader.name, growth.name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
