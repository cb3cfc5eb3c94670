#![no_main]
use readers::DELTACLOUD_QUERY;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| DELTACLOUD_QUERY.run(bytes));
