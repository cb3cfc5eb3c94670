//! Properties that hold for every series of calls and every text.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use drivers::cloud_init::{self, CloudInit, Execute, Install, LoginUser, Mount};
use drivers::mock::{AfterCreate, Lifecycle, MockConfig, MockDriver};
use drivers::{
    ComputeDriver, CreateInstance, DriverError, InstanceAction, InstanceState, ManualClock, StateMachine,
};
use proptest::prelude::*;
use saphyr::{LoadableYamlNode, Yaml};

#[derive(Debug, Clone, Copy)]
enum Move {
    Act(InstanceAction),
    Pass(u16),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    use InstanceAction::{Destroy, Reboot, Start, Stop};
    let act = prop_oneof![4 => Just(Start), 4 => Just(Stop), 3 => Just(Reboot), 1 => Just(Destroy)];
    prop::collection::vec(prop_oneof![act.prop_map(Move::Act), (0_u16..3000).prop_map(Move::Pass)], 1..25)
}

fn lifecycles() -> impl Strategy<Value = Lifecycle> {
    let takes = || prop_oneof![Just(0_u32), 1_u32..3000];
    (any::<bool>(), takes(), takes(), takes(), takes(), takes(), any::<bool>(), any::<bool>()).prop_map(
        |(stopped, create_ms, start_ms, stop_ms, reboot_ms, destroy_ms, destroy_anytime, can_fail)| {
            Lifecycle {
                after_create: if stopped { AfterCreate::Stopped } else { AfterCreate::Running },
                create_ms,
                start_ms,
                stop_ms,
                reboot_ms,
                destroy_ms,
                destroy_anytime,
                can_fail,
            }
        },
    )
}

/// The states that can be reached from one by themselves, itself included.
fn by_itself(machine: &StateMachine, from: &InstanceState) -> Vec<InstanceState> {
    let mut reached = vec![from.clone()];
    let mut at = 0;
    while at < reached.len() {
        for transition in machine.transitions(&reached[at].clone()) {
            if transition.action.is_none() && !reached.contains(&transition.to) {
                reached.push(transition.to.clone());
            }
        }
        at += 1;
    }
    reached
}

async fn walk(lifecycle: Lifecycle, moves: Vec<Move>) -> Result<(), TestCaseError> {
    let clock = ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let config = MockConfig { lifecycle, ..MockConfig::default() };
    let driver = MockDriver::with_clock(None, config, Arc::new(clock.clone())).unwrap();
    let machine = driver.instance_states().clone();
    let mut now = driver.create_instance(&CreateInstance::new("walker", "debian-12")).await.unwrap();
    let disk = now.disk_id.clone();
    for step in moves {
        let allowed = match step {
            Move::Act(action) => machine.target(&now.state, action).cloned(),
            Move::Pass(_) => None,
        };
        let answer = match step {
            Move::Pass(milliseconds) => {
                clock.advance(TimeDelta::milliseconds(milliseconds.into()));
                Ok(())
            }
            Move::Act(InstanceAction::Start) => driver.start_instance(&now.id).await.map(drop),
            Move::Act(InstanceAction::Stop) => driver.stop_instance(&now.id).await.map(drop),
            Move::Act(InstanceAction::Reboot) => driver.reboot_instance(&now.id).await.map(drop),
            Move::Act(_) => driver.destroy_instance(&now.id).await,
        };
        let after = match driver.instance(&now.id).await {
            Ok(instance) => Some(instance),
            Err(DriverError::NotFound { .. }) => None,
            Err(e) => return Err(TestCaseError::fail(e.to_string())),
        };
        let state = after.as_ref().map_or(InstanceState::Finish, |i| i.state.clone());
        match (step, allowed) {
            (Move::Pass(_), _) => {
                prop_assert!(
                    by_itself(&machine, &now.state).contains(&state),
                    "{} became {state}",
                    now.state
                );
            }
            (Move::Act(action), Some(target)) => {
                prop_assert!(answer.is_ok(), "{action} of {}: {answer:?}", now.state);
                prop_assert_eq!(state, target);
            }
            // Destroying what is being destroyed changes nothing, in whatever state it is shown.
            (Move::Act(InstanceAction::Destroy), None) if answer.is_ok() => {
                prop_assert_eq!(&now.state, &InstanceState::Stopping);
                prop_assert_eq!(&state, &now.state);
            }
            (Move::Act(_), None) => {
                prop_assert!(matches!(answer, Err(DriverError::WrongState { .. })), "{answer:?}");
                prop_assert_eq!(&state, &now.state);
            }
        }
        let Some(after) = after else { return Ok(()) };
        prop_assert_eq!(&after.actions, &machine.actions(&after.state));
        prop_assert_eq!(&after.disk_id, &disk);
        let booted =
            matches!(step, Move::Act(InstanceAction::Start | InstanceAction::Reboot)) && answer.is_ok();
        prop_assert_eq!(after.boot_count, now.boot_count.map(|n| n + u32::from(booted)));
        now = after;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Whatever is done to an instance and whenever, it goes only where its declared states lead.
    #[test]
    fn instances_keep_to_the_declared_states(lifecycle in lifecycles(), moves in moves()) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(walk(lifecycle, moves))?;
    }

    /// From every state of every lifecycle there is a way to the end.
    #[test]
    fn every_state_leads_to_the_end(lifecycle in lifecycles()) {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let config = MockConfig { lifecycle, ..MockConfig::default() };
        let driver = MockDriver::with_clock(None, config, Arc::new(clock)).unwrap();
        let machine = driver.instance_states();
        for (state, _) in machine.states() {
            prop_assert_ne!(machine.step(state, &InstanceState::Finish), drivers::Step::Impossible);
        }
    }
}

