#![no_main]
use readers::SSH_KEYS;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| SSH_KEYS.run(bytes));
