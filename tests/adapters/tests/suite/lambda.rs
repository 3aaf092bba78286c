//! AWS Lambda, as far as it can be had without AWS: the real `lambda_http` runtime against a server that speaks
//! the Runtime API, over real sockets.
//!
//! The runtime reads its address from the environment, so each test runs in a process of its own: the test
//! starts the Runtime API and then its own program again, as the function.

use std::{convert::Infallible, net::SocketAddr, process::Stdio, time::Duration};

use headstart_core::Body;
use headstart_test_adapters::Site;
use headstart_tower::HeadStartLayer;
use http::{Response, StatusCode};
use lambda_http::{Request, service_fn};
use tower_layer::Layer;

use crate::runtime_api;

const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// Where the function is called from outside.
pub(crate) fn front() -> SocketAddr {
    std::env::var(RUNTIME_API).unwrap().parse().unwrap()
}

/// Runs the function.
pub(crate) async fn serve(site: Site) {
    let [(path, head_start)] = site.routes.try_into().expect("one route");
    let app = HeadStartLayer::new(&path, head_start).layer(service_fn(others));
    let served = match site.cors {
        Some(origin) => {
            lambda_http::run_with_streaming_response(headstart_tower::cors(origin).layer(app)).await
        }
        None => lambda_http::run_with_streaming_response(app).await,
    };
    served.unwrap();
}

async fn others(request: Request) -> Result<Response<Body>, Infallible> {
    let mut response = Response::new(Body::full("ok"));
    if request.uri().path() != "/health" {
        *response.status_mut() = StatusCode::NOT_FOUND;
    }
    Ok(response)
}

/// Runs `rule` in the function's process, which the test's own process starts and watches.
pub(crate) fn run(test: &str, rule: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    if std::env::var_os(RUNTIME_API).is_some() {
        return runtime.block_on(rule);
    }
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let api = tokio::spawn(runtime_api::serve(listener));
        let function = tokio::process::Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(RUNTIME_API, addr.to_string())
            .envs([
                ("AWS_LAMBDA_FUNCTION_NAME", "chat"),
                ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
                ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_secs(60), function).await.expect("an end").unwrap();
        api.abort();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}\n{errors}");
        assert!(said.contains("1 passed"), "the rule was run: {said}");
    });
}
