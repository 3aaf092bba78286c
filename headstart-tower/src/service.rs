//! The handler as a service.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use headstart_core::{Body, HeadStart};
use tower_service::Service;

/// Answers every request it gets. Cheap to clone; always ready; never fails: errors are responses.
#[derive(Debug, Clone)]
pub struct HeadStartService(HeadStart);

impl HeadStartService {
    /// Of this handler.
    #[must_use]
    pub fn new(head_start: HeadStart) -> Self {
        Self(head_start)
    }
}

impl<B> Service<http::Request<B>> for HeadStartService
where
    B: http_body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let head_start = self.0.clone();
        Box::pin(async move { Ok(head_start.handle(request).await) })
    }
}
