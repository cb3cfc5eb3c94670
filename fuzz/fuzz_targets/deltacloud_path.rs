#![no_main]
use readers::DELTACLOUD_PATH;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| DELTACLOUD_PATH.run(bytes));
