//! axum.

use std::net::TcpListener;

use axum::{Router, routing::get};

use crate::{Served, Site};

pub(crate) async fn serve(listener: TcpListener, site: Site) -> Served {
    let mut app = Router::new().route("/health", get(|| async { "ok" }));
    for (path, head_start) in site.routes {
        app = app.route(&path, headstart_axum::post(head_start));
    }
    if let Some(origin) = site.cors {
        app = app.layer(headstart_axum::cors(origin));
    }
    Ok(axum::serve(tokio::net::TcpListener::from_std(listener)?, app).await?)
}
