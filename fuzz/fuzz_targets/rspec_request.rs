#![no_main]
use readers::RSPEC_REQUEST;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| RSPEC_REQUEST.run(bytes));
