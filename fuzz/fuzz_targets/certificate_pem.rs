#![no_main]
use readers::CERTIFICATE_PEM;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| CERTIFICATE_PEM.run(bytes));
