#![no_main]
use readers::URN_TEXT;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| URN_TEXT.run(bytes));
