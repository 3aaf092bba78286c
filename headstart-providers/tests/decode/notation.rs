//! Events as lines, so that what a transcript says can be read beside it.

use headstart_core::{
    step::{StepError, StepEvent, Usage},
    wire::{Json, ProviderMetadata},
};
use headstart_providers::{AnswerDecoder, Api};

/// Everything an answer says, fed in these parts; the last line is its error, if it has one.
pub(crate) fn decode<'a>(api: Api, parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Err(error) = run(api, parts, |event| lines.push(line(&event))) {
        let wait = error.retry_after().map(|wait| format!(" after {wait:?}")).unwrap_or_default();
        lines.push(format!("error {:?}: {error}{wait}", error.kind()));
    }
    lines
}

fn run<'a>(
    api: Api,
    parts: impl IntoIterator<Item = &'a [u8]>,
    mut see: impl FnMut(StepEvent),
) -> Result<(), StepError> {
    let mut decoder = AnswerDecoder::new(api);
    for part in parts {
        decoder.feed(part)?;
        while let Some(event) = decoder.next_event()? {
            see(event);
        }
    }
    decoder.close()?;
    while let Some(event) = decoder.next_event()? {
        see(event);
    }
    assert!(decoder.is_done());
    Ok(())
}

fn line(event: &StepEvent) -> String {
    use StepEvent as E;
    let meta = |metadata: &Option<ProviderMetadata>| {
        metadata.as_ref().map(|metadata| format!(" {}", metadata.as_str())).unwrap_or_default()
    };
    let by = |provider_executed: &bool| if *provider_executed { " by-provider" } else { "" };
    match event {
        E::Start => "start".to_owned(),
        E::TextStart { id, provider_metadata } => format!("text-start {id}{}", meta(provider_metadata)),
        E::TextDelta { id, delta, provider_metadata } => {
            format!("text {id} {delta:?}{}", meta(provider_metadata))
        }
        E::TextEnd { id, provider_metadata } => format!("text-end {id}{}", meta(provider_metadata)),
        E::ReasoningStart { id, provider_metadata } => {
            format!("reasoning-start {id}{}", meta(provider_metadata))
        }
        E::ReasoningDelta { id, delta, provider_metadata } => {
            format!("reasoning {id} {delta:?}{}", meta(provider_metadata))
        }
        E::ReasoningEnd { id, provider_metadata } => format!("reasoning-end {id}{}", meta(provider_metadata)),
        E::ToolInputStart { id, tool_name, provider_executed, provider_metadata } => {
            format!("input-start {id} {tool_name}{}{}", by(provider_executed), meta(provider_metadata))
        }
        E::ToolInputDelta { id, delta } => format!("input {id} {delta}"),
        E::ToolCall { id, tool_name, input, provider_executed, provider_metadata } => {
            let by = by(provider_executed);
            format!("call {id} {tool_name} {input}{by}{}", meta(provider_metadata))
        }
        E::ToolResult { id, tool_name, result, is_error, provider_metadata } => {
            let is_error = if *is_error { " is-error" } else { "" };
            format!("result {id} {tool_name} {}{is_error}{}", Json::as_str(result), meta(provider_metadata))
        }
        E::File { media_type, data, provider_metadata } => {
            format!("file {media_type} {data}{}", meta(provider_metadata))
        }
        E::Source { id, url, title, provider_metadata } => {
            format!("source {id} {url} {title:?}{}", meta(provider_metadata))
        }
        E::Finish { reason, paused, usage: Usage { input_tokens, output_tokens, cached_input_tokens } } => {
            let count = |tokens: &Option<u64>| tokens.map_or("?".to_owned(), |tokens| tokens.to_string());
            let (input, output, cached) =
                (count(input_tokens), count(output_tokens), count(cached_input_tokens));
            let paused = if *paused { " paused" } else { "" };
            let reason = serde_json::to_value(reason).unwrap();
            format!("finish {}{paused} in={input} out={output} cached={cached}", reason.as_str().unwrap())
        }
        other => panic!("{other:?} has no notation"),
    }
}
