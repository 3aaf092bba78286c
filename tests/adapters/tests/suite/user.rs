//! A handler of an application with users: who asks is decided in front of it, and it goes by what it is told.

use headstart_core::{
    AuthorizeRequest, Denied, FirstTurn, Grant, HeadStart,
    step::{StepEvent, Usage},
    wire::FinishReason,
};
use http::{Extensions, Method, StatusCode};

use crate::{
    client::{Address, full, request, send},
    memory::Memory,
};

/// Who is signed in, as the application in front of the handler found out.
#[derive(Debug, Clone)]
pub(crate) struct User(pub(crate) String);

/// The name in the header `x-user`.
pub(crate) fn name(header: Option<&[u8]>) -> Option<String> {
    header.and_then(|name| String::from_utf8(name.to_vec()).ok())
}

/// Lets users in whom `user` finds in the request's extensions, to chats `NAME:…`, and greets them by name.
pub(crate) fn head_start(
    user: impl Fn(&Extensions) -> Option<User> + Clone + Send + Sync + 'static,
) -> HeadStart {
    let of_turn = user.clone();
    HeadStart::builder("agent", Memory::default())
        .authorize(move |request: AuthorizeRequest| {
            let user = user(request.extensions());
            async move {
                let User(name) = user.ok_or(Denied::Unauthenticated)?;
                Ok(Grant::new().owner_prefix(format!("{name}:")))
            }
        })
        .run(move |turn: FirstTurn| {
            let user = of_turn(turn.extensions());
            async move {
                let User(name) = user.ok_or("nobody")?;
                let id = || "0".to_owned();
                let events = [
                    StepEvent::TextStart { id: id(), provider_metadata: None },
                    StepEvent::TextDelta {
                        id: id(),
                        delta: format!("Hello {name}"),
                        provider_metadata: None,
                    },
                    StepEvent::TextEnd { id: id(), provider_metadata: None },
                    StepEvent::Finish { reason: FinishReason::Stop, paused: false, usage: Usage::default() },
                ];
                Ok::<_, &str>(futures_util::stream::iter(events.map(Ok::<_, &str>)))
            }
        })
        .build()
        .unwrap()
}

/// The routes beside the first turn of such a handler, below `/api/chat`, know who asks as the handler does.
pub(crate) async fn starts_chats(addr: impl Into<Address>) {
    let addr = addr.into();
    let start = async |user: Option<&str>| {
        let mut request = request(Method::POST, "/api/chat/ada%3A1/start");
        if let Some(user) = user {
            request = request.header("x-user", user);
        }
        send(addr, request.header("content-type", "application/json").body(full("{}")).unwrap()).await
    };
    start(None).await.problem(StatusCode::UNAUTHORIZED, "unauthenticated").await;
    start(Some("eve")).await.problem(StatusCode::FORBIDDEN, "forbidden").await;
    let mut started = start(Some("ada")).await;
    assert_eq!(started.status, StatusCode::OK);
    let started: serde_json::Value = serde_json::from_slice(&started.bytes().await).unwrap();
    assert_eq!(started["publicAccessToken"], "token-of-ada:1");
}
