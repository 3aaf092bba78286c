//! poem.

use std::net::TcpListener;

use headstart_core::http::exposed_headers;
use headstart_tower::HeadStartService;
use http::Method;
use poem::{
    EndpointExt, Route, Server, endpoint::TowerCompatExt, get, handler, listener::TcpAcceptor,
    middleware::Cors,
};

use crate::{Served, Site};

#[handler]
fn health() -> &'static str {
    "ok"
}

pub(crate) async fn serve(listener: TcpListener, site: Site) -> Served {
    let mut app = Route::new().at("/health", get(health));
    for (path, head_start) in site.routes {
        app = app.at(path, HeadStartService::new(head_start).compat());
    }
    let cors = site.cors.map(|origin| {
        Cors::new().allow_origin(origin).allow_method(Method::POST).expose_headers(exposed_headers())
    });
    let app = app.with_if(cors.is_some(), cors.unwrap_or_default());
    Ok(Server::new_with_acceptor(TcpAcceptor::from_std(listener)?).run(app).await?)
}
