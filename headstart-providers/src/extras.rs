//! What a model is told that no request says: tools the provider runs, and fields this crate does not know.

use std::collections::BTreeMap;

use headstart_core::wire::Json;

#[derive(Debug, Clone, Default)]
pub(crate) struct Extras {
    pub(crate) server_tools: Vec<Json>,
    pub(crate) fields: BTreeMap<String, Json>,
}

/// The methods of a model that has `extras`.
macro_rules! with_extras {
    ($model:ty, $tool:literal, $field:literal) => {
        impl $model {
            /// A tool that the provider itself runs, in the API's own form. Such tools come behind those of
            /// the request, in the order they were given.
            #[doc = concat!("\n```\n# use serde_json::json;\n# fn with(model: headstart_providers::", stringify!($model), ") -> headstart_providers::", stringify!($model), " {\nmodel.server_tool(json!(", $tool, "))\n# }\n```")]
            #[must_use]
            pub fn server_tool(mut self, tool: serde_json::Value) -> Self {
                self.extras.server_tools.push(headstart_core::wire::Json::from_value(&tool));
                self
            }

            /// A field of every request's body that neither a request nor its options have. It comes last:
            /// of a field that comes twice, servers take the last one.
            #[doc = concat!("\n```\n# use serde_json::json;\n# fn with(model: headstart_providers::", stringify!($model), ") -> headstart_providers::", stringify!($model), " {\nmodel.body_field(", $field, ")\n# }\n```")]
            #[must_use]
            pub fn body_field(mut self, name: impl Into<String>, value: serde_json::Value) -> Self {
                self.extras.fields.insert(name.into(), headstart_core::wire::Json::from_value(&value));
                self
            }
        }
    };
}

pub(crate) use with_extras;
