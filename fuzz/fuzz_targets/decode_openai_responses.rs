#![no_main]

use headstart_fuzz::split_and_record;
use headstart_providers::Api;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| split_and_record(Api::OpenAiResponses, bytes));
