//! The same first message once more, after whoever had it is gone.

use std::{net::SocketAddr, time::Duration};

use headstart_dev::DevPlatform;

use crate::{
    fate::Fate,
    model::Order,
    page::{self, Answer, End, Shown},
    wait::within,
};

const IN_TIME: Duration = Duration::from_secs(20);

/// Posts the message again, and checks that it is answered once, for this page and for one that comes later.
///
/// # Panics
/// When it is not.
pub async fn post_again(platform: &DevPlatform, server: SocketAddr, chat: &str, order: Order) -> Shown {
    let Answer::Stream(mut response) = page::post(server, chat, order).await else {
        panic!("{chat} is refused")
    };
    let mut shown = Shown::default();
    let end = within(IN_TIME, "the second response", response.read_into(&mut shown)).await;
    assert_eq!((end, shown.is_complete, shown.orphans), (End::Clean, true, 0), "{chat}");
    assert!(order.is_whole(&shown.text()), "{chat}: {:?}", shown.text());
    assert_eq!(Fate::of(platform, chat, order).await, Fate::Kept, "{chat}");
    let later = page::resume(platform.url(), &response.token, chat, Shown::default(), IN_TIME).await;
    assert_eq!((later.text(), later.orphans), (shown.text(), 0), "{chat}");
    shown
}
