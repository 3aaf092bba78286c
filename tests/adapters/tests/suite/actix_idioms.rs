//! What actix's users expect beyond the rules.

use std::{
    future::{Ready, ready},
    net::{SocketAddr, TcpListener},
};

use actix_web::{
    App, FromRequest, HttpMessage, HttpRequest, HttpResponse, HttpServer,
    dev::{Payload, Server, ServerHandle, Service},
    error::ErrorPaymentRequired,
    middleware::Compress,
    web::{self, Data, ReqData, ServiceConfig},
};
use headstart_core::{HeadStart, OnDisconnect};
use http::StatusCode;

use crate::{
    client::{frames, full, message, post, send, send_message, text},
    user::{self, User},
    world::{FIRST, PATH, World, answer},
};

/// A server on threads of its own, as `#[actix_web::main]` has it; it stops when this is dropped.
struct Running {
    addr: SocketAddr,
    handle: ServerHandle,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Running {
    fn start(configure: impl FnOnce(TcpListener) -> Server + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (started, handle) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = configure(listener);
                started.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        Self { addr, handle: handle.recv().unwrap(), thread: Some(thread) }
    }

    fn of(configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> Self {
        Self::start(move |listener| {
            let server = HttpServer::new(move || {
                let app = App::new().wrap(Compress::default()).wrap_fn(|request, service| {
                    let header = request.headers().get("x-user").map(|name| name.as_bytes());
                    if let Some(name) = user::name(header) {
                        request.extensions_mut().insert(User(name));
                    }
                    service.call(request)
                });
                app.configure(configure.clone())
            });
            server.workers(1).disable_signals().listen(listener).unwrap().run()
        })
    }

    /// Stops at once, workers and all.
    async fn stop(&mut self) {
        self.handle.stop(false).await;
        let thread = self.thread.take().unwrap();
        tokio::task::spawn_blocking(move || thread.join().unwrap()).await.unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

#[tokio::test]
async fn what_a_middleware_left_for_handlers_is_known_to_authorize_and_run() {
    let head_start = user::head_start(|extensions| {
        let (app, user) = extensions.get::<(Data<String>, ReqData<User>)>()?;
        (app.as_str() == "state").then(|| User::clone(user))
    });
    let server = Running::of(move |config| {
        let chat = headstart_actix::post_with::<(Data<String>, ReqData<User>)>(head_start.clone());
        config
            .app_data(Data::new("state".to_owned()))
            .service(web::scope("/api").service(web::resource("/chat").route(chat)));
    });
    let request = post().header("x-user", "ada").body(full(message("ada:1"))).unwrap();
    let mut response = send(server.addr, request).await;
    assert_eq!(text(&frames(&response.bytes().await)), "Hello ada");
    let request = post().header("x-user", "eve").body(full(message("ada:2"))).unwrap();
    send(server.addr, request).await.problem(StatusCode::FORBIDDEN, "forbidden").await;
}

#[tokio::test]
async fn the_routes_beside_the_first_turn_know_the_user_too() {
    let head_start = user::head_start(|extensions| extensions.get::<ActixUser>()?.0.clone());
    let routes = head_start.session_routes();
    let server = Running::of(move |config| {
        config.service(headstart_actix::session_routes_with::<ActixUser>("/api/chat", routes.clone()));
    });
    user::starts_chats(server.addr).await;
}

/// Who is signed in, if anybody is.
#[derive(Clone)]
struct ActixUser(Option<User>);

impl FromRequest for ActixUser {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.extensions().get::<User>().cloned())))
    }
}

#[derive(Clone)]
struct Member;

impl FromRequest for Member {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(_request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Err(ErrorPaymentRequired("members only")))
    }
}

#[tokio::test]
async fn the_error_of_an_extractor_is_the_response() {
    let world = World::new();
    let head_start = world.head_start.clone();
    let server = Running::of(move |config| {
        let chat = headstart_actix::post_with::<Member>(head_start.clone());
        config.service(web::resource(PATH).route(chat));
    });
    let mut response = send_message(server.addr, "rejected").await;
    assert_eq!(response.status, StatusCode::PAYMENT_REQUIRED);
    assert_eq!(response.bytes().await, "members only");
    assert_eq!(world.sessions.count(), 0);
}

async fn chat(head_start: Data<HeadStart>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    headstart_actix::handle(&head_start, &request, payload).await
}

#[tokio::test]
async fn a_handler_of_ones_own_takes_it_from_data() {
    let world = World::new();
    let head_start = Data::new(world.head_start.clone());
    let server = Running::of(move |config| {
        config.app_data(head_start.clone()).route(PATH, web::post().to(chat));
    });
    let mut response = send_message(server.addr, "own").await;
    assert_eq!(text(&frames(&response.bytes().await)), answer());
}

#[tokio::test]
async fn compress_holds_nothing_back() {
    let world = World::new();
    world.close_gate();
    let head_start = world.head_start.clone();
    let server = Running::of(move |config| {
        config.service(headstart_actix::resource(PATH, head_start.clone()));
    });
    let request = post().header("accept-encoding", "gzip, br").body(full(message("zip"))).unwrap();
    let mut response = send(server.addr, request).await;
    assert_eq!(response.header("content-encoding"), Some("identity"));
    response.read_until(FIRST).await;
    world.open_gate();
    let rest = response.bytes().await;
    assert_eq!(FIRST.to_owned() + &text(&frames(&rest)), answer());
}

#[tokio::test]
async fn a_turn_outlives_the_worker_and_the_server() {
    let world = World::new();
    world.close_gate();
    let head_start = world.head_start.clone();
    let mut server = Running::of(move |config| {
        config.service(headstart_actix::resource(PATH, head_start.clone()));
    });
    let mut response = send_message(server.addr, "outlives").await;
    response.read_until(FIRST).await;
    server.stop().await;
    world.open_gate();
    assert_eq!(world.sessions.handover("outlives").await["isFinal"], true);
    assert_eq!(world.sessions.text("outlives"), answer());
}

#[tokio::test]
async fn without_half_closed_connections_a_browser_that_leaves_is_noticed_without_a_heartbeat() {
    let world = World::with(|builder| builder.on_disconnect(OnDisconnect::Abort));
    world.close_gate();
    let head_start = world.head_start.clone();
    let server = Running::start(move |listener| {
        let server =
            HttpServer::new(move || App::new().service(headstart_actix::resource(PATH, head_start.clone())));
        let server = server.h1_allow_half_closed(false).workers(1).disable_signals();
        server.listen(listener).unwrap().run()
    });
    let mut response = send_message(server.addr, "noticed").await;
    response.read_until(FIRST).await;
    drop(response);
    assert_eq!(world.sessions.handover("noticed").await["isFinal"], true);
    assert_eq!(world.sessions.text("noticed"), FIRST);
}
