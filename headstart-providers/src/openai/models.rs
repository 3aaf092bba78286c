//! What a model's name says about it.

/// Does the model think before it answers? Such models take other parameters. Only names of OpenAI's own families
/// are known; of any other nothing is assumed.
pub(super) fn is_reasoning(model: &str) -> bool {
    let number = |text: &str| {
        let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        Some((text[..digits].parse::<u32>().ok()?, text[digits..].to_owned()))
    };
    if let Some((_, rest)) = model.strip_prefix('o').and_then(number) {
        return rest.is_empty() || rest.starts_with('-');
    }
    match model.strip_prefix("gpt-").and_then(number) {
        Some((5.., rest)) => !rest.starts_with("-chat"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_that_think_are_known_by_their_names() {
        for (model, expected) in [
            ("o1", true),
            ("o3-mini", true),
            ("o4-mini-2025-04-16", true),
            ("gpt-5", true),
            ("gpt-5.1", true),
            ("gpt-5-nano", true),
            ("gpt-6", true),
            ("gpt-10-mini", true),
            ("gpt-5-chat-latest", false),
            ("gpt-4o-mini", false),
            ("gpt-4.1", false),
            ("gpt-oss-120b", false),
            ("openai/gpt-5", false),
            ("olmo-2", false),
            ("", false),
        ] {
            assert_eq!(is_reasoning(model), expected, "{model}");
        }
    }
}
