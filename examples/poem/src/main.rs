//! poem.

use headstart_core::AllowAnyone;
use headstart_example_common::{Error, builder, listen};
use headstart_tower::HeadStartService;
use poem::{Route, Server, endpoint::TowerCompatExt, listener::TcpAcceptor};

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Who may use which chat; the examples of axum and actix-web ask for a user.
    let head_start = builder()?.authorize(AllowAnyone).build()?;
    let app = Route::new().at("/api/chat", HeadStartService::new(head_start).compat());
    // This server ends a response that is cut off as if it were whole; see docs/adapters.md, "poem".
    Server::new_with_acceptor(TcpAcceptor::from_std(listen()?)?).run(app).await?;
    Ok(())
}
