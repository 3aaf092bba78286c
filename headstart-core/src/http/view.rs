//! What lies between a turn and its response body: a queue bounded in frames and in bytes. A browser that does
//! not read fills it, and loses its view; the turn does not wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::turn::ViewLoss;

#[derive(Debug)]
pub(crate) enum ViewItem {
    Frame(Bytes),
    /// The body ends here, cleanly. One that just stops is cut off.
    End,
}

pub(crate) struct ViewSender {
    items: mpsc::Sender<ViewItem>,
    waiting: Arc<AtomicUsize>,
    most: usize,
}

pub(crate) struct ViewReceiver {
    items: mpsc::Receiver<ViewItem>,
    waiting: Arc<AtomicUsize>,
}

/// A queue of so many frames, and of so many bytes besides the first frame.
pub(crate) fn channel(frames: usize, bytes: usize) -> (ViewSender, ViewReceiver) {
    // One place more than asked for: the end must always fit.
    let (sender, receiver) = mpsc::channel(frames.saturating_add(1).min(usize::MAX >> 4));
    let waiting = Arc::new(AtomicUsize::new(0));
    let view = ViewReceiver { items: receiver, waiting: waiting.clone() };
    (ViewSender { items: sender, waiting, most: bytes }, view)
}

impl ViewSender {
    /// Queues a frame, if there is somebody to read it, and room.
    pub(crate) fn show(&self, frame: Bytes) -> Result<(), ViewLoss> {
        if self.items.is_closed() {
            return Err(ViewLoss::Left);
        }
        let length = frame.len();
        let before = self.waiting.fetch_add(length, Ordering::Relaxed);
        let fits = before == 0 || before + length <= self.most;
        let is_shown =
            fits && self.items.capacity() > 1 && self.items.try_send(ViewItem::Frame(frame)).is_ok();
        if is_shown { Ok(()) } else { Err(ViewLoss::Slow) }
    }

    pub(crate) fn end(&self) {
        // If it is gone, it needs no end.
        drop(self.items.try_send(ViewItem::End));
    }

    /// Is there room for so many frames, and for as many bytes as are waiting already?
    pub(crate) fn has_room(&self, frames: usize) -> bool {
        self.items.capacity() >= self.places(frames) && !self.is_full_of_bytes()
    }

    /// Waits until there may be room again.
    pub(crate) async fn room(&self, frames: usize) {
        // The permits go back at once: only the waiting counts. A queue full of bytes rather than of frames
        // is waited for until it is empty.
        let places = if self.is_full_of_bytes() { self.items.max_capacity() } else { self.places(frames) };
        drop(self.items.reserve_many(places).await);
    }

    /// So many, or half of a queue that is small.
    fn places(&self, frames: usize) -> usize {
        frames.min(self.items.max_capacity().div_ceil(2))
    }

    fn is_full_of_bytes(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > self.most / 2
    }

    pub(crate) async fn closed(&self) {
        self.items.closed().await;
    }
}

impl ViewReceiver {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<ViewItem>> {
        let item = self.items.poll_recv(cx);
        if let Poll::Ready(Some(ViewItem::Frame(frame))) = &item {
            self.waiting.fetch_sub(frame.len(), Ordering::Relaxed);
        }
        item
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_waited_for_room_finds_it_in_a_small_queue_too() {
        let (sender, mut view) = channel(8, 1000);
        while sender.show(Bytes::from_static(b"12345678")).is_ok() {}
        assert!(!sender.has_room(64));
        for _ in 0..4 {
            assert!(view.items.recv().await.is_some());
        }
        sender.room(64).await;
        assert!(sender.has_room(64), "else the turn would ask again and again");
    }

    #[test]
    fn frames_and_bytes_are_bounded_and_the_end_always_fits() {
        let frame = || Bytes::from_static(b"12345678");
        let (sender, _view) = channel(2, 1000);
        assert!(sender.show(frame()).is_ok() && sender.show(frame()).is_ok());
        assert_eq!(sender.show(frame()), Err(ViewLoss::Slow), "a third frame");
        sender.end();

        let (sender, _view) = channel(100, 16);
        assert!(sender.show(frame()).is_ok() && sender.show(frame()).is_ok());
        assert_eq!(sender.show(frame()), Err(ViewLoss::Slow), "a 17th byte");

        let (sender, _view) = channel(100, 4);
        assert!(sender.show(frame()).is_ok(), "one frame fits always");
    }

    /// What is done about it differs: see [`OnDisconnect`](crate::turn::OnDisconnect).
    #[test]
    fn who_has_left_is_not_taken_for_slow() {
        let (sender, view) = channel(2, 1000);
        drop(view);
        assert_eq!(sender.show(Bytes::from_static(b"12345678")), Err(ViewLoss::Left));
    }
}
