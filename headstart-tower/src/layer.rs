//! The handler in front of another service, for one path.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use headstart_core::{Body, HeadStart};
use tower_layer::Layer;
use tower_service::Service;

use crate::{HeadStartService, PathBody};

/// Answers one path; every other request goes to the inner service untouched.
///
/// ```
/// use headstart_core::HeadStart;
/// use headstart_tower::{HeadStartLayer, NotFound, PathService};
/// use tower_layer::Layer;
///
/// fn in_front_of<S>(app: S, head_start: HeadStart) -> PathService<S> {
///     HeadStartLayer::new("/api/chat", head_start).layer(app)
/// }
///
/// fn alone(head_start: HeadStart) -> PathService<NotFound> {
///     HeadStartLayer::new("/api/chat", head_start).into_service()
/// }
/// ```
#[derive(Debug, Clone)]
pub struct HeadStartLayer {
    path: Arc<str>,
    head_start: HeadStart,
}

impl HeadStartLayer {
    /// For exactly this path, as it comes in here: behind a router that cuts a prefix off, without it.
    #[must_use]
    pub fn new(path: &str, head_start: HeadStart) -> Self {
        Self { path: path.into(), head_start }
    }

    /// Without an inner service: other paths are not found.
    #[must_use]
    pub fn into_service(self) -> PathService<NotFound> {
        self.layer(NotFound)
    }
}

impl<S> Layer<S> for HeadStartLayer {
    type Service = PathService<S>;

    fn layer(&self, inner: S) -> PathService<S> {
        PathService {
            path: self.path.clone(),
            head_start: HeadStartService::new(self.head_start.clone()),
            inner,
        }
    }
}

/// The service that a [`HeadStartLayer`] makes. As ready as its inner service is.
#[derive(Debug, Clone)]
pub struct PathService<S> {
    path: Arc<str>,
    head_start: HeadStartService,
    inner: S,
}

impl<S, B, R> Service<http::Request<B>> for PathService<S>
where
    S: Service<http::Request<B>, Response = http::Response<R>>,
    S::Future: Send + 'static,
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = http::Response<PathBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if request.uri().path() == &*self.path {
            let answer = self.head_start.call(request);
            return Box::pin(async move {
                let Ok(response) = answer.await;
                Ok(response.map(PathBody::head_start))
            });
        }
        let inner = self.inner.call(request);
        Box::pin(async move { Ok(inner.await?.map(PathBody::inner)) })
    }
}

/// Answers everything with 404.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotFound;

impl<B> Service<http::Request<B>> for NotFound {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: http::Request<B>) -> Self::Future {
        let mut response = http::Response::new(Body::default());
        *response.status_mut() = http::StatusCode::NOT_FOUND;
        ready(Ok(response))
    }
}
