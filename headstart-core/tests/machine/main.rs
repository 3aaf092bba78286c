//! The invariants of a turn, over random interleavings of everything that can happen
//! (`ARCHITECTURE.md`, "Invariants").

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod follower;
mod losses;
mod queue;
mod regressions;
mod takeover;
mod world;

use headstart_core::turn::{self, OnDisconnect};
use proptest::prelude::*;
use world::{Create, Ending, Leader, Plan, World};

fn plan() -> impl Strategy<Value = Plan> {
    let leader = prop_oneof![
        Just(Leader::Finished),
        (0..3_usize).prop_map(Leader::Writes),
        any::<bool>().prop_map(|run_is_gone| Leader::Dead { run_is_gone }),
        Just(Leader::HandedOverInVain),
    ];
    let create = prop_oneof![
        6 => Just(Create::New),
        1 => Just(Create::LostAnswer),
        4 => (any::<bool>(), leader).prop_map(|(same_message, leader)| Create::Existing { same_message, leader }),
        1 => Just(Create::Fails),
        1 => Just(Create::Hangs),
    ];
    let ending = prop_oneof![
        4 => Just(Ending::Stop),
        4 => Just(Ending::ToolCalls),
        1 => Just(Ending::StopWithCalls),
        1 => Just(Ending::ContentFilter),
        2 => Just(Ending::Error),
        1 => Just(Ending::Eof),
        1 => Just(Ending::Hang),
    ];
    let faults = (any::<bool>(), 0..3_u8, any::<bool>(), any::<bool>(), 0..3_u8);
    let people = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let attempt = prop_oneof![
        8 => Just(turn::Plan::HeadStart),
        1 => Just(turn::Plan::Agent),
        1 => Just(turn::Plan::Message),
        1 => Just(turn::Plan::Alone),
    ];
    let on_disconnect = prop_oneof![
        4 => Just(OnDisconnect::Continue),
        1 => Just(OnDisconnect::Grace(std::time::Duration::from_millis(5))),
        1 => Just(OnDisconnect::Abort),
    ];
    let rare = (attempt, on_disconnect, prop::bool::weighted(0.2), prop::bool::weighted(0.1));
    (
        create,
        0..5_usize,
        0..3_usize,
        ending,
        0..4_usize,
        faults,
        people,
        rare,
        prop::collection::vec(any::<u8>(), 0..80),
    )
        .prop_map(|(create, deltas, calls, ending, agent_chunks, faults, people, rare, choices)| Plan {
            attempt: rare.0,
            on_disconnect: rare.1,
            yields: rare.2,
            replaced: rare.3,
            create,
            deltas,
            calls,
            ending,
            agent_chunks,
            tee_fails: faults.0 && faults.2,
            append_failures: if faults.2 { faults.1 } else { 0 },
            subscription_breaks: faults.3,
            look_failures: if faults.2 { faults.4 } else { 0 },
            rival: people.3,
            leaves: people.0 && people.1,
            stops: people.0 && people.2,
            choices,
        })
}

fn cases() -> u32 {
    std::env::var("HEADSTART_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: Some(Box::new(
        proptest::test_runner::FileFailurePersistence::WithSource("regressions"))), ..ProptestConfig::default() })]

    #[test]
    fn every_invariant_holds_in_every_interleaving(plan in plan()) {
        let mut world = World::new(plan);
        world.play();
        world.check()?;
    }
}

/// The proptest above must be able to fail: an undisturbed turn shows what it looks for.
#[test]
fn an_undisturbed_tool_turn_shows_everything_once_and_ends_cleanly() {
    let mut world = World::new(Plan {
        deltas: 3,
        calls: 2,
        ending: Ending::ToolCalls,
        agent_chunks: 3,
        ..Plan::undisturbed()
    });
    world.play();
    world.check().unwrap();
    assert_eq!(world.ended, Some(headstart_core::turn::Ending::Clean));
    let handover = &world.given[0];
    assert_eq!(handover["kind"], "handover");
    assert_eq!(handover["isFinal"], false);
    let last = handover["partialAssistantMessage"].as_array().unwrap().last().unwrap();
    assert_eq!(last["content"].as_array().unwrap().len(), 2, "both calls are approved: {last}");
    let types: Vec<&str> = world.frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect();
    assert_eq!(types.iter().filter(|kind| **kind == "tool-input-available").count(), 2);
    assert_eq!(
        types[types.len() - 3..],
        ["trigger:session-state", "trigger:turn-complete", "trigger:session-state"]
    );
}
