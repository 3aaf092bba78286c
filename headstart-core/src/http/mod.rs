//! HTTP in and out, without any framework: what an adapter passes in, and what it sends back.

mod body;
mod json_shape;
mod problem;
mod request;
mod request_id;
mod response;
pub(crate) mod view;

pub use body::Body;
pub(crate) use body::sse_body;
pub use problem::{Problem, ProblemKind};
pub use request::{BodyFields, FirstTurnRequest, Limits, MessageTrigger};
pub(crate) use request::{parse, read_json, read_request};
pub(crate) use request_id::RequestId;
pub use response::exposed_headers;
pub(crate) use response::stream_response;
pub(crate) use view::ViewSender;
