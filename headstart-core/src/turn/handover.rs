//! What the agent gets when step 1 is over (`docs/protocol.md`, "Outcomes").
//!
//! A skip is never sent: a run that is still booting would miss it and the chat would hang. Whatever
//! happened, the run gets exactly one handover that leaves the chat healthy.

use super::{BrokenAnswer, EmptyAnswer, TurnSpec};
use crate::{
    step::{PendingCall, Recorder, StepErrorKind},
    wire::{
        ApprovalRequestPart, ApprovalRequestType, ApprovalResponsePart, ApprovalResponseType, AssistantPart,
        FinishReason, ModelMessage, ToolPart,
    },
};

/// How step 1 ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The model said that it is done.
    Finished {
        /// Why.
        reason: FinishReason,
        /// It wants to be called again to go on.
        paused: bool,
    },
    /// It broke: an error, a deadline, a panic.
    Failed(StepErrorKind),
    /// The user pressed stop.
    Stopped,
}

/// What to do about it.
#[derive(Debug)]
pub struct Decision {
    /// For the agent.
    pub partial: Vec<ModelMessage>,
    /// The agent makes no model call.
    pub is_final: bool,
    /// How the step ends in the browser's view and on the stream.
    pub closing: Closing,
    /// The browser is shown an error when the turn is over.
    pub report_error: bool,
}

/// How step 1 ends in the browser's view and on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// Open blocks, the step and the message are closed.
    Finish(FinishReason),
    /// What was shown is withdrawn; the agent will answer under an id of its own.
    Withdraw,
}

impl Decision {
    /// The agent answers, from the beginning.
    pub(super) fn leave_to_agent() -> Self {
        Self { partial: no_op(), is_final: false, closing: Closing::Withdraw, report_error: false }
    }
}

/// Nothing was said that anybody must keep: the agent takes the turn from its beginning.
///
/// The empty tool message never reaches a model. An empty list would do the same for most agents, but one
/// that loads its own history takes it for an empty conversation.
pub(super) fn no_op() -> Vec<ModelMessage> {
    vec![ModelMessage::tool(Vec::new())]
}

/// Reads the outcome of step 1 off the table in `docs/protocol.md`, "Outcomes".
pub fn decide(recorder: &Recorder, outcome: Outcome, spec: &TurnSpec) -> Decision {
    match outcome {
        Outcome::Finished { reason: FinishReason::Error, .. } | Outcome::Failed(_) => {
            failed(recorder, spec.broken_answer)
        }
        Outcome::Finished { reason, paused } => finished(recorder, reason, paused, spec.empty_answer),
        Outcome::Stopped => {
            let said = recorder.final_messages();
            Decision {
                partial: if said.is_empty() { no_op() } else { said },
                is_final: true,
                closing: Closing::Finish(FinishReason::Stop),
                report_error: false,
            }
        }
    }
}

fn finished(recorder: &Recorder, reason: FinishReason, paused: bool, empty: EmptyAnswer) -> Decision {
    let pending = recorder.pending_calls();
    let closing = Closing::Finish(reason);
    let decision = |partial, is_final| Decision { partial, is_final, closing, report_error: false };
    // An answer that was withheld must not act.
    if reason == FinishReason::ContentFilter {
        return decision(recorder.final_messages(), true);
    }
    if empty == EmptyAnswer::Agent && recorder.messages().is_empty() {
        return Decision::leave_to_agent();
    }
    if pending.iter().any(|call| call.needs_approval || call.client_side) {
        // A human answers in the next turn; until then the calls stand open and nothing is approved.
        return decision(recorder.messages(), true);
    }
    if !pending.is_empty() {
        // Some servers say `stop` although they want a tool: the call counts, not the word.
        return decision(approve(recorder, pending), false);
    }
    // An invalid call has its error for a result, and the model is to be told. A final answer would not do: a
    // page that sends results by itself would send that one for ever, to an agent that knows no such call.
    let is_final = !paused && reason != FinishReason::ToolCalls && !recorder.has_invalid_calls();
    decision(recorder.messages(), is_final)
}

fn failed(recorder: &Recorder, broken: BrokenAnswer) -> Decision {
    if !recorder.has_text() {
        return Decision::leave_to_agent();
    }
    let mut partial = recorder.final_messages();
    let closing = Closing::Finish(FinishReason::Error);
    match broken {
        BrokenAnswer::KeepAndReport => Decision { partial, is_final: true, closing, report_error: true },
        BrokenAnswer::Continue => {
            partial.push(ModelMessage::user(
                "Your answer was interrupted. Go on exactly where it stopped, without repeating anything.",
            ));
            Decision { partial, is_final: false, closing, report_error: false }
        }
    }
}

