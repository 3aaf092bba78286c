//! What axum's users expect beyond the rules.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Extension, Router,
    extract::{FromRef, FromRequestParts, Request, State},
    http::{StatusCode, request::Parts},
    middleware::{Next, from_fn},
    response::Response,
    routing::get,
};
use headstart_axum::RouterExt;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::{
    client::{frames, full, message, post, request, send, send_message, text},
    user::{self, User},
    world::{FIRST, PATH, World},
};

/// Serves until it is told to stop, and then gracefully.
async fn serve(app: Router) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let served = tokio::spawn(async move {
        let server = axum::serve(listener, app).with_graceful_shutdown(async { drop(stopped.await) });
        server.await.unwrap();
    });
    (addr, stop, served)
}

async fn greeting(addr: SocketAddr, user: &str, chat: &str) -> (StatusCode, String) {
    let request = post().header("x-user", user).body(full(message(chat))).unwrap();
    let mut response = send(addr, request).await;
    let bytes = response.bytes().await;
    (response.status, text(&frames(&bytes)))
}

async fn sign_in(mut request: Request, next: Next) -> Response {
    let header = request.headers().get("x-user").map(|name| name.as_bytes());
    if let Some(name) = user::name(header) {
        request.extensions_mut().insert(User(name));
    }
    next.run(request).await
}

#[tokio::test]
async fn the_user_of_a_layer_is_known_to_authorize_and_run_also_under_nest() {
    let head_start = user::head_start(|extensions| extensions.get::<User>().cloned());
    let api = Router::new().route("/chat", headstart_axum::post(head_start)).layer(from_fn(sign_in));
    let (addr, _stop, _served) = serve(Router::new().nest("/api", api)).await;
    assert_eq!(greeting(addr, "ada", "ada:1").await, (StatusCode::OK, "Hello ada".to_owned()));
    assert_eq!(greeting(addr, "eve", "ada:2").await.0, StatusCode::FORBIDDEN);
    let nobody = send(addr, post().body(full(message("ada:3"))).unwrap()).await;
    nobody.problem(StatusCode::UNAUTHORIZED, "unauthenticated").await;
}

#[tokio::test]
async fn the_routes_beside_the_first_turn_know_the_user_of_a_layer_and_of_an_extractor() {
    let of_layer = user::head_start(|extensions| extensions.get::<User>().cloned());
    let routes = headstart_axum::session_routes(of_layer.session_routes());
    let (addr, _stop, _served) = serve(Router::new().nest("/api/chat", routes).layer(from_fn(sign_in))).await;
    user::starts_chats(addr).await;

    let of_extractor = user::head_start(|extensions| {
        extensions.get::<Option<Extension<User>>>()?.clone().map(|user| user.0)
    });
    let routes =
        headstart_axum::session_routes_with::<Option<Extension<User>>, _>(of_extractor.session_routes());
    let (addr, _stop, _served) = serve(Router::new().nest("/api/chat", routes).layer(from_fn(sign_in))).await;
    user::starts_chats(addr).await;
}

#[tokio::test]
async fn the_routes_beside_the_first_turn_are_a_service_too() {
    let head_start = user::head_start(|extensions| extensions.get::<User>().cloned());
    let service = headstart_tower::SessionRoutesService::new(head_start.session_routes());
    let app = Router::new().route_service("/api/chat/{chat}/{action}", service).layer(from_fn(sign_in));
    let (addr, _stop, _served) = serve(app).await;
    user::starts_chats(addr).await;
}

/// Somebody with an account, from the header and the state.
#[derive(Clone)]
struct Member(String);

#[derive(Clone)]
struct App {
    members: &'static [&'static str],
}

impl<S> FromRequestParts<S> for Member
where
    App: FromRef<S>,
    S: Sync,
{
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let members = App::from_ref(state).members;
        match user::name(parts.headers.get("x-user").map(|name| name.as_bytes())) {
            Some(name) if members.contains(&name.as_str()) => Ok(Self(name)),
            _ => Err((StatusCode::PAYMENT_REQUIRED, "members only")),
        }
    }
}

#[tokio::test]
async fn values_of_extractors_are_known_to_authorize_and_run_and_rejections_are_the_extractors_own() {
    let head_start = user::head_start(|extensions| {
        let (State(app), Member(name)) = extensions.get::<(State<App>, Member)>()?;
        app.members.contains(&name.as_str()).then(|| User(name.clone()))
    });
    let app = Router::new()
        .route(PATH, headstart_axum::post_with::<(State<App>, Member), _>(head_start))
        .with_state(App { members: &["ada"] });
    let (addr, _stop, _served) = serve(app).await;
    assert_eq!(greeting(addr, "ada", "ada:1").await, (StatusCode::OK, "Hello ada".to_owned()));

    let request = post().header("x-user", "eve").body(full(message("eve:1"))).unwrap();
    let mut rejected = send(addr, request).await;
    assert_eq!(rejected.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(rejected.bytes().await, "members only");
}

#[tokio::test]
async fn a_router_with_state_takes_it_beside_other_routes() {
    let world = World::new();
    let hello = get(|State(hello): State<&'static str>| async move { hello });
    let app = Router::new().route("/", hello).head_start(PATH, world.head_start.clone()).with_state("hello");
    let (addr, _stop, _served) = serve(app).await;
    let mut response = send(addr, request(http::Method::GET, "/").body(full("")).unwrap()).await;
    assert_eq!(response.bytes().await, "hello");
    let mut response = send_message(addr, "beside").await;
    assert!(response.bytes().await.starts_with(b"data: "));
}

#[tokio::test]
async fn a_graceful_shutdown_that_drains_waits_for_no_turn_and_loses_none() {
    let world = World::new();
    world.close_gate();
    let app = Router::new().route(PATH, headstart_axum::post(world.head_start.clone()));
    let (addr, stop, served) = serve(app).await;
    let mut open = send_message(addr, "open").await;
    open.read_until(FIRST).await;

    stop.send(()).unwrap();
    let left = world.head_start.drain(Duration::from_millis(800)).await;
    assert_eq!(left, 0);
    tokio::time::timeout(Duration::from_secs(5), served).await.expect("the server stops").unwrap();
    let (_, is_clean) = open.rest().await;
    assert!(!is_clean, "the page resumes what is cut off");
    assert_eq!(world.sessions.handover("open").await["kind"], "handover");
}
