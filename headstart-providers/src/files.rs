//! Files of a conversation: where their bytes are.

use base64::{Engine, prelude::BASE64_STANDARD};
use headstart_core::{step::StepError, wire::FileData};

use crate::{options, unsupported};

/// A file as APIs take it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct File {
    pub(crate) media_type: String,
    pub(crate) source: Source,
}

/// Where its bytes are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Source {
    /// Here, as base64.
    Inline(String),
    /// At an address that the provider may fetch. It is never fetched here.
    Url(String),
    /// At the provider, under this id.
    Uploaded(String),
}

impl File {
    /// Reads a file for this provider.
    ///
    /// # Errors
    /// When only another provider has it, or its data URL is none.
    pub(crate) fn read(data: &FileData, media_type: &str, provider: &str) -> Result<Self, StepError> {
        let (media_type, source) = match data {
            FileData::Base64(data) => (media_type.to_owned(), Source::Inline(data.clone())),
            FileData::Url(url) => match url.strip_prefix("data:") {
                None => (media_type.to_owned(), Source::Url(url.clone())),
                // What the address says about its own bytes counts.
                Some(rest) => inline(rest, media_type)?,
            },
            FileData::Reference(reference) => {
                let id = options::of(Some(reference), provider).and_then(|id| id.to::<String>().ok());
                let id = id.ok_or_else(|| unsupported("a file that only another provider has"))?;
                (media_type.to_owned(), Source::Uploaded(id))
            }
            _ => return Err(unsupported("a file of an unknown form")),
        };
        // Some browsers know only that it is an image.
        let media_type = if media_type == "image/*" { "image/jpeg".to_owned() } else { media_type };
        Ok(Self { media_type, source })
    }

    pub(crate) fn is_image(&self) -> bool {
        self.media_type.starts_with("image/")
    }

    /// One address for both: that of the provider, or a data URL.
    ///
    /// # Errors
    /// When the provider has the file; then it has no address.
    pub(crate) fn into_url(self) -> Result<String, StepError> {
        match self.source {
            Source::Url(url) => Ok(url),
            Source::Inline(data) => Ok(format!("data:{};base64,{data}", self.media_type)),
            Source::Uploaded(_) => Err(unsupported("an uploaded file in this place")),
        }
    }

    /// It does not fit the API.
    pub(crate) fn refuse(&self) -> StepError {
        let by = match self.source {
            Source::Url(_) => " by address",
            Source::Uploaded(_) => " by id",
            Source::Inline(_) => "",
        };
        unsupported(format!("a file of type {:?}{by}", self.media_type))
    }
}

/// The media type and base64 of a `data:` URL, without its scheme.
fn inline(url: &str, fallback: &str) -> Result<(String, Source), StepError> {
    let (head, data) = url.split_once(',').ok_or_else(|| unsupported("a data URL without data"))?;
    let media_type = head.split(';').next().filter(|kind| !kind.is_empty()).unwrap_or(fallback).to_owned();
    let bytes = percent_encoding::percent_decode_str(data);
    let data = match head.ends_with(";base64") {
        // Providers take no escapes: `%2B` is a plus sign.
        true => bytes.decode_utf8_lossy().into_owned(),
        false => BASE64_STANDARD.encode(bytes.collect::<Vec<u8>>()),
    };
    Ok((media_type, Source::Inline(data)))
}

#[cfg(test)]
mod tests {
    use headstart_core::wire::Json;

    use super::*;

    fn read(data: FileData, media_type: &str) -> Option<(String, Source)> {
        File::read(&data, media_type, "acme").ok().map(|file| (file.media_type, file.source))
    }

    #[test]
    fn each_form_of_data_is_read() {
        let inline = |kind: &str, data: &str| Some((kind.to_owned(), Source::Inline(data.to_owned())));
        let url = |url: &str| FileData::Url(url.to_owned());
        let reference = |json: &str| FileData::Reference(Json::parse(json).unwrap());
        for (data, media_type, expected) in [
            (FileData::Base64("QQ==".into()), "a/b", inline("a/b", "QQ==")),
            (FileData::Base64("QQ==".into()), "image/*", inline("image/jpeg", "QQ==")),
            (url("data:text/plain;base64,QQ=="), "a/b", inline("text/plain", "QQ==")),
            (url("data:text/plain;base64,QQ%3D%3D"), "a/b", inline("text/plain", "QQ==")),
            (url("data:;base64,QQ=="), "a/b", inline("a/b", "QQ==")),
            (url("data:text/plain;charset=utf-8,%41%c3%a9%4"), "a/b", inline("text/plain", "QcOpJTQ=")),
            (url("data:,"), "a/b", inline("a/b", "")),
            (url("data:nothing"), "a/b", None),
            (url("https://x.org/y"), "a/b", Some(("a/b".into(), Source::Url("https://x.org/y".into())))),
            (reference(r#"{"acme":"f-1"}"#), "a/b", Some(("a/b".into(), Source::Uploaded("f-1".into())))),
            (reference(r#"{"other":"f-1"}"#), "a/b", None),
        ] {
            assert_eq!(read(data.clone(), media_type), expected, "{data:?}");
        }
    }
}
