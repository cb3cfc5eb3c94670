#![no_main]
use readers::RSPEC_MANIFEST;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| RSPEC_MANIFEST.run(bytes));
