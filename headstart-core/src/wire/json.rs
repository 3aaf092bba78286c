//! Opaque JSON that is carried, not understood.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use serde_json::value::RawValue;

/// A JSON value kept as text: never re-ordered, never rounded, cheap to clone.
///
/// Tool inputs, provider metadata and everything else that head start only passes on travels in this
/// type, so that what a model said reaches the agent byte for byte. The text is always on one line: white
/// space between tokens is dropped when the value is made, because a line break inside would end a
/// Server-Sent Events frame.
///
/// ```
/// use headstart_core::wire::Json;
///
/// let input: Json = serde_json::from_str("{ \"city\": \"Paris\",\n \"days\": 1.0 }")?;
/// assert_eq!(input.as_str(), r#"{"city":"Paris","days":1.0}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct Json(Arc<RawValue>);

impl Json {
    /// Checks and keeps a JSON text.
    ///
    /// # Errors
    /// When `text` is not exactly one JSON value.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Serialises a value.
    ///
    /// # Errors
    /// When `value` cannot be represented in JSON (a map whose keys are not strings, say).
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::value::to_raw_value(value).map(Self::from)
    }

    /// The empty object, `{}`.
    #[must_use]
    pub fn empty_object() -> Self {
        Self::literal("{}")
    }

    /// The value `null`.
    #[must_use]
    pub fn null() -> Self {
        Self::literal("null")
    }

    /// A JSON string with this content.
    #[must_use]
    pub fn string(content: &str) -> Self {
        Self::from_value(&serde_json::Value::from(content))
    }

    /// Serialises a value that is JSON already.
    #[must_use]
    pub fn from_value(value: &serde_json::Value) -> Self {
        Self::literal(&value.to_string())
    }

    /// The compact text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Reads the value as a `T`.
    ///
    /// # Errors
    /// When the value has another shape.
    pub fn to<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.as_str())
    }

    /// The value as a tree.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        self.to().unwrap_or_default()
    }

    /// Is it an object?
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.as_str().starts_with('{')
    }

    /// Is it `null`?
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }

    /// `text` must be JSON; `null` stands in for what cannot happen.
    fn literal(text: &str) -> Self {
        RawValue::from_string(text.to_owned()).map_or_else(|_| Self::null(), Self::from)
    }
}

impl From<Box<RawValue>> for Json {
    fn from(raw: Box<RawValue>) -> Self {
        match compact(raw.get()) {
            None => Self(raw.into()),
            Some(text) => Self(RawValue::from_string(text).unwrap_or(raw).into()),
        }
    }
}

/// The text without white space between tokens; `None` when there is none. `text` must be valid JSON.
fn compact(text: &str) -> Option<String> {
    let mut in_string = false;
    let mut escaped = false;
    let mut outside = |byte: u8| {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            return false;
        }
        in_string = byte == b'"';
        matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
    };
    let first = text.bytes().position(&mut outside)?;
    let mut kept = Vec::with_capacity(text.len());
    kept.extend_from_slice(&text.as_bytes()[..first]);
    kept.extend(text.bytes().skip(first + 1).filter(|&byte| !outside(byte)));
    String::from_utf8(kept).ok()
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_space_between_tokens_goes_and_inside_strings_stays() {
        let json = Json::parse("[ 1 ,\t\"a \\\" b\\\\\" , { \"k\" :\r\n null } ]").unwrap();
        assert_eq!(json.as_str(), "[1,\"a \\\" b\\\\\",{\"k\":null}]");
    }

    #[test]
    fn numbers_and_key_order_survive() {
        let text = r#"{"z":1.0,"a":123456789012345678901234567890,"m":1e400}"#;
        assert_eq!(Json::parse(text).unwrap().as_str(), text);
    }

    proptest! {
        #[test]
        fn compacting_keeps_the_value(value in any::<Vec<(String, i64)>>()) {
            let value = serde_json::to_value(&value).unwrap();
            let pretty = Json::parse(&serde_json::to_string_pretty(&value).unwrap()).unwrap();
            prop_assert_eq!(pretty.to_value(), value.clone());
            prop_assert_eq!(pretty.as_str(), value.to_string());
        }
    }
}
