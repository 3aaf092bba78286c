//! Waiting for what must come, and not for ever.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout};

/// Waits until `condition` holds; `false` when it does not within `longest`.
pub async fn until<Fut: Future<Output = bool>>(
    longest: Duration,
    mut condition: impl FnMut() -> Fut,
) -> bool {
    let by = Instant::now() + longest;
    loop {
        if condition().await {
            return true;
        }
        if Instant::now() >= by {
            return false;
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// The output of what must not take longer than `longest`.
///
/// # Panics
/// When it does.
pub async fn within<T>(longest: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match timeout(longest, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what} took longer than {longest:?}"),
    }
}
