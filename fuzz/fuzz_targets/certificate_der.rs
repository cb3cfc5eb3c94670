#![no_main]
use readers::CERTIFICATE_DER;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| CERTIFICATE_DER.run(bytes));
