//! The handler, and the routes beside it, as services.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use headstart_core::{Body, HeadStart, SessionRoutes};
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

/// Answers every request it gets by the last two segments of its path; see [`SessionRoutes`]. Cheap to clone;
/// always ready; never fails: errors are responses.
///
/// ```
/// use headstart_core::HeadStart;
/// use headstart_tower::{HeadStartLayer, PathService, SessionRoutesService};
/// use tower_layer::Layer;
///
/// // The handler, its session routes, and 404 for all else.
/// fn app(head_start: HeadStart) -> PathService<SessionRoutesService> {
///     let routes = SessionRoutesService::new(head_start.session_routes());
///     HeadStartLayer::new("/api/chat", head_start).layer(routes)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct SessionRoutesService(SessionRoutes);

impl SessionRoutesService {
    /// Of these routes.
    #[must_use]
    pub fn new(routes: SessionRoutes) -> Self {
        Self(routes)
    }
}

/// Requests go to `handle` of what is inside.
macro_rules! handles_requests {
    ($($service:ident)+) => {
        $(
            impl<B> Service<http::Request<B>> for $service
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
                    let handler = self.0.clone();
                    Box::pin(async move { Ok(handler.handle(request).await) })
                }
            }
        )+
    };
}

handles_requests! { HeadStartService SessionRoutesService }
