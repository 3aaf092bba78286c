//! `providerOptions`: `{"<provider>": {…}}`, of a request, a message, a part or a tool.

use std::collections::HashMap;

use headstart_core::{step::StepError, wire::Json};
use serde::de::DeserializeOwned;

use crate::unsupported;

/// What they say to this provider.
pub(crate) fn of(options: Option<&Json>, provider: &str) -> Option<Json> {
    options?.to::<HashMap<String, Json>>().ok()?.remove(provider).filter(|options| !options.is_null())
}

/// Options of a message or part, which may come from a browser: unreadable ones are none.
pub(crate) fn lenient<T: DeserializeOwned + Default>(options: Option<&Json>, provider: &str) -> T {
    of(options, provider).and_then(|options| options.to().ok()).unwrap_or_default()
}

/// Options of a request, which the application wrote.
///
/// # Errors
/// When they are not what they should be: an option without effect is worse than an error.
pub(crate) fn strict<T: DeserializeOwned + Default>(
    options: Option<&Json>,
    provider: &str,
) -> Result<T, StepError> {
    of(options, provider).map_or_else(
        || Ok(T::default()),
        |options| options.to().map_err(|error| unsupported(format!("providerOptions.{provider}: {error}"))),
    )
}
