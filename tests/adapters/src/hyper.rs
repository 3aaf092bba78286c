//! hyper, with nothing but hyper-util: a tower service for each connection.

use std::{
    convert::Infallible,
    error::Error,
    future::Future,
    net::TcpListener,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use headstart_core::{Body, HeadStart};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tower_layer::Layer;
use tower_service::Service;

use crate::{Served, Site};

pub(crate) async fn serve(listener: TcpListener, site: Site) -> Served {
    let paths = Paths(site.routes.into());
    match site.cors {
        Some(origin) => serve_service(listener, headstart_tower::cors(origin).layer(paths)).await,
        None => serve_service(listener, paths).await,
    }
}

/// Serves any tower service on HTTP/1 and HTTP/2.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve_service<S, B>(listener: TcpListener, service: S) -> Served
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let listener = tokio::net::TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            // A connection that breaks is no news here: the browser left, or a turn was cut off.
            drop(builder.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}

/// A handler for each path.
#[derive(Debug, Clone)]
struct Paths(Arc<[(String, HeadStart)]>);

impl Service<Request<Incoming>> for Paths {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let path = request.uri().path();
        let head_start =
            self.0.iter().find(|(known, _)| known == path).map(|(_, head_start)| head_start.clone());
        let is_health = path == "/health";
        Box::pin(async move {
            Ok(match head_start {
                Some(head_start) => head_start.handle(request).await,
                None if is_health => Response::new(Body::full("ok")),
                None => {
                    let mut response = Response::new(Body::full("not found"));
                    *response.status_mut() = StatusCode::NOT_FOUND;
                    response
                }
            })
        })
    }
}
