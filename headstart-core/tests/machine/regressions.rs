//! What the random world has found, as it was shrunk.

use super::world::{Create, Ending, Leader, Plan, World};

fn replay(plan: Plan) {
    let mut world = World::new(plan);
    world.play();
    world.check().unwrap();
}

const fn behind(leader: Leader) -> Create {
    Create::Existing { same_message: false, leader }
}

/// The answer was passed over: it was looked for behind a boundary that a dead run never wrote.
#[test]
fn a_message_behind_a_turn_that_died_with_its_run() {
    replay(Plan { create: behind(Leader::HandedOverInVain), ..Plan::undisturbed() });
}

/// The boundary of the turn before came twice, and the second copy ended ours, whose position was not told.
#[test]
fn a_boundary_that_is_written_twice() {
    replay(Plan {
        create: behind(Leader::Writes(0)),
        append_failures: 2,
        choices: vec![0, 0, 0],
        ..Plan::undisturbed()
    });
}

/// The same, with a handover that was seen when the streams were read.
#[test]
fn a_boundary_of_a_handover_that_was_seen_before() {
    replay(Plan {
        create: behind(Leader::Writes(0)),
        append_failures: 2,
        subscription_breaks: true,
        choices: vec![11, 0, 0, 36, 0, 23, 24, 7, 84, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        ..Plan::undisturbed()
    });
}

/// The answer to the takeover was lost, and the first record behind it was passed over.
#[test]
fn a_takeover_that_is_found_on_the_stream() {
    replay(Plan {
        create: behind(Leader::HandedOverInVain),
        append_failures: 2,
        subscription_breaks: true,
        choices: vec![3, 36, 39, 15, 96, 20, 200, 34],
        ..Plan::undisturbed()
    });
}

/// The leader handed over behind our look and before our record: the boundary had not seen our handover.
#[test]
fn a_leader_that_hands_over_while_it_is_taken_over() {
    replay(Plan {
        create: Create::Existing { same_message: true, leader: Leader::Writes(2) },
        deltas: 0,
        calls: 1,
        ending: Ending::Error,
        agent_chunks: 1,
        subscription_breaks: true,
        rival: true,
        choices: vec![
            105, 13, 134, 214, 86, 39, 189, 113, 114, 14, 32, 6, 148, 97, 152, 116, 105, 72, 213, 125, 131,
            113, 45, 207, 33, 127, 145, 0, 0,
        ],
        ..Plan::undisturbed()
    });
}

/// The platform did not tell where our message was, and the answer to another in front of it was shown.
#[test]
fn a_message_behind_that_of_another_whose_position_is_not_told() {
    replay(Plan {
        create: behind(Leader::Writes(0)),
        agent_chunks: 1,
        append_failures: 2,
        rival: true,
        choices: vec![80, 106],
        ..Plan::undisturbed()
    });
}

/// The takeover was found together with the leader's handover; ours was not accepted, and a message in front of
/// ours was answered first.
#[test]
fn a_message_behind_that_of_another_and_a_takeover_in_vain() {
    replay(Plan {
        attempt: headstart_core::turn::Plan::Agent,
        create: behind(Leader::Writes(2)),
        deltas: 0,
        agent_chunks: 1,
        append_failures: 1,
        rival: true,
        choices: vec![32, 157, 12, 5, 150, 21, 32, 129, 96, 161, 0],
        ..Plan::undisturbed()
    });
}
