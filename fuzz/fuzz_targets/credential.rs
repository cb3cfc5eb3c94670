#![no_main]
use readers::CREDENTIAL;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| CREDENTIAL.run(bytes));
