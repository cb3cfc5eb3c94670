#![no_main]
use readers::DELTACLOUD_ACCEPT;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| DELTACLOUD_ACCEPT.run(bytes));
