//! poem.

use std::{convert::Infallible, net::TcpListener, sync::Arc};

use headstart_core::http::exposed_headers;
use headstart_tower::HeadStartService;
use http::{Method, Request, Response, uri::Scheme};
use hyper::body::Incoming;
use poem::{
    Addr, Endpoint, EndpointExt, Route, Server,
    endpoint::{BoxEndpoint, TowerCompatExt},
    get, handler,
    listener::TcpAcceptor,
    middleware::Cors,
    web::{LocalAddr, RemoteAddr},
};
use tower::service_fn;

use crate::{Served, Site, hyper::serve_service};

#[handler]
fn health() -> &'static str {
    "ok"
}

fn app(site: Site) -> BoxEndpoint<'static> {
    let mut app = Route::new().at("/health", get(health));
    for (path, head_start) in site.routes {
        app = app.at(path, HeadStartService::new(head_start).compat());
    }
    let cors = site.cors.map(|origin| {
        Cors::new().allow_origin(origin).allow_method(Method::POST).expose_headers(exposed_headers())
    });
    app.with_if(cors.is_some(), cors.unwrap_or_default()).boxed()
}

/// On hyper: poem's own server ends a response that was cut off as if it were whole.
pub(crate) async fn serve(listener: TcpListener, site: Site) -> Served {
    let addr = listener.local_addr()?;
    let app = Arc::new(app(site));
    let service = service_fn(move |request: Request<Incoming>| {
        let app = app.clone();
        async move {
            // The address of the browser is of no use here.
            let here = || Addr::SocketAddr(addr);
            let request = (request, LocalAddr(here()), RemoteAddr(here()), Scheme::HTTP);
            let response = app.get_response(request.into()).await;
            Ok::<Response<_>, Infallible>(response.into())
        }
    });
    serve_service(listener, service).await
}

/// On poem's own server.
///
/// # Errors
/// When the listener cannot be used.
pub async fn serve_on_poem(listener: TcpListener, site: Site) -> Served {
    listener.set_nonblocking(true)?;
    Ok(Server::new_with_acceptor(TcpAcceptor::from_std(listener)?).run(app(site)).await?)
}
