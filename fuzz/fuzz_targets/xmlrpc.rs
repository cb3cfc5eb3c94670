#![no_main]
use readers::XMLRPC;
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| XMLRPC.run(bytes));
