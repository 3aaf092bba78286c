//! STUB
use crate::wire::{ModelMessage, UiMessage, UserPart, TextPart, UserMessage, UserRole};
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError { #[error("needs agent")] NeedsAgent {}, #[error("empty")] Empty }
#[derive(Debug)]
pub struct Conversation { pub messages: Vec<ModelMessage> }
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum HistoryPolicy { #[default] LastUserMessage, Trusted }
impl HistoryPolicy { pub fn select(&self, messages: Vec<UiMessage>) -> Result<Vec<UiMessage>, HistoryError> { Ok(messages) } }
pub fn to_model_messages(messages: &[UiMessage]) -> Result<Conversation, HistoryError> {
    Ok(Conversation { messages: messages.iter().map(|m| ModelMessage::User(UserMessage { role: UserRole::Value, content: m.parts.iter().filter_map(|p| p.text.clone()).map(|t| UserPart::Text(TextPart::new(t))).collect(), provider_options: None })).collect() })
}
