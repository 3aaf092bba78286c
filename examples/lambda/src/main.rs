//! AWS Lambda: a function URL whose invoke mode is `RESPONSE_STREAM`.
//!
//! `node examples/lambda/local.mjs COMMAND` runs the function's program on this machine.

use headstart_core::AllowAnyone;
use headstart_example_common::{Error, builder};
use headstart_tower::HeadStartLayer;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Who may use which chat; the examples of axum and actix-web ask for a user.
    let head_start = builder()?.authorize(AllowAnyone).build()?;
    // Once for each environment, before its first request.
    head_start.warm().await;
    let app = HeadStartLayer::new("/api/chat", head_start).into_service();
    lambda_http::run_with_streaming_response(app).await
}
