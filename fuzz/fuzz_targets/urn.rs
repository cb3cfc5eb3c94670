#![no_main]
use readers::URN;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| URN.run(bytes));
