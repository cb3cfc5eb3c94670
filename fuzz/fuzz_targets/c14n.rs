#![no_main]
use readers::C14N;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| C14N.run(bytes));
