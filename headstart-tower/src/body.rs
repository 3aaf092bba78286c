//! The body of two services in one place.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use headstart_core::Body;
use http_body::{Frame, SizeHint};
use http_body_util::Either;
use pin_project_lite::pin_project;

pin_project! {
    /// A response body of head start, or of the inner service: `Send`, `Sync` and `Unpin` if the inner one is.
    #[derive(Debug)]
    pub struct PathBody<B> {
        #[pin]
        body: Either<Body, B>,
    }
}

impl<B> PathBody<B> {
    pub(crate) fn head_start(body: Body) -> Self {
        Self { body: Either::Left(body) }
    }

    pub(crate) fn inner(body: B) -> Self {
        Self { body: Either::Right(body) }
    }
}

/// Nothing; what layers that answer in the service's place begin with.
impl<B> Default for PathBody<B> {
    fn default() -> Self {
        Self::head_start(Body::default())
    }
}

impl<B> http_body::Body for PathBody<B>
where
    Either<Body, B>: http_body::Body,
{
    type Data = <Either<Body, B> as http_body::Body>::Data;
    type Error = <Either<Body, B> as http_body::Body>::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
