//! salvo.

use std::net::TcpListener;

use headstart_core::http::exposed_headers;
use headstart_tower::HeadStartService;
use http::Method;
use salvo::{
    Router, Server, Service,
    conn::tcp::TcpAcceptor,
    cors::{AllowHeaders, Cors},
    handler,
    http::ReqBody,
    prelude::TowerServiceCompat,
};

use crate::{Served, Site};

#[handler]
async fn health() -> &'static str {
    "ok"
}

pub(crate) async fn serve(listener: TcpListener, site: Site) -> Served {
    let mut router = Router::new().push(Router::with_path("health").get(health));
    for (path, head_start) in site.routes {
        let head_start = HeadStartService::new(head_start);
        let handler = TowerServiceCompat::<ReqBody, _, _, _>::compat(head_start);
        router = router.push(Router::with_path(path.trim_start_matches('/')).goal(handler));
    }
    let mut service = Service::new(router);
    if let Some(origin) = site.cors {
        let cors = Cors::new()
            .allow_origin(origin)
            .allow_methods([Method::POST])
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(exposed_headers().to_vec());
        service = service.hoop(cors.into_handler());
    }
    let acceptor = TcpAcceptor::try_from(tokio::net::TcpListener::from_std(listener)?)?;
    Ok(Server::new(acceptor).try_serve(service).await?)
}
