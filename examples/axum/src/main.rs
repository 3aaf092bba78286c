//! axum: a user from an extractor, and a shutdown that loses no turn.

use std::time::Duration;

use axum::{
    Router,
    extract::FromRequestParts,
    http::{StatusCode, request::Parts},
};
use headstart_core::{AuthorizeRequest, Denied, Grant};
use headstart_example_common::{Error, builder, listen, stop_signal};
use tokio::{net::TcpListener, sync::oneshot};

/// Longer than most turns, shorter than what platforms wait before they kill (30 s).
const DRAIN: Duration = Duration::from_secs(25);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let head_start = builder()?.authorize(own_chats).build()?;
    head_start.warm().await;
    let app = Router::new().route("/api/chat", headstart_axum::post_with::<User, _>(head_start.clone()));

    let (stopping, stopped) = oneshot::channel::<()>();
    let drained = tokio::spawn(async move {
        stop_signal().await;
        drop(stopping);
        head_start.drain(DRAIN).await
    });
    axum::serve(TcpListener::from_std(listen()?)?, app)
        .with_graceful_shutdown(async { drop(stopped.await) })
        .await?;
    // A handover may outlive its response.
    drained.await?;
    Ok(())
}

#[derive(Clone)]
struct User(String);

/// An application looks a session up here.
impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, StatusCode> {
        let name = parts.headers.get("x-user").and_then(|name| name.to_str().ok());
        name.map(|name| Self(name.to_owned())).ok_or(StatusCode::UNAUTHORIZED)
    }
}

/// Chats are called `USER:…`.
async fn own_chats(request: AuthorizeRequest) -> Result<Grant, Denied> {
    let User(name) = request.extensions().get().ok_or(Denied::Unauthenticated)?;
    Ok(Grant::new().owner_prefix(format!("{name}:")).key(name))
}
