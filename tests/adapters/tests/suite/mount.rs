//! Where the handler is mounted.

use std::net::TcpListener;

use headstart_test_adapters::{Framework, Served, Site, hyper::serve_service};
use headstart_tower::HeadStartLayer;
use tokio::task::JoinHandle;
use tower_layer::Layer;
use warp::Filter;

use crate::{client::Address, lambda};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Mount {
    Server(Framework),
    /// The same over HTTP/2 without TLS.
    Http2(Framework),
    /// poem on its own server.
    Poem,
    Warp,
    Lambda,
}

/// A server on a port of its own; it stops when this is dropped.
pub(crate) struct Server {
    pub(crate) addr: Address,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// A router of axum.
    pub(crate) async fn of(app: axum::Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        Self {
            addr: addr.into(),
            task: tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }),
        }
    }
}

impl Mount {
    pub(crate) async fn serve(self, site: Site) -> Server {
        if let Self::Lambda = self {
            return Server { addr: lambda::front().into(), task: tokio::spawn(lambda::serve(site)) };
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let served = match self {
                Self::Server(framework) | Self::Http2(framework) => {
                    headstart_test_adapters::serve(framework, listener, site).await
                }
                Self::Poem => headstart_test_adapters::poem::serve_on_poem(listener, site).await,
                _ => warp(listener, site).await,
            };
            served.unwrap();
        });
        let addr = if matches!(self, Self::Http2(_)) { Address::http2(addr) } else { addr.into() };
        Server { addr, task }
    }
}

/// warp's filters cannot host a service: head start goes in front of them.
async fn warp(listener: TcpListener, site: Site) -> Served {
    listener.set_nonblocking(true)?;
    let filters = warp::service(warp::path!("health").map(|| "ok"));
    let [(path, head_start)] = site.routes.try_into().expect("one route");
    let app = HeadStartLayer::new(&path, head_start).layer(filters);
    match site.cors {
        Some(origin) => serve_service(listener, headstart_tower::cors(origin).layer(app)).await,
        None => serve_service(listener, app).await,
    }
}
