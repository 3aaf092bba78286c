//! The handler in front of another service, for one path.

use std::{
    convert::Infallible,
    future::{Future, Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use headstart_core::{Body, HeadStart};
use http_body::{Frame, SizeHint};
use tower_layer::Layer;
use tower_service::Service;

/// Answers one path; every other request goes to the inner service untouched.
#[derive(Debug, Clone)]
pub struct HeadStartLayer {
    path: Arc<str>,
    head_start: HeadStart,
}

impl HeadStartLayer {
    /// For exactly this path.
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
        PathService { path: self.path.clone(), head_start: self.head_start.clone(), inner }
    }
}

/// The service that a [`HeadStartLayer`] makes.
#[derive(Debug, Clone)]
pub struct PathService<S> {
    path: Arc<str>,
    head_start: HeadStart,
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
    type Response = http::Response<EitherBody<R>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if request.uri().path() == &*self.path {
            let head_start = self.head_start.clone();
            return Box::pin(async move { Ok(head_start.handle(request).await.map(EitherBody::HeadStart)) });
        }
        let inner = self.inner.call(request);
        Box::pin(async move { Ok(inner.await?.map(EitherBody::Inner)) })
    }
}

/// Answers everything with 404.
#[derive(Debug, Clone, Copy)]
pub struct NotFound;

impl<B> Service<http::Request<B>> for NotFound {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: http::Request<B>) -> Self::Future {
        let mut response = http::Response::new(Body::full(Bytes::new()));
        *response.status_mut() = http::StatusCode::NOT_FOUND;
        ready(Ok(response))
    }
}

/// A body of head start, or of the inner service.
#[derive(Debug)]
pub enum EitherBody<B> {
    /// Head start's.
    HeadStart(Body),
    /// The inner service's.
    Inner(B),
}

impl<B> http_body::Body for EitherBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::HeadStart(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Self::Inner(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::HeadStart(body) => body.is_end_stream(),
            Self::Inner(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::HeadStart(body) => body.size_hint(),
            Self::Inner(body) => body.size_hint(),
        }
    }
}
