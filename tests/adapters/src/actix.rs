//! actix-web.

use std::{error::Error, net::TcpListener};

use actix_web::{App, HttpServer, dev::Server, middleware::Condition, web};

use crate::{Served, Site};

pub(crate) async fn serve(listener: TcpListener, site: Site) -> Served {
    let server = server(listener, site)?;
    Ok(server.await?)
}

fn server(listener: TcpListener, site: Site) -> Result<Server, Box<dyn Error + Send + Sync>> {
    let origin = match &site.cors {
        Some(origin) => Some(origin.to_str()?.to_owned()),
        None => None,
    };
    let server = HttpServer::new(move || {
        let cors = Condition::new(origin.is_some(), headstart_actix::cors(origin.as_deref()));
        let mut app = App::new().wrap(cors).route("/health", web::get().to(|| async { "ok" }));
        for (path, head_start) in &site.routes {
            app = app.service(headstart_actix::resource(path, head_start.clone()));
        }
        app
    });
    Ok(server.workers(2).disable_signals().listen(listener)?.run())
}
