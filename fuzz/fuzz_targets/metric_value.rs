#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seepage_fuzz::metric_value(bytes));