fn texts() -> impl Strategy<Value = String> {
    // What YAML readers stumble over, beside any text.
    let hard = prop::sample::select(vec![
        "'",
        "\"",
        "\\",
        "\n",
        "\r\n",
        "\t",
        ": ",
        " #",
        "- ",
        "{",
        "}",
        "[",
        "&a",
        "*a",
        "!!str",
        "%",
        "@",
        "`",
        "---",
        "...",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{7f}",
        "\u{1b}",
        "\u{9f}",
        "\u{ffff}",
        "\u{10ffff}",
        "😀",
        "null",
        "~",
        "yes",
        "0x1",
        "${HOME}",
        "$(id)",
        "\\u0041",
    ]);
    let part = prop_oneof![hard.prop_map(String::from), "\\PC{0,5}", any::<char>().prop_map(String::from)];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat().replace('\0', ""))
}

fn wanted() -> impl Strategy<Value = CloudInit> {
    let keys = prop::collection::vec("ssh-[a-z]{3} [A-Za-z0-9+/=]{1,40} [!-~é😀]{0,20}", 0..3);
    let users = prop::collection::btree_map("[a-z_][a-z0-9_-]{0,31}", keys, 0..4);
    let install = ("https://[!-~]{1,30}", "/[ -~é😀]{0,20}");
    let execute = (prop::sample::select(vec!["sh", "bash", "/bin/dash"]), texts());
    let mount = ("/dev/[a-z0-9]{1,8}", "(/[a-zA-Z0-9._-]{1,8}){1,3}");
    let mounts = prop::collection::vec(mount, 0..3);
    (users, mounts, prop::collection::vec(install, 0..3), prop::collection::vec(execute, 0..4)).prop_map(
        |(users, mounts, install, execute)| CloudInit {
            mounts: mounts.into_iter().map(|(device, path)| Mount { device, path }).collect(),
            users: users
                .into_iter()
                .map(|(name, keys)| LoginUser {
                    name,
                    keys: keys.into_iter().map(|k| k.trim().to_owned()).collect(),
                })
                .collect(),
            install: install.into_iter().map(|(url, path)| Install { url, path }).collect(),
            execute: execute
                .into_iter()
                .map(|(shell, command)| Execute { shell: shell.to_owned(), command })
                .collect(),
        },
    )
}

/// The words of a YAML list.
fn words(list: &Yaml<'_>) -> Vec<String> {
    list.as_vec().unwrap().iter().map(|w| w.as_str().unwrap().to_owned()).collect()
}

proptest! {
    /// A YAML reader that knows nothing of us finds exactly what was put in, and our own too.
    #[test]
    fn user_data_holds_exactly_what_was_put_in(wanted in wanted()) {
        let document = cloud_init::build(&wanted).unwrap();
        prop_assert_eq!(&cloud_init::read(&document).unwrap(), &wanted);

        let read = Yaml::load_from_str(&document).unwrap();
        prop_assert_eq!(read.len(), 1);
        let users = read[0].as_mapping_get("users").unwrap().as_vec().unwrap();
        prop_assert_eq!(users.len(), wanted.users.len());
        for (user, asked) in users.iter().zip(&wanted.users) {
            prop_assert_eq!(user.as_mapping_get("name").unwrap().as_str(), Some(asked.name.as_str()));
            prop_assert_eq!(&words(user.as_mapping_get("ssh_authorized_keys").unwrap()), &asked.keys);
        }
        let commands: Vec<Vec<String>> = read[0]
            .as_mapping_get("runcmd")
            .map(|c| c.as_vec().unwrap().iter().map(words).collect())
            .unwrap_or_default();
        let (mounts, commands) = commands.split_at(wanted.mounts.len());
        for (command, asked) in mounts.iter().zip(&wanted.mounts) {
            prop_assert_eq!(&command[4..], &[asked.device.clone(), asked.path.clone()]);
        }
        let (installs, executes) = commands.split_at(wanted.install.len());
        for (command, asked) in installs.iter().zip(&wanted.install) {
            prop_assert_eq!(&command[4..], &[asked.url.clone(), asked.path.clone()]);
        }
        prop_assert_eq!(executes.len(), wanted.execute.len());
        for (command, asked) in executes.iter().zip(&wanted.execute) {
            prop_assert_eq!(command, &[asked.shell.clone(), "-c".into(), asked.command.clone()]);
        }
    }

    /// What mounts disks comes off without a trace, whatever stands beside it.
    #[test]
    fn mounts_come_off(wanted in wanted()) {
        let document = cloud_init::build(&wanted).unwrap();
        let without = CloudInit { mounts: Vec::new(), ..wanted.clone() };
        let (rest, mounts) = cloud_init::split_mounts(&document);
        prop_assert_eq!(rest, cloud_init::build(&without).unwrap());
        prop_assert_eq!(mounts.lines().count(), wanted.mounts.len());
    }

    /// No text makes building or reading panic, nor slips a second entry in.
    #[test]
    fn hostile_texts_are_refused_or_kept_whole(name in texts(), key in texts(), url in texts(), text in texts()) {
        let hostile = CloudInit {
            users: vec![LoginUser { name, keys: vec![key] }],
            install: vec![Install { url: url.clone(), path: url }],
            execute: vec![Execute { shell: text.clone(), command: text.clone() }],
            mounts: Vec::new(),
        };
        if let Ok(document) = cloud_init::build(&hostile) {
            let back = cloud_init::read(&document).unwrap();
            prop_assert_eq!((back.users.len(), back.install.len(), back.execute.len()), (1, 1, 1));
        }
        let _ = cloud_init::read(&text);
    }
}
