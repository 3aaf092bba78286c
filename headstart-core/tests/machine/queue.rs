//! A message behind the first turn of another.

use headstart_core::{
    sessions::{Appended, RunState, SessionsError, SessionsErrorKind},
    turn::{self, Input, Output, Purpose, Settlement},
    wire::{Json, Record, RecordBody},
};
use serde_json::json;

use super::follower::*;

#[test]
fn a_message_behind_a_first_turn_that_is_not_handed_over_waits_for_its_boundary() {
    let mut follower = Follower::of("u2");
    let chunk = json!({"type": "text-delta", "id": "0", "delta": "for the first"});
    assert_eq!(
        follower.tell(Input::Record(record(2, "a-0", &chunk))).len(),
        0,
        "nothing sent, nothing shown"
    );
    assert_eq!(messages(&follower.tell(Input::Record(boundary(3, 1)))), 1);
    follower.tell(accepted(Purpose::Message, 2));
    let answer = json!({"type": "text-delta", "id": "0", "delta": "for the second"});
    assert_eq!(shown(&follower.tell(Input::Record(record(4, "a-1", &answer)))), [answer]);
    let end = follower.tell(Input::Record(boundary(5, 2)));
    assert!(matches!(end[..], [.., Output::Close(turn::Ending::Clean), Output::Done]), "{end:?}");
}

#[test]
fn a_message_behind_a_dead_leader_comes_after_the_handover_that_the_leader_owed() {
    let mut follower = Follower::of("u2");
    follower.silence();
    let (chunk, at) = takeover(&follower.inspect(&left_behind())).unwrap();
    let outputs = follower.tell(Input::TookOver(Ok(())));
    assert_eq!((handovers(&outputs).len(), messages(&outputs)), (1, 0));
    let outputs = follower.tell(accepted(Purpose::Handover, 0));
    assert_eq!((handovers(&outputs).len(), messages(&outputs)), (0, 1));
    follower.tell(accepted(Purpose::Message, 1));
    // The agent has seen both, and is done with the first.
    for record in [record(at, TAKEOVER, &chunk["data"]), record(3, "a-0", &said(0)), boundary(4, 0)] {
        assert_eq!(follower.tell(Input::Record(record)).len(), 0, "of the turn before");
    }
    assert_eq!(shown(&follower.tell(Input::Record(record(5, "a-1", &said(1))))), [said(1)]);
    let end = follower.tell(Input::Record(boundary(6, 1)));
    assert!(matches!(end[..], [.., Output::Close(turn::Ending::Clean), Output::Done]), "{end:?}");
}

#[test]
fn a_message_waits_although_nobody_looks_any_more() {
    let mut follower = Follower::of("u2");
    follower.tell(Input::ViewLost(turn::ViewLoss::Left));
    follower.silence();
    follower.inspect(&left_behind());
    follower.tell(Input::TookOver(Ok(())));
    assert_eq!(messages(&follower.tell(accepted(Purpose::Handover, 0))), 1);
    let end = follower.tell(accepted(Purpose::Message, 1));
    assert!(matches!(end[..], [Output::Done]), "{end:?}");
}

#[test]
fn a_server_that_stops_sends_the_message_that_waits() {
    let mut follower = Follower::of("u2");
    assert_eq!(messages(&follower.tell(Input::Yield)), 1);
}

/// It goes to a run that hears it only when somebody hands over; whoever asks next does.
#[test]
fn a_server_that_stops_before_the_streams_are_read_sends_the_message_too() {
    let mut follower = Follower::found("u2");
    follower.tell(Input::Yield);
    assert_eq!(messages(&follower.inspect(&left_behind())), 1);
}

#[test]
fn a_server_that_stops_in_the_middle_of_a_takeover_ends_it_and_then_sends_the_message() {
    let mut follower = Follower::of("u2");
    follower.silence();
    follower.inspect(&left_behind());
    assert_eq!(messages(&follower.tell(Input::Yield)), 0, "the handover that is owed comes first");
    assert_eq!(handovers(&follower.tell(Input::TookOver(Ok(())))).len(), 1);
    assert_eq!(messages(&follower.tell(accepted(Purpose::Handover, 0))), 1);
}

