//! salvo.

use headstart_core::AllowAnyone;
use headstart_example_common::{Error, builder, listen};
use headstart_tower::HeadStartService;
use salvo::{Router, Server, conn::tcp::TcpAcceptor, http::ReqBody, prelude::TowerServiceCompat};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Error> {
    // Who may use which chat; the examples of axum and actix-web ask for a user.
    let head_start = builder()?.authorize(AllowAnyone).build()?;
    let chat = TowerServiceCompat::<ReqBody, _, _, _>::compat(HeadStartService::new(head_start));
    let app = Router::with_path("api/chat").goal(chat);
    Server::new(TcpAcceptor::try_from(TcpListener::from_std(listen()?)?)?).try_serve(app).await?;
    Ok(())
}
