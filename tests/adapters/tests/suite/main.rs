//! One suite for every framework: each rule of `docs/adapters.md` is a test for each of them, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod actix_idioms;
mod axum_idioms;
mod client;
mod lambda;
mod layer_order;
mod memory;
mod mount;
mod rules;
mod runtime_api;
mod user;
mod world;

use headstart_test_adapters::Framework;
use mount::Mount;

/// Three lists: the rules that hold everywhere; those that Lambda cannot keep, because it gives the function
/// whole requests and one at a time, and does not say that a caller left; and those that neither Lambda nor
/// poem's own server keep, because they end a response that failed like any other.
macro_rules! rules {
    ($each:ident, $($with:tt)*) => {
        $each! {
            [
                requests::methods_other_than_post_are_405
                requests::content_types_other_than_json_are_415
                requests::what_is_no_chat_request_is_a_400_problem
                requests::a_body_over_the_limit_is_413
                requests::the_framework_has_no_smaller_limit
                requests::a_request_keeps_its_id
                requests::other_paths_are_not_the_handlers
                streams::the_first_word_comes_before_the_model_is_done
                streams::head_and_bytes_are_those_of_core
                streams::silence_is_filled_with_comments
                turns::a_browser_that_leaves_changes_nothing
                turns::a_browser_that_leaves_before_the_first_word_changes_nothing
                turns::a_draining_server_answers_503_with_retry_after
                turns::a_panic_in_run_leaves_the_turn_to_the_agent
                turns::a_panic_in_authorize_is_a_500_and_no_more
                layers::answers_and_problems_have_cors_headers
                layers::a_preflight_is_answered_by_the_cors_layer
            ]
            [
                requests::a_body_without_an_end_is_413_at_the_limit
                turns::a_browser_that_leaves_is_noticed
                turns::open_turns_finish_while_it_drains
            ]
            [
                streams::an_unfinished_turn_is_cut_off_and_not_ended
            ]
            $($with)*
        }
    };
}

/// A test for each rule.
macro_rules! tests {
    ($name:ident $mount:expr, $($area:ident::$rule:ident)*) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $rule() {
                    super::rules::$area::$rule($mount).await;
                }
            )*
        }
    };
}

macro_rules! server {
    ([$($everywhere:tt)*] [$($server:tt)*] [$($cut:tt)*] $name:ident $mount:expr) => {
        tests!($name $mount, $($everywhere)* $($server)* $($cut)*);
    };
}

macro_rules! server_of_poem {
    ([$($everywhere:tt)*] [$($server:tt)*] [$($cut:tt)*] $name:ident $mount:expr) => {
        tests!($name $mount, $($everywhere)* $($server)*);
    };
}

macro_rules! lambda {
    ([$($area:ident::$rule:ident)*] [$($server:tt)*] [$($cut:tt)*] $name:ident) => {
        mod $name {
            $(
                #[test]
                fn $rule() {
                    let test = concat!(stringify!($name), "::", stringify!($rule));
                    super::lambda::run(test, super::rules::$area::$rule(super::Mount::Lambda));
                }
            )*
        }
    };
}

rules!(server, axum super::Mount::Server(super::Framework::Axum));
rules!(server, axum_over_http2 super::Mount::Http2(super::Framework::Axum));
rules!(server, actix super::Mount::Server(super::Framework::Actix));
rules!(server, hyper super::Mount::Server(super::Framework::Hyper));
rules!(server, hyper_over_http2 super::Mount::Http2(super::Framework::Hyper));
rules!(server, poem super::Mount::Server(super::Framework::Poem));
rules!(server_of_poem, poem_on_its_own_server super::Mount::Poem);
rules!(server, salvo super::Mount::Server(super::Framework::Salvo));
rules!(server, warp super::Mount::Warp);
rules!(lambda, lambda_http);
