//! Provider metadata: `{"<provider>": {…}}`.

use headstart_core::wire::{Json, ProviderMetadata};
use serde::Serialize;

/// Metadata of this provider.
pub(crate) fn metadata<T: Serialize>(provider: &'static str, value: &T) -> Option<ProviderMetadata> {
    Json::from_serialize(&std::collections::BTreeMap::from([(provider, value)])).ok()
}
