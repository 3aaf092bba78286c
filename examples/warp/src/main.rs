//! warp: its filters cannot host a service, so head start goes in front of them.

use headstart_core::AllowAnyone;
use headstart_example_common::{Error, builder, listen};
use headstart_tower::HeadStartLayer;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::net::TcpListener;
use tower_layer::Layer;
use warp::Filter;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Who may use which chat; the examples of axum and actix-web ask for a user.
    let head_start = builder()?.authorize(AllowAnyone).build()?;
    let filters = warp::path!("hello").map(|| "Hello from warp.".to_owned());
    let app = HeadStartLayer::new("/api/chat", head_start).layer(warp::service(filters));

    let listener = TcpListener::from_std(listen()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            // A connection that breaks is no news: the browser left.
            drop(server.serve_connection(TokioIo::new(stream), service).await);
        });
    }
}
