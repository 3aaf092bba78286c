//! Objects that say what they are in a `type` (or `role`) field.

/// Implements `Deserialize` for an enum whose variants hold one struct each, chosen by a tag field; a tag
/// nobody knows is kept whole in the last variant. Serde's own internally tagged enums buffer the value,
/// which [`Json`](super::Json) fields (raw text) do not survive.
macro_rules! deserialize_tagged {
    ($name:ident, $tag:literal, { $($key:literal => $variant:ident),+ $(,)? }, else $other:ident) => {
        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(serde::Deserialize)]
                struct Tag<'a> {
                    #[serde(rename = $tag, borrow)]
                    tag: std::borrow::Cow<'a, str>,
                }
                let raw = <Box<serde_json::value::RawValue>>::deserialize(deserializer)?;
                let text = raw.get();
                let tag: Tag<'_> = serde_json::from_str(text).map_err(serde::de::Error::custom)?;
                match &*tag.tag {
                    $($key => serde_json::from_str(text).map($name::$variant),)+
                    _ => Ok($name::$other(crate::wire::Json::from(raw.clone()))),
                }
                .map_err(serde::de::Error::custom)
            }
        }
    };
}

/// A field that always has one value, such as `role: "user"`.
macro_rules! constant {
    ($(#[$doc:meta])* $name:ident = $text:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            #[doc = concat!("`", $text, "`")]
            #[default]
            #[serde(rename = $text)]
            Value,
        }
    };
}

pub(crate) use {constant, deserialize_tagged};
