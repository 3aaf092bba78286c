//! The runtime a turn needs: somebody who runs tasks and knows the time.

use std::{future::Future, pin::Pin, time::Duration};

/// A task of this crate.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
/// A wait of this crate.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Runs tasks and tells the time. The default is tokio; another one makes this crate run where tokio does
/// not (an edge worker, say).
pub trait Runtime: Send + Sync + 'static {
    /// Runs a task to its end, whoever is still interested.
    fn spawn(&self, task: Task);

    /// Waits.
    fn sleep(&self, span: Duration) -> Sleep;

    /// The time since some fixed moment.
    fn now(&self) -> Duration;
}

/// The tokio runtime: a given one, or the one the request came in on.
///
/// Turns outlive requests, and a request's runtime may end with its worker (actix-web): a
/// [`HeadStart`](crate::HeadStart) that is given no runtime takes the one it is [built in](Self::of_builder).
#[derive(Debug, Clone)]
pub struct TokioRuntime {
    handle: Option<tokio::runtime::Handle>,
    origin: tokio::time::Instant,
}

impl TokioRuntime {
    /// Whatever runtime the request came in on.
    #[must_use]
    pub fn current() -> Self {
        Self { handle: None, origin: tokio::time::Instant::now() }
    }

    /// The one this is called in; outside of any, whatever runtime the request came in on.
    #[must_use]
    pub fn of_builder() -> Self {
        Self { handle: tokio::runtime::Handle::try_current().ok(), origin: tokio::time::Instant::now() }
    }

    /// This one.
    #[must_use]
    pub fn with_handle(handle: tokio::runtime::Handle) -> Self {
        Self { handle: Some(handle), origin: tokio::time::Instant::now() }
    }
}

impl Runtime for TokioRuntime {
    fn spawn(&self, task: Task) {
        match &self.handle {
            Some(handle) => handle.spawn(task),
            None => tokio::spawn(task),
        };
    }

    fn sleep(&self, span: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(span))
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{runtime, sync::oneshot};

    fn runtime() -> runtime::Runtime {
        runtime::Builder::new_current_thread().build().unwrap()
    }

    #[test]
    fn turns_outlive_the_runtime_of_their_request() {
        let (main, worker) = (runtime(), runtime());
        let of_builder = main.block_on(async { TokioRuntime::of_builder() });
        let (begin, begun) = oneshot::channel::<()>();
        let (finish, finished) = oneshot::channel();
        worker.block_on(async {
            of_builder.spawn(Box::pin(async move {
                begun.await.unwrap();
                finish.send(()).unwrap();
            }));
        });
        drop(worker);
        begin.send(()).unwrap();
        main.block_on(finished).unwrap();
    }
}