#[test]
fn a_message_that_was_sent_ahead_of_the_handover_that_is_owed_does_not_replace_it() {
    for message in [FIRST, "u2"] {
        let mut follower = Follower::found(message);
        let kinds = ["noop", "message"];
        let outputs = follower.inspect_all(&kinds, &left_behind(), RunState::Unknown);
        assert_eq!(messages(&outputs), 0, "the leader may be at work");
        follower.silence();
        let outputs = follower.inspect_all(&kinds, &left_behind(), RunState::TakesHandover);
        assert!(takeover(&outputs).is_some(), "{message}: {outputs:?}");
        assert_eq!(handovers(&follower.tell(Input::TookOver(Ok(())))).len(), 1);
    }
}

#[test]
fn a_look_that_fails_late_changes_nothing() {
    let mut follower = Follower::of("u2");
    follower.silence();
    assert_eq!(messages(&follower.tell(Input::Record(boundary(3, 1)))), 1);
    assert_eq!(follower.tell(look_failed()).len(), 0);
    follower.tell(accepted(Purpose::Message, 2));
    assert_eq!(follower.machine.settlement(), Some(Settlement::SentAsMessage));
}

#[test]
fn a_look_that_fails_is_taken_again_and_in_the_end_the_message_is_sent() {
    let hangs: fn(&mut Follower) -> Vec<Output> = Follower::wait;
    for fails in [|follower: &mut Follower| follower.tell(look_failed()), hangs] {
        for message in [FIRST, "u2"] {
            let mut follower = Follower::of(message);
            for _ in 0..2 {
                assert!(matches!(follower.silence()[..], [Output::Inspect { .. }]));
                assert_eq!(fails(&mut follower).len(), 0);
            }
            follower.silence();
            let end = fails(&mut follower);
            let is_cut_off = matches!(end[..], [Output::Close(turn::Ending::Reset), Output::Done]);
            assert_eq!((messages(&end), is_cut_off), if message == FIRST { (0, true) } else { (1, false) });
        }
    }
}

#[test]
fn what_comes_behind_a_boundary_is_no_turn() {
    // A hook of the agent wrote when its turn was over.
    let output = [boundary(0, 1), record(1, "hook", &json!({"type": "data-x", "data": 1}))];
    let mut follower = Follower::found("u2");
    let outputs = follower.inspect_all(&["noop", "handover"], &output, RunState::Unknown);
    assert_eq!(messages(&outputs), 1);
    follower.tell(accepted(Purpose::Message, 2));
    assert_eq!(shown(&follower.tell(Input::Record(record(2, "a-1", &said(1))))), [said(1)]);
}

#[test]
fn of_two_messages_behind_the_same_turn_each_page_sees_its_own_answer() {
    let mut follower = Follower::of("u3");
    assert_eq!(messages(&follower.tell(Input::Record(boundary(3, 1)))), 1);
    // That of the other was first, and the agent is quick.
    let outputs = follower.tell(accepted(Purpose::Message, 3));
    assert!(matches!(outputs[..], [Output::Inspect { run_id: None }]), "{outputs:?}");
    let answered = [boundary(3, 1), record(4, "a-0", &said(0))];
    let kinds = ["noop", "handover", "message", "message"];
    let outputs = follower.inspect_all(&kinds, &answered, RunState::Unknown);
    assert!(matches!(outputs[..], [Output::Subscribe(Some(3))]), "{outputs:?}");
    for record in [record(4, "a-0", &said(0)), boundary(5, 2)] {
        assert_eq!(follower.tell(Input::Record(record)).len(), 0, "of the other");
    }
    assert_eq!(shown(&follower.tell(Input::Record(record(6, "a-1", &said(1))))), [said(1)]);
    let end = follower.tell(Input::Record(boundary(7, 3)));
    assert!(matches!(end[..], [.., Output::Close(turn::Ending::Clean), Output::Done]), "{end:?}");
}

