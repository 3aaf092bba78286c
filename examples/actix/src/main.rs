//! actix-web: a user from an extractor, and a shutdown that loses no turn.

use std::{
    future::{Ready, ready},
    time::Duration,
};

use actix_web::{App, FromRequest, HttpRequest, HttpServer, dev::Payload, error::ErrorUnauthorized, rt, web};
use headstart_core::{AuthorizeRequest, Denied, Grant};
use headstart_example_common::{Error, builder, listen, stop_signal};

/// Longer than most turns, shorter than what platforms wait before they kill (30 s).
const DRAIN: Duration = Duration::from_secs(25);

#[actix_web::main]
async fn main() -> Result<(), Error> {
    // Built here, not in the factory: turns then outlive the workers, and there is one handler to drain.
    let head_start = builder()?.authorize(own_chats).build()?;
    head_start.warm().await;

    let drained = rt::spawn({
        let head_start = head_start.clone();
        async move {
            stop_signal().await;
            head_start.drain(DRAIN).await
        }
    });
    // The server stops by itself at the same signals, and waits for open responses.
    HttpServer::new(move || {
        let chat = headstart_actix::post_with::<User>(head_start.clone());
        App::new().service(web::resource("/api/chat").route(chat))
    })
    .h1_allow_half_closed(false)
    .listen(listen()?)?
    .run()
    .await?;
    // A handover may outlive its response.
    drained.await?;
    Ok(())
}

#[derive(Clone)]
struct User(String);

/// An application looks a session up here.
impl FromRequest for User {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let name = request.headers().get("x-user").and_then(|name| name.to_str().ok());
        ready(name.map(|name| Self(name.to_owned())).ok_or_else(|| ErrorUnauthorized("sign in first")))
    }
}

/// Chats are called `USER:…`.
async fn own_chats(request: AuthorizeRequest) -> Result<Grant, Denied> {
    let User(name) = request.extensions().get().ok_or(Denied::Unauthenticated)?;
    Ok(Grant::new().owner_prefix(format!("{name}:")).key(name))
}
