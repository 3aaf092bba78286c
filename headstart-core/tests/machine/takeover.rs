//! Taking a turn over from a process that fell silent.

use headstart_core::{
    sessions::{Appended, RunState, SessionsError, SessionsErrorKind},
    turn::{self, Input, Output, Purpose},
};
use serde_json::json;

use super::follower::*;

#[test]
fn what_a_silent_leader_left_is_withdrawn_and_then_the_agent_answers() {
    let mut follower = Follower::new();
    assert!(follower.silence().iter().any(|output| matches!(output, Output::Inspect { .. })));
    let outputs = follower.inspect(&left_behind());
    assert_eq!(takeover(&outputs), Some((json!({"data": {"type": "reset-step"}, "id": TAKEOVER}), 2)));
    assert!(handovers(&outputs).is_empty(), "not before that is written");
    let given = handovers(&follower.tell(Input::TookOver(Ok(()))));
    assert_eq!(given.len(), 1);
    assert_eq!(
        (&given[0]["isFinal"], &given[0]["partialAssistantMessage"][0]["role"]),
        (&json!(false), &json!("tool"))
    );
    let accepted = Input::Appended(Purpose::Handover, Ok(Appended { seq: Some(1) }));
    assert!(handovers(&follower.tell(accepted)).is_empty());
}

#[test]
fn a_leader_that_wrote_meanwhile_keeps_the_turn_until_it_is_silent_again() {
    let mut follower = Follower::new();
    follower.silence();
    follower.inspect(&left_behind());
    let outputs = follower.tell(Input::TookOver(Err(conflict())));
    assert!(handovers(&outputs).is_empty() && matches!(outputs[..], [Output::Inspect { .. }]));
    let mut longer = left_behind();
    longer.push(record(2, "theirs-2", &json!({"type": "text-delta", "id": "0", "delta": "wer"})));
    let outputs = follower.inspect(&longer);
    assert!(outputs.is_empty(), "{outputs:?}");
    follower.silence();
    assert_eq!(takeover(&follower.inspect(&longer)).unwrap().1, 3);
}

#[test]
fn a_takeover_whose_answer_was_lost_is_known_by_its_id() {
    let mut follower = Follower::new();
    follower.silence();
    follower.inspect(&left_behind());
    follower.tell(Input::TookOver(Err(conflict())));
    let mut taken = left_behind();
    taken.push(record(2, TAKEOVER, &json!({"type": "reset-step"})));
    assert_eq!(handovers(&follower.inspect(&taken)).len(), 1);
    assert!(handovers(&follower.tell(Input::TookOver(Ok(())))).is_empty(), "one handover");
}

#[test]
fn a_message_is_answered_even_where_nothing_can_be_withdrawn() {
    let mut follower = Follower::new();
    follower.silence();
    follower.inspect(&left_behind());
    let down = SessionsError::new(SessionsErrorKind::Unavailable, "down");
    assert_eq!(handovers(&follower.tell(Input::TookOver(Err(down)))).len(), 1);
}

#[test]
fn a_run_in_the_place_of_a_dead_one_gets_the_message_itself() {
    for (kinds, message) in
        [(&[][..], FIRST), (&["noop", "handover"], FIRST), (&["noop"], "u2"), (&["handover"], "u2")]
    {
        let mut follower = Follower::of(message);
        let asked = follower.silence();
        assert!(matches!(&asked[..], [Output::Inspect { run_id: Some(run) }] if run == "run_1"), "{asked:?}");
        let outputs = follower.inspect_all(kinds, &left_behind(), RunState::TakesMessages);
        assert_eq!(takeover(&outputs).unwrap().1, 2, "{kinds:?} {message}");
        let outputs = follower.tell(Input::TookOver(Ok(())));
        assert_eq!((handovers(&outputs).len(), messages(&outputs)), (0, 1), "{kinds:?} {message}");
    }
}

#[test]
fn a_turn_that_is_handed_over_is_the_agents_and_its_silence_has_an_end() {
    let mut follower = Follower::new();
    follower.silence();
    assert_eq!(follower.inspect_all(&["handover"], &left_behind(), RunState::TakesHandover).len(), 0);
    let end = follower.silence();
    assert!(matches!(end[..], [Output::Close(turn::Ending::Reset), Output::Done]), "{end:?}");
}

#[test]
fn a_turn_that_is_over_is_not_taken_over() {
    let mut over = left_behind();
    over.push(boundary(2, 1));
    for (message, sent) in [(FIRST, 0), ("u2", 1)] {
        let mut follower = Follower::of(message);
        follower.silence();
        let outputs = follower.inspect_all(&["noop", "handover"], &over, RunState::TakesMessages);
        assert!(takeover(&outputs).is_none(), "{outputs:?}");
        assert_eq!(messages(&outputs), sent);
    }
}

#[test]
fn a_leader_that_is_not_heard_but_writes_keeps_the_turn() {
    let mut follower = Follower::new();
    // The subscription broke, or its reader is slow.
    let mut longer = left_behind();
    for seq in 2..5 {
        longer.push(record(seq, &format!("theirs-{seq}"), &said(0)));
        follower.silence();
        let outputs = follower.inspect(&longer);
        assert!(outputs.is_empty(), "{outputs:?}");
    }
    follower.silence();
    assert_eq!(takeover(&follower.inspect(&longer)).unwrap().1, 5);
}

#[test]
fn a_takeover_that_has_begun_is_brought_to_its_end() {
    for interruption in [Input::ViewLost(turn::ViewLoss::Left), Input::Yield] {
        let mut follower = Follower::new();
        follower.silence();
        follower.inspect(&left_behind());
        let outputs = follower.tell(interruption);
        assert!(!outputs.iter().any(|output| matches!(output, Output::Done)), "{outputs:?}");
        // From here on the leader says nothing more.
        assert_eq!(handovers(&follower.tell(Input::TookOver(Ok(())))).len(), 1);
        let end = follower.tell(accepted(Purpose::Handover, 0));
        assert!(matches!(end[..], [.., Output::Done]), "{end:?}");
    }
}

#[test]
fn a_takeover_that_is_not_answered_is_one_that_failed() {
    let mut follower = Follower::new();
    follower.silence();
    follower.inspect(&left_behind());
    assert_eq!(handovers(&follower.wait()).len(), 1);
    assert!(handovers(&follower.tell(Input::TookOver(Ok(())))).is_empty(), "one handover");
}
