//! Pages on another origin: the framework's own CORS layer around the handler.

use http::{HeaderValue, Method, StatusCode};

use crate::{
    client::{Response, full, message, post, request, send},
    mount::Mount,
    world::{PATH, World},
};

const ORIGIN: &str = "https://app.example.com";

fn assert_readable(response: &Response) {
    assert_eq!(response.header("access-control-allow-origin"), Some(ORIGIN));
    let exposed: Vec<String> = response
        .headers
        .get_all("access-control-expose-headers")
        .iter()
        .flat_map(|value| value.to_str().unwrap().split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    for name in headstart_core::http::exposed_headers() {
        assert!(exposed.iter().any(|known| known == name.as_str()), "{name} is not exposed: {exposed:?}");
    }
}

pub(crate) async fn answers_and_problems_have_cors_headers(mount: Mount) {
    let world = World::new();
    let mut site = world.site();
    site.cors = Some(HeaderValue::from_static(ORIGIN));
    let server = mount.serve(site).await;
    let post = || post().header("origin", ORIGIN);

    let mut response = send(server.addr, post().body(full(message("cors"))).unwrap()).await;
    assert_eq!(response.status, StatusCode::OK);
    assert_readable(&response);
    response.bytes().await;

    let response = send(server.addr, post().body(full("{}")).unwrap()).await;
    assert_readable(&response);
    response.problem(StatusCode::BAD_REQUEST, "invalid-request").await;

    let request = post().header("x-user", "nobody").body(full(message("cors"))).unwrap();
    let response = send(server.addr, request).await;
    assert_readable(&response);
    response.problem(StatusCode::UNAUTHORIZED, "unauthenticated").await;

    world.head_start.drain(std::time::Duration::from_secs(1)).await;
    let response = send(server.addr, post().body(full(message("late"))).unwrap()).await;
    assert_readable(&response);
    response.problem(StatusCode::SERVICE_UNAVAILABLE, "busy").await;
}

pub(crate) async fn a_preflight_is_answered_by_the_cors_layer(mount: Mount) {
    let world = World::new();
    let mut site = world.site();
    site.cors = Some(HeaderValue::from_static(ORIGIN));
    let server = mount.serve(site).await;
    let preflight = request(Method::OPTIONS, PATH)
        .header("origin", ORIGIN)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    let response = send(server.addr, preflight.body(full("")).unwrap()).await;
    assert!(response.status.is_success(), "{}", response.status);
    assert_eq!(response.header("access-control-allow-origin"), Some(ORIGIN));
    let allowed = response.header("access-control-allow-headers").unwrap().to_ascii_lowercase();
    assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{allowed}");
    assert!(response.header("access-control-allow-methods").unwrap().contains("POST"));
    assert_eq!(world.sessions.count(), 0);
}
