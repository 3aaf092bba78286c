//! HTTP in and out, without any framework: what an adapter passes in, and what it sends back.

mod body;
mod problem;
mod request;
mod response;

pub use body::Body;
pub(crate) use body::{ViewItem, sse_body};
pub use problem::{Problem, ProblemKind};
pub(crate) use request::read_request;
pub use request::{BodyFields, FirstTurnRequest, Limits, MessageTrigger};
pub use response::exposed_headers;
pub(crate) use response::stream_response;
