//! What is lost or never comes back while a turn of our own goes on.

use std::time::Duration;

use headstart_core::{
    sessions::Opened,
    step::StepEvent,
    turn::{Deadlines, Input, Machine, Output, Plan, TurnSpec, ViewLoss},
    wire::{InChunk, Json},
};

fn turn(plan: Plan) -> Machine {
    let message = InChunk::Message { payload: Json::parse("{}").unwrap() };
    let mut spec = TurnSpec::new("m".into(), "mine".into(), "u1".into(), message);
    spec.plan = plan;
    Machine::new(spec)
}

fn tell(machine: &mut Machine, now: Duration, input: Input) -> Vec<Output> {
    machine.handle(now, input);
    std::iter::from_fn(|| machine.poll()).collect()
}

/// The page resumes from the session, and its stop comes that way.
#[test]
fn a_stop_is_heard_after_a_view_was_lost_in_whatever_way() {
    for loss in [ViewLoss::Left, ViewLoss::Slow] {
        let mut machine = turn(Plan::HeadStart);
        tell(&mut machine, Duration::ZERO, Input::Opened(Opened::new("token")));
        tell(&mut machine, Duration::ZERO, Input::Step(Ok(StepEvent::Start)));
        let outputs = tell(&mut machine, Duration::ZERO, Input::ViewLost(loss));
        assert!(outputs.iter().any(|output| matches!(output, Output::WatchForStop)), "{loss:?}: {outputs:?}");
    }
}

#[test]
fn an_input_whose_answer_never_comes_is_waited_for_as_long_as_it_would_be_tried() {
    let mut machine = turn(Plan::Message);
    let outputs = tell(&mut machine, Duration::ZERO, Input::Opened(Opened::new("token")));
    assert!(outputs.iter().any(|output| matches!(output, Output::Append { .. })));
    let deadlines = Deadlines::default();
    for (at, is_last) in [(deadlines.handover, false), (deadlines.handover_retry, true)] {
        assert_eq!(machine.deadline(), Some(at));
        let outputs = tell(&mut machine, at, Input::Tick);
        assert_eq!(matches!(outputs[..], [Output::Close(_)]), !is_last, "{outputs:?}");
        assert_eq!(matches!(outputs[..], [Output::Done]), is_last, "{outputs:?}");
    }
}
