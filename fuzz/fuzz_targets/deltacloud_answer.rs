#![no_main]
use readers::DELTACLOUD_ANSWER;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| DELTACLOUD_ANSWER.run(bytes));
