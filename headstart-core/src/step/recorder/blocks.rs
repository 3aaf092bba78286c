//! Blocks of text and reasoning.

use super::{Part, Recorder};
use crate::{
    turn_plan::random_id,
    wire::{ProviderMetadata, UiChunk},
};

#[derive(Debug)]
pub(super) struct Block {
    pub(super) provider_id: String,
    pub(super) id: String,
    pub(super) part: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Reasoning,
}

impl Recorder {
    pub(super) fn block_start(
        &mut self,
        kind: Kind,
        provider_id: &str,
        metadata: Option<ProviderMetadata>,
        out: &mut Vec<UiChunk>,
    ) {
        if self.find(kind, provider_id).is_some() {
            self.block_end(kind, provider_id, None, out);
        }
        // Browsers tell blocks by their id; providers use one again.
        let id = match self.used_ids.iter().any(|used| used == provider_id) {
            true => format!("aitxt-{}", random_id(24)),
            false => provider_id.to_owned(),
        };
        self.used_ids.push(provider_id.to_owned());
        let block = Block { provider_id: provider_id.to_owned(), id: id.clone(), part: self.parts.len() };
        self.open.push(block);
        let provider_metadata = metadata.clone();
        match kind {
            Kind::Text => {
                self.parts.push(Part::Text(String::new(), metadata));
                self.show(UiChunk::TextStart { id, provider_metadata }, out);
            }
            Kind::Reasoning => {
                self.parts.push(Part::Reasoning(String::new(), metadata));
                self.show(UiChunk::ReasoningStart { id, provider_metadata }, out);
            }
        }
    }

    pub(super) fn find(&self, kind: Kind, provider_id: &str) -> Option<usize> {
        self.open.iter().position(|block| {
            let is_reasoning = matches!(self.parts.get(block.part), Some(Part::Reasoning(..)));
            block.provider_id == provider_id && is_reasoning == (kind == Kind::Reasoning)
        })
    }

    pub(super) fn block_delta(
        &mut self,
        kind: Kind,
        provider_id: &str,
        delta: String,
        provider_metadata: Option<ProviderMetadata>,
        out: &mut Vec<UiChunk>,
    ) {
        if self.find(kind, provider_id).is_none() {
            self.block_start(kind, provider_id, None, out);
        }
        let Some(at) = self.find(kind, provider_id) else { return };
        let (id, part) = (self.open[at].id.clone(), self.open[at].part);
        if let Some(Part::Text(text, metadata) | Part::Reasoning(text, metadata)) = self.parts.get_mut(part) {
            text.push_str(&delta);
            if provider_metadata.is_some() {
                metadata.clone_from(&provider_metadata);
            }
        }
        self.show(
            match kind {
                Kind::Text => UiChunk::TextDelta { id, delta, provider_metadata },
                Kind::Reasoning => UiChunk::ReasoningDelta { id, delta, provider_metadata },
            },
            out,
        );
    }

    pub(super) fn block_end(
        &mut self,
        kind: Kind,
        provider_id: &str,
        metadata: Option<ProviderMetadata>,
        out: &mut Vec<UiChunk>,
    ) {
        let Some(at) = self.find(kind, provider_id) else { return };
        let block = self.open.remove(at);
        if let (Some(Part::Text(_, last) | Part::Reasoning(_, last)), Some(metadata)) =
            (self.parts.get_mut(block.part), &metadata)
        {
            *last = Some(metadata.clone());
        }
        let (id, provider_metadata) = (block.id, metadata);
        out.push(match kind {
            Kind::Text => UiChunk::TextEnd { id, provider_metadata },
            Kind::Reasoning => UiChunk::ReasoningEnd { id, provider_metadata },
        });
    }
}
