//! The response body: one type, whatever it carries and whatever framework sends it.

use std::{
    fmt, io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use super::view::{ViewItem, ViewReceiver};
use crate::rt::{Runtime, Sleep};
use bytes::Bytes;
use http_body::{Frame, SizeHint};

/// A comment: every Server-Sent Events parser passes over it.
const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n\n");

/// The body of every response of this crate: `Send`, `Sync` and `Unpin`, so that any framework takes it.
///
/// Its only error means "abort the connection": the turn is not complete, and a clean end would tell the
/// browser that it is.
#[must_use]
pub struct Body(Inner);

enum Inner {
    Full(Option<Bytes>),
    Sse(Sse),
}

struct Sse {
    view: ViewReceiver,
    runtime: Arc<dyn Runtime>,
    keep_alive: Duration,
    timer: Sleep,
    is_cut: bool,
    is_over: bool,
}

impl Body {
    /// All of a body at once.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self(Inner::Full(Some(bytes.into())))
    }
}

/// Nothing; what layers that answer in the handler's place (CORS, say) begin with.
impl Default for Body {
    fn default() -> Self {
        Self(Inner::Full(None))
    }
}

/// A body that follows a turn, with a comment whenever nothing else came for `keep_alive`.
pub(crate) fn sse_body(view: ViewReceiver, runtime: Arc<dyn Runtime>, keep_alive: Duration) -> Body {
    let timer = runtime.sleep(keep_alive);
    Body(Inner::Sse(Sse { view, runtime, keep_alive, timer, is_cut: false, is_over: false }))
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.0 {
            Inner::Full(bytes) => {
                Poll::Ready(bytes.take().filter(|bytes| !bytes.is_empty()).map(|b| Ok(Frame::data(b))))
            }
            Inner::Sse(sse) => sse.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Inner::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Inner::Sse(sse) => sse.is_over,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Inner::Sse(_) => SizeHint::new(),
        }
    }
}

impl Sse {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let frame = match self.view.poll(cx) {
            Poll::Ready(Some(ViewItem::Frame(frame))) => frame,
            Poll::Ready(Some(ViewItem::End)) => {
                self.is_over = true;
                return Poll::Ready(None);
            }
            // Servers drop what they have not written yet when a body fails: they get a chance to.
            Poll::Ready(None) if !std::mem::replace(&mut self.is_cut, true) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(None) => {
                self.is_over = true;
                let cut = io::Error::new(io::ErrorKind::ConnectionAborted, "the turn is not complete");
                return Poll::Ready(Some(Err(cut)));
            }
            Poll::Pending => {
                ready!(self.timer.as_mut().poll(cx));
                KEEP_ALIVE
            }
        };
        self.timer = self.runtime.sleep(self.keep_alive);
        // The next poll registers the new timer.
        Poll::Ready(Some(Ok(Frame::data(frame))))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{http::view, rt::TokioRuntime};
    use http_body_util::BodyExt;

    fn body(view: ViewReceiver) -> Body {
        sse_body(view, Arc::new(TokioRuntime::current()), Duration::from_secs(1))
    }

    #[test]
    fn any_framework_takes_it() {
        fn takes<T: Send + Sync + Unpin + 'static>() {}
        takes::<Body>();
    }

    #[tokio::test]
    async fn a_body_that_just_stops_is_an_error_and_one_that_ends_is_not() {
        let (sender, view) = view::channel(4, 64);
        assert!(sender.show(Bytes::from_static(b"a")).is_ok());
        drop(sender);
        assert!(body(view).collect().await.is_err());

        let (sender, view) = view::channel(4, 64);
        assert!(sender.show(Bytes::from_static(b"a")).is_ok());
        sender.end();
        assert_eq!(body(view).collect().await.unwrap().to_bytes(), "a");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_filled_with_comments() {
        let (sender, view) = view::channel(4, 64);
        let mut body = body(view);
        for _ in 0..2 {
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), KEEP_ALIVE);
        }
        assert!(sender.show(Bytes::from_static(b"a")).is_ok());
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
    }
}
