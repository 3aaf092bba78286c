//! leptos on axum: a route beside the app's own.

use axum::{Router, routing::get};
use headstart_core::AllowAnyone;
use headstart_example_common::{Error, builder, listen};
use leptos::prelude::*;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Who may use which chat; the examples of axum and actix-web ask for a user.
    let head_start = builder()?.authorize(AllowAnyone).build()?;
    let app = Router::new()
        .route("/api/chat", headstart_axum::post(head_start))
        .route("/", get(leptos_axum::render_app_to_stream(app)));
    axum::serve(TcpListener::from_std(listen()?)?, app).await?;
    Ok(())
}

fn app() -> impl IntoView {
    view! { <p>"Hello from leptos."</p> }
}
