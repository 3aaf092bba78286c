//! Head start in a Cloudflare worker, as a recipe: what of the runtime it needs, and how a request is answered.
//!
//! ```sh
//! cargo check -p headstart-example-worker --target wasm32-unknown-unknown
//! ```
//!
//! A worker has no sockets of tokio's, so `headstart-trigger` and `headstart-providers` do not build for it: the
//! `Sessions` and the `StepModel` that the handler
//! is built with are the application's own, over `fetch`. Give the builder `WorkerRuntime` as its `runtime`.
#![cfg(target_arch = "wasm32")]

use std::time::Duration;

use futures_util::future::select;
use headstart_core::{
    Body, HeadStart,
    rt::{Runtime, Sleep, Task},
};
use tokio::sync::oneshot;
use worker::{Context, Date, Delay, HttpRequest, wasm_bindgen_futures::spawn_local};

/// Tasks, waits and the time of a worker.
#[derive(Debug, Clone, Copy)]
pub struct WorkerRuntime;

impl Runtime for WorkerRuntime {
    fn spawn(&self, task: Task) {
        spawn_local(task);
    }

    fn sleep(&self, span: Duration) -> Sleep {
        // A timer of the worker belongs to its thread; the wait for it may go anywhere.
        let (mut fired, fires) = oneshot::channel::<()>();
        spawn_local(async move {
            // Over, or not wanted any more: either way the wait ends when `fired` is dropped.
            let not_wanted = std::pin::pin!(fired.closed());
            drop(select(Delay::from(span), not_wanted).await);
        });
        Box::pin(async move { drop(fires.await) })
    }

    fn now(&self) -> Duration {
        Duration::from_millis(Date::now().as_millis())
    }
}

/// What `#[event(fetch)]` returns for a first message.
pub async fn answer(head_start: HeadStart, request: HttpRequest, context: &Context) -> http::Response<Body> {
    let response = head_start.handle(request).await;
    // The worker would be stopped when its responses end; a turn may outlive them.
    context.wait_until(async move {
        while head_start.open_turns() > 0 {
            Delay::from(Duration::from_millis(250)).await;
        }
    });
    response
}
