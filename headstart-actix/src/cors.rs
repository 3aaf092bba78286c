//! For pages on another origin.

use actix_cors::Cors;
use headstart_core::http::exposed_headers;

/// Lets pages of these origins post, and read the headers that their transport needs.
///
/// Goes around the handler (and around authentication), so that problems carry its headers, too: without them
/// a page sees no status, only a network error. Any request header is allowed, and an answer to a preflight is
/// good for an hour; both may be changed on the middleware.
///
/// ```
/// use actix_web::App;
///
/// let app = App::new().wrap(headstart_actix::cors(["https://app.example.com"]));
/// # let _ = app;
/// ```
///
/// The browser's transport sends no cookies to another origin: authenticate by a header. An origin that is not
/// one makes the middleware refuse every request, and say so in the log.
pub fn cors<'a>(origins: impl IntoIterator<Item = &'a str>) -> Cors {
    let exposed = exposed_headers();
    let cors = Cors::default()
        .allowed_methods(["POST"])
        .allow_any_header()
        .expose_headers(exposed.iter().map(|name| name.as_str()))
        .max_age(3600);
    origins.into_iter().fold(cors, Cors::allowed_origin)
}
