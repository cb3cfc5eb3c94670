#![no_main]
use readers::RSPEC_COMPARE;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| RSPEC_COMPARE.run(bytes));