#[test]
fn a_message_that_is_posted_again_is_shown_the_answer_it_has() {
    let mut follower = Follower::found("u2");
    let kinds = ["noop", "handover", "message"];
    let output = [boundary(3, 1), record(4, "a-0", &said(0)), boundary(5, 2)];
    assert_eq!(messages(&follower.inspect_all(&kinds, &output, RunState::Unknown)), 1);
    // It is there already, says the platform.
    let outputs = follower.tell(accepted(Purpose::Message, 2));
    assert!(matches!(outputs[..], [Output::Inspect { run_id: None }]), "{outputs:?}");
    let outputs = follower.inspect_all(&kinds, &output, RunState::Unknown);
    assert!(matches!(outputs[..], [Output::Subscribe(Some(3))]), "{outputs:?}");
    assert_eq!(shown(&follower.tell(Input::Record(output[1].clone()))), [said(0)]);
    let end = follower.tell(Input::Record(output[2].clone()));
    assert!(matches!(end[..], [.., Output::Close(turn::Ending::Clean), Output::Done]), "{end:?}");
}

/// A look after the leader was under way when its boundary came.
#[test]
fn a_look_that_is_answered_late_does_not_say_where_an_answer_begins() {
    let mut follower = Follower::of("u3");
    follower.silence();
    follower.tell(Input::Record(boundary(3, 1)));
    follower.tell(accepted(Purpose::Message, 3));
    assert_eq!(follower.inspect_all(&["noop"], &left_behind(), RunState::TakesHandover).len(), 0);
    let kinds = ["noop", "handover", "message", "message"];
    let outputs = follower.inspect_all(&kinds, &[boundary(3, 1)], RunState::Unknown);
    assert!(matches!(outputs[..], [Output::Subscribe(Some(3))]), "{outputs:?}");
}

/// A run died with the message before ours, and the next one answers both at once.
#[test]
fn an_answer_that_was_passed_over_is_not_ended_as_if_it_were_shown() {
    let mut follower = Follower::found("u3");
    let kinds = ["noop", "handover", "message"];
    assert_eq!(messages(&follower.inspect_all(&kinds, &[boundary(0, 1)], RunState::Unknown)), 1);
    follower.tell(accepted(Purpose::Message, 3));
    assert_eq!(follower.tell(Input::Record(record(1, "a-0", &said(0)))).len(), 0);
    let end = follower.tell(Input::Record(boundary(2, 3)));
    assert!(matches!(end[..], [Output::Close(turn::Ending::Reset), Output::Done]), "{end:?}");
}

/// The platform does not say where it is.
#[test]
fn a_message_behind_a_takeover_is_answered_behind_the_record_of_it() {
    let mut follower = Follower::of("u2");
    follower.silence();
    let outputs = follower.inspect_all(&["noop"], &left_behind(), RunState::TakesMessages);
    let (chunk, at) = takeover(&outputs).unwrap();
    assert_eq!(messages(&follower.tell(Input::TookOver(Ok(())))), 1);
    follower.tell(Input::Appended(Purpose::Message, Ok(Appended { seq: None })));
    let output = [left_behind(), vec![record(at, TAKEOVER, &chunk["data"])]].concat();
    let input = Record {
        seq: 1,
        body: RecordBody::Data { id: "mine-message".into(), data: Json::string(r#"{"kind":"message"}"#) },
    };
    let outputs = follower.tell(Input::Inspected { input: vec![input], output, run: RunState::Unknown });
    assert!(matches!(outputs[..], [Output::Subscribe(Some(seq))] if seq == at), "{outputs:?}");
}

#[test]
fn an_answer_whose_place_cannot_be_read_is_looked_for_where_the_stream_ended() {
    let mut follower = Follower::of("u3");
    follower.tell(Input::Record(boundary(3, 1)));
    follower.tell(accepted(Purpose::Message, 3));
    let outputs = follower.tell(look_failed());
    assert!(matches!(outputs[..], [Output::Subscribe(Some(3))]), "{outputs:?}");
}

fn look_failed() -> Input {
    Input::InspectFailed(SessionsError::new(SessionsErrorKind::Unavailable, "down"))
}