/// Adds what makes the agent run the pending calls: a request behind the parts of the message that made
/// them, and one last tool message that approves them all. It must be the very last message: agents look
/// only at the tail.
fn approve(recorder: &Recorder, pending: &[PendingCall]) -> Vec<ModelMessage> {
    let mut messages = recorder.messages();
    let mut approvals = Vec::new();
    for message in &mut messages {
        let ModelMessage::Assistant(assistant) = message else { continue };
        let mut requests = Vec::new();
        for part in &assistant.content {
            let AssistantPart::ToolCall(call) = part else { continue };
            if !pending.iter().any(|known| known.tool_call_id == call.tool_call_id) {
                continue;
            }
            let approval_id = format!("handover-approval-{}", approvals.len() + 1);
            approvals.push(ToolPart::ApprovalResponse(ApprovalResponsePart {
                r#type: ApprovalResponseType::Value,
                approval_id: approval_id.clone(),
                approved: true,
                reason: None,
                provider_executed: None,
            }));
            requests.push(AssistantPart::ApprovalRequest(ApprovalRequestPart {
                r#type: ApprovalRequestType::Value,
                signature: recorder.approval_signature(&approval_id, &call.tool_call_id),
                approval_id,
                tool_call_id: call.tool_call_id.clone(),
                is_automatic: None,
                reason: None,
                // The input validates to itself: no agent needs what it was made from.
                input_schema_input: None,
            }));
        }
        assistant.content.extend(requests);
    }
    messages.push(ModelMessage::tool(approvals));
    messages
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        step::{ApprovalSecret, StepEvent, Tool, ToolSet},
        wire::InChunk,
    };

    /// What is decided after these events, as JSON: `[partial, isFinal, closing, reportError]`.
    fn decided(events: Vec<StepEvent>, outcome: Outcome, broken: BrokenAnswer) -> Value {
        decided_as(events, outcome, TurnSpec { broken_answer: broken, ..spec() })
    }

    fn spec() -> TurnSpec {
        TurnSpec::new("m".into(), "n".into(), "u".into(), InChunk::Noop)
    }

    fn decided_as(events: Vec<StepEvent>, outcome: Outcome, spec: TurnSpec) -> Value {
        let schema = || json!({"type": "object"});
        let tools = [
            Tool::new("plain", "", schema()),
            Tool::new("asks", "", schema()).needs_approval(),
            Tool::new("page", "", schema()).client_side(),
        ];
        let mut recorder = Recorder::new("m".into());
        recorder.set_tools(ToolSet::new(tools).unwrap());
        events.into_iter().for_each(|event| recorder.event(event, &mut Vec::new()).unwrap());
        let decision = decide(&recorder, outcome, &spec);
        json!([decision.partial, decision.is_final, format!("{:?}", decision.closing), decision.report_error])
    }

    fn text(text: &str) -> StepEvent {
        StepEvent::TextDelta { id: "0".into(), delta: text.into(), provider_metadata: None }
    }

    fn call(id: &str, tool: &str, input: &str, provider_executed: bool) -> StepEvent {
        let (id, tool_name, input) = (id.into(), tool.into(), input.into());
        StepEvent::ToolCall { id, tool_name, input, provider_executed, provider_metadata: None }
    }

    const fn finished(reason: FinishReason) -> Outcome {
        Outcome::Finished { reason, paused: false }
    }

    fn said(text: &str) -> Value {
        json!([{"role": "assistant", "content": [{"type": "text", "text": text}]}])
    }

    fn nothing() -> Value {
        json!([{"role": "tool", "content": []}])
    }

    #[test]
    fn each_outcome_has_its_handover() {
        let keep = BrokenAnswer::KeepAndReport;
        let failed = Outcome::Failed(StepErrorKind::Transport);
        let paused = Outcome::Finished { reason: FinishReason::Stop, paused: true };
        let error = "Finish(Error)";
        for (events, outcome, expected) in [
            (vec![text("a")], finished(FinishReason::Stop), json!([said("a"), true, "Finish(Stop)", false])),
            (vec![], finished(FinishReason::Stop), json!([[], true, "Finish(Stop)", false])),
            (
                vec![text("a")],
                finished(FinishReason::Length),
                json!([said("a"), true, "Finish(Length)", false]),
            ),
            (vec![text("a")], paused, json!([said("a"), false, "Finish(Stop)", false])),
            (vec![], failed, json!([nothing(), false, "Withdraw", false])),
            (vec![text("a")], failed, json!([said("a"), true, error, true])),
            (vec![text("a")], finished(FinishReason::Error), json!([said("a"), true, error, true])),
            (vec![text("a")], Outcome::Stopped, json!([said("a"), true, "Finish(Stop)", false])),
            (vec![], Outcome::Stopped, json!([nothing(), true, "Finish(Stop)", false])),
            // What was said before the call stays; the call does not run.
            (
                vec![text("a"), call("c", "plain", "{}", false)],
                finished(FinishReason::ContentFilter),
                json!([said("a"), true, "Finish(ContentFilter)", false]),
            ),
            (vec![text("a"), call("c", "plain", "{}", false)], failed, json!([said("a"), true, error, true])),
            (
                vec![text("a"), call("c", "plain", "{}", false)],
                Outcome::Stopped,
                json!([said("a"), true, "Finish(Stop)", false]),
            ),
        ] {
            assert_eq!(decided(events.clone(), outcome, keep), expected, "{events:?} {outcome:?}");
        }
        let continued = decided(vec![text("a")], failed, BrokenAnswer::Continue);
        assert_eq!(continued[0][1]["role"], "user");
        assert_eq!((&continued[1], &continued[3]), (&json!(false), &json!(false)));
    }

    #[test]
    fn a_model_that_says_nothing_may_be_followed_by_the_agents() {
        let asked = |events, reason| {
            let spec = TurnSpec { empty_answer: EmptyAnswer::Agent, ..spec() };
            decided_as(events, finished(reason), spec)
        };
        assert_eq!(asked(vec![], FinishReason::Stop), json!([nothing(), false, "Withdraw", false]));
        assert_eq!(asked(vec![text("a")], FinishReason::Stop)[1], true);
        assert_eq!(asked(vec![], FinishReason::ContentFilter)[1], true, "it was withheld");
    }

    #[test]
    fn a_pending_call_counts_more_than_the_word_the_model_ended_with() {
        for reason in [FinishReason::Stop, FinishReason::ToolCalls, FinishReason::Other] {
            let decided =
                decided(vec![call("c", "plain", "{}", false)], finished(reason), BrokenAnswer::default());
            assert_eq!(decided[1], false);
            assert_eq!(decided[0][1]["content"][0]["approvalId"], decided[0][0]["content"][1]["approvalId"]);
        }
    }

    #[test]
    fn a_model_is_told_of_its_invalid_call_whatever_word_it_ended_with() {
        for reason in [FinishReason::Stop, FinishReason::ToolCalls, FinishReason::Length] {
            let events = vec![text("a"), call("c", "plain", "{\"x", false)];
            let decided = decided(events, finished(reason), BrokenAnswer::default());
            assert_eq!(decided[0][0]["content"][1]["toolCallId"], "c");
            assert_eq!(decided[0][1]["content"][0]["output"]["type"], "error-text");
            assert_eq!((&decided[1], decided[0].as_array().unwrap().len()), (&json!(false), 2));
        }
    }

    #[test]
    fn nothing_that_a_human_has_to_decide_is_handed_over_approved() {
        for tool in ["asks", "page"] {
            let events = vec![call("c1", "plain", "{}", false), call("c2", tool, "{}", false)];
            let decided = decided(events, finished(FinishReason::ToolCalls), BrokenAnswer::default());
            assert_eq!(decided[1], true);
            assert!(!decided[0].to_string().contains("approval"), "{decided}");
        }
    }

    #[test]
    fn where_agents_sign_requests_so_do_handover_and_page() {
        let schema = json!({"type": "object"});
        let tools = [Tool::new("plain", "", schema.clone()), Tool::new("asks", "", schema).needs_approval()];
        let signed = |tool: &str| {
            let mut recorder =
                Recorder::new("m".into()).with_approval_secret(Some(ApprovalSecret::new("secret")));
            recorder.set_tools(ToolSet::new(tools.clone()).unwrap());
            recorder.event(call("c", tool, "{}", false), &mut Vec::new()).unwrap();
            let mut chunks = Vec::new();
            recorder.close(FinishReason::ToolCalls, &mut chunks);
            let done = Outcome::Finished { reason: FinishReason::ToolCalls, paused: false };
            (json!(decide(&recorder, done, &spec()).partial), json!(chunks), recorder)
        };
        let (partial, chunks, recorder) = signed("plain");
        let request = &partial[0]["content"][1];
        let expected = recorder.approval_signature("handover-approval-1", "c").unwrap();
        assert_eq!(request["signature"], json!(expected));
        assert_eq!(chunks[0]["type"], "finish-step", "nobody is asked");

        let (partial, chunks, recorder) = signed("asks");
        assert_eq!(partial[0]["content"].as_array().unwrap().len(), 1, "nothing is approved");
        let id = chunks[0]["approvalId"].as_str().unwrap();
        assert_eq!(chunks[0]["signature"], json!(recorder.approval_signature(id, "c").unwrap()));
    }

    #[test]
    fn a_providers_own_call_gets_no_approval() {
        let events = vec![call("s", "web_search", "{}", true), call("c", "plain", "{}", false)];
        let decided = decided(events, finished(FinishReason::ToolCalls), BrokenAnswer::default());
        let approvals = decided[0].to_string().matches("tool-approval-request").count();
        assert_eq!(approvals, 1, "{decided}");
    }
}
