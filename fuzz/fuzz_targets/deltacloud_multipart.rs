#![no_main]
use readers::DELTACLOUD_MULTIPART;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| DELTACLOUD_MULTIPART.run(bytes));
