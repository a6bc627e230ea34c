//! `check` of a door.

use serde_json::Value;

use super::file_of_keys;
use crate::{
    admin::{add_user, shell},
    cli::program::Program,
    support::{Bench, broker_url, remove},
};

/// What `check` finds of the door, each as `status: message`, and the exit code.
fn found(program: &Program, arguments: &[&str]) -> (Vec<String>, Vec<Value>, Option<i32>) {
    let ended = program.run(&[&["check", "--format", "json"], arguments].concat());
    let found: Vec<Value> = serde_json::from_str(&ended.out).unwrap_or_else(|_| panic!("{ended:?}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of_door = found.iter().filter(|line| line["check"] == "door");
    let of_door = of_door.map(|line| format!("{}: {}", text(&line["status"]), text(&line["message"]))).collect();
    (of_door, found, ended.code)
}

/// With a broker where nobody listens.
fn without_broker() -> Program {
    Program::new().without("CHATBOT_AMQP_URL").with("CHATBOT_AMQP_URL", "amqp://127.0.0.1:1")
}

#[test]
fn the_keys_of_a_door_and_who_reaches_it_are_told() {
    const HASH: &str = "hash = \"sha256:efa1f375d76194fa51a3556a97e641e61685f914d446979da50a551a4333ffd7\"\n";
    let (path, _) = file_of_keys(&format!("[keys.page]\n{HASH}public = true\norigins = [\"https://a.example\"]\n"));
    let shown = path.display().to_string();
    let with_keys = without_broker().with("CHATBOT_DOOR_KEYS_PATH", &shown);
    let (told, all, code) = found(&with_keys, &["--door"]);
    let exposed = format!("warn: others may read or write {shown} (its mode is 644)");
    assert_eq!(told, [format!("ok: {shown}: one key, a public one"), exposed]);
    assert_eq!(code, Some(69), "the broker is away, and nothing else is wrong: {all:?}");
    assert!(
        all.iter().all(|line| ["settings", "door", "broker"].contains(&line["check"].as_str().unwrap())),
        "{all:?}"
    );

    let wrong = format!("[keys.one]\n[keys.page]\n{HASH}public = true\n");
    std::fs::write(&path, wrong).unwrap();
    let (told, _, code) = found(&with_keys, &["--door"]);
    let fault = |line: u32, name: &str| format!("fail: CHATBOT_DOOR_KEYS_PATH: {shown}: line {line}: key '{name}': ");
    assert!(
        matches!(&told[..], [one, two] if one.starts_with(&fault(1, "one")) && two.starts_with(&fault(4, "page"))),
        "{told:?}"
    );
    assert_eq!(code, Some(78));
    std::fs::write(&path, "").unwrap();
    assert!(found(&with_keys, &["--door"]).0[0].starts_with(&format!("warn: {shown} holds no key")));
    std::fs::remove_file(&path).unwrap();
    assert!(found(&with_keys, &["--door"]).0[0].starts_with("fail: "));

    // As a worker's process has it: where it opens a door, and only there.
    let local = without_broker();
    assert!(found(&local, &[]).0.is_empty());
    assert_eq!(
        found(&local, &["--door"]).0,
        ["ok: nobody needs a key, as 127.0.0.1:8000 is reached from this machine alone"]
    );
    let open = without_broker().with("CHATBOT_DOOR_LISTEN", "0.0.0.0:8001").with("CHATBOT_DOOR_KEYS", "off");
    let (told, all, _) = found(&open, &[]);
    assert!(matches!(&told[..], [line] if line.starts_with("warn: whoever reaches 0.0.0.0:8001 may ask")), "{told:?}");
    assert!(all.iter().any(|line| line["check"] == "model"), "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_doors_user_may_not_do_is_told_at_once_and_the_printed_command_grants_it() {
    let worker = Bench::new().start().await;
    let names = worker.names.clone();
    let (user, url) = add_user(&names, "door");
    let door = Program::of(&names).without("CHATBOT_AMQP_URL").with("CHATBOT_AMQP_URL", &url);
    let (_, all, code) = found(&door, &["--door"]);
    assert_eq!(code, Some(78), "{all:?}");
    // To log in at all.
    shell(&format!("rabbitmqctl set_permissions '{user}' '' '' ''"));
    let (told, all, code) = found(&door, &["--door"]);
    assert_eq!(code, Some(78), "{all:?}");
    let exchange = names.exchange();
    let lacks = [("declare", "a queue that the broker names"), ("publish", "exchange"), ("read", "queue 'amq.gen-")];
    assert_eq!(told.len(), 1 + lacks.len(), "{told:?}");
    for (line, (action, object)) in told[1..].iter().zip(lacks) {
        let lacks = format!("fail: this user may not {action}, as a door has to: {object}");
        assert!(line.starts_with(&lacks), "{told:?}");
    }
    assert!(told[2].contains(&format!("exchange '{exchange}', exchange '{exchange}.control'")), "{told:?}");

    let printed = Program::of(&names).run(&["topology", "permissions", "--door", &user]);
    let command =
        printed.ok().lines().find(|line| line.starts_with("rabbitmqctl") && line.contains(&format!("'{user}'")));
    shell(command.unwrap());
    let (told, all, code) = found(&door, &["--door"]);
    let expected = [
        "ok: nobody needs a key, as 127.0.0.1:8000 is reached from this machine alone",
        "ok: the broker's user may do all that a door has to",
        "ok: the bot can be asked: one worker, 5 intents, without conversations",
    ];
    assert_eq!((told, code), (expected.map(str::to_owned).to_vec(), Some(0)), "{all:?}");

    // Beside a worker, with one user for both.
    let both = Program::of(&names).with("CHATBOT_DOOR_LISTEN", "127.0.0.1:8000");
    assert_eq!(found(&both, &[]).0, expected);
    worker.stop_and_leave().await;
    let (told, _, code) = found(&door, &["--door"]);
    assert!(told[2].starts_with("warn: no worker tells of its bot"), "{told:?}");
    assert_eq!(code, Some(0));
    remove(&broker_url(), &names).await;
    let (told, _, code) = found(&door, &["--door"]);
    assert!(told[2].contains(&format!("there is no exchange '{exchange}'")), "{told:?}");
    assert_eq!(code, Some(0));
    shell(&format!("rabbitmqctl delete_user '{user}'"));
}
