//! What a tool gave as `content`: text, images and files.

use headstart_core::{
    step::StepError,
    wire::{FileData, Json},
};
use serde::Deserialize;

use crate::{
    files::{File, Source},
    unsupported,
};

/// One part, in any of the forms that agents have written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContentPart {
    r#type: String,
    text: Option<String>,
    data: Option<Json>,
    url: Option<String>,
    media_type: Option<String>,
}

/// Reads the parts.
///
/// # Errors
/// When it is no array of parts.
pub(crate) fn read(value: &Json) -> Result<Vec<ContentPart>, StepError> {
    value.to().map_err(|error| unsupported(format!("the content of a tool's result: {error}")))
}

impl ContentPart {
    /// A text (`Ok`) or a file (`Err`).
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn into_file(self) -> Result<Result<String, File>, StepError> {
        let kind = &*self.r#type;
        if kind == "text" {
            return Ok(Ok(self.text.unwrap_or_default()));
        }
        let is_image = kind.starts_with("image");
        let fallback = if is_image { "image/jpeg" } else { "application/pdf" };
        let media_type = self.media_type.as_deref().unwrap_or(fallback);
        let data = match (kind, self.url, self.data) {
            ("image-url" | "file-url", Some(url), _) => FileData::Url(url),
            ("image-data" | "file-data" | "media" | "file", _, Some(data)) => {
                data.to().map_err(|error| unsupported(format!("a tool's file: {error}")))?
            }
            _ => return Err(unsupported(format!("a tool's result of type {kind:?}"))),
        };
        // Nobody has uploaded what a tool has just made.
        let file = File::read(&data, media_type, "")?;
        match file.source {
            Source::Uploaded(_) => Err(file.refuse()),
            _ => Ok(Err(file)),
        }
    }
}
