//! The corpora of the fuzz targets, replayed; and that every reader has a target and a corpus.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use readers::{Reader, all};

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn corpus(reader: &Reader) -> Vec<PathBuf> {
    let folder = fuzz().join("corpus").join(reader.name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn no_input_of_a_corpus_makes_a_reader_panic() {
    for reader in all() {
        let files = corpus(&reader);
        assert!(!files.is_empty(), "fuzz/corpus/{} has no seed", reader.name);
        let taken = files.iter().filter(|file| {
            // Printed where the test fails: the file before the end is the one.
            println!("{}", file.display());
            (reader.read)(&std::fs::read(file).unwrap())
        });
        assert!(taken.count() > 0, "fuzz/corpus/{} has no seed that is taken", reader.name);
    }
}

/// A test's thread has a stack of 2 MiB, as the threads that serve calls have.
#[test]
fn no_grown_input_is_too_deep_for_the_stack() {
    for reader in all() {
        for growth in reader.growths {
            println!("{}: {}", reader.name, growth.name);
            reader.run(&(growth.input)(growth.n * 20));
        }
    }
}

#[test]
fn every_reader_has_a_fuzz_target() {
    let readers: BTreeSet<String> = all().iter().map(|reader| reader.name.to_owned()).collect();
    assert_eq!(readers.len(), all().len(), "names are given once");
    let manifest: toml::Table = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap().parse().unwrap();
    let targets: BTreeSet<String> = manifest["bin"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| {
            let name = target["name"].as_str().unwrap();
            let path = target["path"].as_str().unwrap();
            assert_eq!(path, format!("fuzz_targets/{name}.rs"));
            let source = std::fs::read_to_string(fuzz().join(path)).unwrap();
            assert!(source.contains(&format!("readers::{};", name.to_uppercase())), "{path} reads as {name}");
            name.to_owned()
        })
        .collect();
    assert_eq!(targets, readers, "fuzz/Cargo.toml lists a target for each reader, and no other");
    let corpora: BTreeSet<String> = std::fs::read_dir(fuzz().join("corpus"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(corpora, readers, "fuzz/corpus has a folder for each reader, and no other");
}
