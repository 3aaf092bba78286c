//! The response body in the form that actix sends.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use headstart_core::Body;
use http_body::Body as _;

/// A body whose error aborts the connection.
pub(crate) struct ActixBody(Body);

impl ActixBody {
    pub(crate) fn new(body: Body) -> Self {
        Self(body)
    }
}

impl MessageBody for ActixBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        self.0.size_hint().exact().map_or(BodySize::Stream, BodySize::Sized)
    }

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, io::Error>>> {
        let frame = Pin::new(&mut self.0).poll_frame(cx);
        frame.map(|frame| Some(frame?.map(|frame| frame.into_data().unwrap_or_default())))
    }
}
