//! The program as an operator has it: arguments, environment, standard streams, signals, exit codes.

mod check;
mod conversation;
mod dialogues;
mod eval;
mod folder;
mod import;
mod key;
mod log;
mod other;
pub mod program;
mod search;
mod train;

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    time::Duration,
};

use chatbot_worker::{
    amqp::{
        client::{AskError, Client as Asking},
        connection::address::{Access, Broker, Tls},
    },
    app::{intents::BUILT_IN, settings::DEFAULTS},
    domain::{Request, codec::Answered},
    renewed::Renewed,
};
use serde_json::Value;

pub use self::program::Program;
use self::{
    other::{Other, reply},
    program::{end_of, in_background},
};
use tokio_util::sync::CancellationToken;

use crate::support::{PATIENCE, broker_url, intent, short};

/// Where nobody listens.
const NOBODY: &str = "amqp://127.0.0.1:1";

#[tokio::test(flavor = "multi_thread")]
async fn the_bot_answers_on_the_command_line() {
    let program = Program::new().with("CHATBOT_WORKER_MAX_BODY", "1KiB");
    let worker = program.start_ready();

    let check = |arguments: &[&str], body: &str, below: &str| {
        let ended = program.run(&[&["ask"], arguments].concat());
        let (text, meaning) = ended.ok().trim_end().rsplit_once('\n').unwrap();
        assert!(text.contains(body), "{ended:?}");
        assert!(meaning.starts_with(&format!("  intent {below}")) && meaning.ends_with(" ms"), "{ended:?}");
    };
    check(&["我想查询产品规格"], "规格参数", "product_info · confidence ");
    check(&["I", "want to return", "this kettle"], "within 30 days", "return_policy · confidence ");
    check(&["qwxz vrtp zzkj"], "I'm not sure I understood", "help_info (fallback; predicted ");
    check(&["--intent", "refund", "qwxz vrtp zzkj"], "Refunds go back", "refund · ");
    check(&["--locale", "zh", "where is my parcel"], "订单", "order_status · confidence ");

    let replies = program.run(&["ask", "--format", "json", "怎么退货"]).json_lines();
    assert_eq!(replies.len(), 1);
    assert_eq!((&replies[0]["type"], &replies[0]["locale"]), (&"chat.reply".into(), &"zh".into()));
    assert_eq!(replies[0]["intent"]["name"], "return_policy");

    program.run(&["ask", ""]).failed(1, &["error invalid_message: the text is empty"]);
    let ended = program.run(&["ask", "--format=json", " "]);
    ended.failed(1, &[]);
    let error: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&error["type"], &error["error"]["code"]), (&"chat.error".into(), &"invalid_message".into()));

    let replies = program.fed(&["ask", "--format", "json"], "hello\n\n你好\r\n再见".as_bytes()).json_lines();
    let meant: Vec<_> = replies.iter().map(|reply| &reply["intent"]["name"]).collect();
    assert_eq!(meant, ["greeting", "greeting", "goodbye"]);
    let ended = program.fed(&["ask"], format!("qwxz vrtp\n{}\n你好\n", "x".repeat(2000)).as_bytes());
    ended.failed(1, &["line 2: error payload_too_large: "]);
    let lines: Vec<_> = ended.out.lines().collect();
    assert!(matches!(lines[..], [help, hello] if help.starts_with("Sorry") && hello.starts_with("您好")), "{lines:?}");
    program.fed(&["ask"], b"hello\n\xff\n").failed(65, &["line 2 of standard input isn't UTF-8"]);

    program.run(&["ask", "--intent", "nope", "hi"]).failed(69, &[".intent.nope'", "no such intent"]);
    program.run(&["ask", "--intent", "a.b", "hi"]).failed(64, &["'a.b' is no valid name"]);
    program.run(&["ask", "--timeout", "10", "hi"]).failed(64, &["isn't a duration"]);

    worker.signal("INT");
    let (code, log) = worker.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("everything in flight was settled"), "{log}");

    let ended = program.run(&["ask", "hi"]);
    ended.failed(69, &[&format!("no worker consumes the queue '{}.requests'", program.names.exchange())]);
    program.remove().await;
}

#[test]
fn asking_says_at_once_what_is_missing() {
    fn check(url: &str, code: i32, said: &[&str]) {
        Program::new().with("CHATBOT_AMQP_URL", url).run(&["ask", "--timeout", "1h", "hi"]).failed(code, said);
    }
    check(&broker_url(), 69, &["there is no exchange 't", "CHATBOT_AMQP_EXCHANGE"]);
    check(NOBODY, 69, &["amqp://127.0.0.1:1 can't be reached", "CHATBOT_AMQP_URL"]);
    check(&with_password("s3cret"), 77, &["refuses the credentials of user 'guest'"]);
    check(&with_vhost("nope"), 78, &["the virtual host 'nope'"]);
}

#[test]
fn a_check_tells_of_the_broker_before_it_waits_for_a_model() {
    // Takes connections, and never answers.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let program = Program::new()
        .with("CHATBOT_AMQP_URL", NOBODY)
        .with("CHATBOT_MODEL_CHAIN", "slow")
        .with("CHATBOT_MODEL_TIMEOUT", "10m")
        .with("CHATBOT_SLOW_KIND", "rasa")
        .with("CHATBOT_SLOW_TIMEOUT", "10m")
        .with("CHATBOT_SLOW_URL", &format!("http://{}", hanging.local_addr().unwrap()));
    let mut child = program.command(&["check"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let told = lines.find(|line| line.starts_with("FAIL  broker")).expect("the broker's line");
    assert!(told.contains("amqp://127.0.0.1:1 can't be reached: Connection refused"), "{told}");
    assert!(lines.next().is_some_and(|mend| mend.contains("→ Start it, or set CHATBOT_AMQP_URL to where it is")));
    assert_eq!(child.try_wait().unwrap(), None, "it still waits for the model");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let program = Program::new();
    let mut other = Other::new(&program.names, "slow", true).await;
    program.run(&["ask", "--intent", "slow", "--timeout", "2s", "hi"]).failed(75, &["no answer within 2s"]);
    let ended = program.fed(&["ask", "--intent", "slow", "--timeout", "1ms"], b"\nhi\nhi\n");
    ended.failed(75, &["line 2 of standard input: no answer within 1ms"]);
    // The question is a message like any other's.
    let question = other.next().await;
    let properties = &question.properties;
    assert_eq!(serde_json::from_slice::<Value>(&question.data).unwrap(), serde_json::json!({"body": "hi"}));
    assert_eq!(properties.content_type(), &Some(short("application/json")));
    assert_eq!(properties.message_id(), properties.correlation_id());
    assert!(
        properties.reply_to().as_ref().is_some_and(|address| address.as_str().starts_with("amq.rabbitmq.reply-to."))
    );
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_belongs_to_its_question() {
    let program = Program::new();
    let mut other = Other::new(&program.names, "slow", true).await;
    let mut client = Asking::open(&broker(), program.names.clone()).await.unwrap();
    let never = CancellationToken::new();
    let (request, slow) = (Request { text: "hi".to_owned(), ..Request::default() }, intent("slow"));
    let first = tokio::select! {
        asked = client.ask(&request, Some(&slow), PATIENCE, |_| {}, &never) => panic!("nobody answered: {asked:?}"),
        first = other.next() => first,
    };
    let answering = async {
        let second = other.next().await;
        other.answer(&first, &reply("late")).await;
        other.answer(&second, &reply("in time")).await;
    };
    let (asked, ()) = tokio::join!(client.ask(&request, Some(&slow), PATIENCE, |_| {}, &never), answering);
    let Ok(Answered::Reply(reply)) = asked.map(|answer| answer.answered) else { panic!("no reply") };
    assert_eq!(reply.text, "in time");

    let answering = async {
        let question = other.next().await;
        other.answer(&question, "pong").await;
    };
    let (asked, ()) = tokio::join!(client.ask(&request, Some(&slow), PATIENCE, |_| {}, &never), answering);
    assert!(matches!(asked, Err(AskError::Unreadable(_))), "{asked:?}");
    client.close(PATIENCE).await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_no_queue_takes_is_given_back() {
    let program = Program::new();
    let other = Other::new(&program.names, "slow", false).await;
    let ended = program.run(&["ask", "--intent", "slow", "hi"]);
    ended.failed(69, &["no queue takes the routing key 'intent.slow'", "NO_ROUTE"]);
    other.stop().await;
}

#[test]
fn texts_are_classified_without_a_broker() {
    let program = Program::new().with("CHATBOT_AMQP_URL", NOBODY);
    let ended = program.run(&["classify", "我想", "查询产品规格"]);
    let lines: Vec<_> = ended.ok().lines().collect();
    assert_eq!(lines[0], "我想 查询产品规格");
    assert!(lines[1].starts_with("  product_info ") && lines[1].contains(" 0.9"), "{lines:?}");
    let last = lines.last().copied().unwrap_or_default();
    assert!(last.starts_with("  → product_info answers, as its confidence reaches the threshold of 0."), "{last}");

    let texts = "I want to return this kettle\n \nqwxz vrtp zzkj\n";
    let found = program.fed(&["classify", "--format", "json"], texts.as_bytes()).json_lines();
    let [kettle, nonsense] = &found[..] else { panic!("{found:?}") };
    assert_eq!(kettle["text"], "I want to return this kettle");
    assert_eq!((&kettle["intent"]["name"], &kettle["intent"]["fallback"]), (&"return_policy".into(), &false.into()));
    assert_eq!(kettle["ranking"][0]["confidence"], kettle["intent"]["confidence"]);
    assert_eq!((&nonsense["intent"]["name"], &nonsense["intent"]["fallback"]), (&"help_info".into(), &true.into()));
    assert_eq!(nonsense["ranking"][0], nonsense["intent"]["predicted"]);

    let strict = program.with("CHATBOT_MODEL_THRESHOLD", "1");
    let ended = strict.run(&["classify", "where is my order and how do I return it"]);
    assert!(ended.ok().ends_with("  → help_info answers, the fallback, as no confidence reaches the threshold of 1\n"));
    strict.fed(&["classify"], b"\xff\n").failed(65, &["line 1 of standard input isn't UTF-8"]);
    strict
        .with("CHATBOT_INTENTS_PATH", "/nowhere/bot.toml")
        .run(&["classify", "hi"])
        .failed(78, &["/nowhere/bot.toml"]);
}

#[test]
fn the_settings_in_force_are_shown_without_secrets() {
    let url = "amqps://bot:s3cret@mq1,amqp://bot:%73%33cret@[::1]:5673/shop";
    let program = Program::new().with("CHATBOT_AMQP_URL", url);
    let ended = program.run(&["config"]);
    let row = |key: &str| {
        let row = ended.out.lines().find(|line| line.starts_with(&format!("{key} "))).unwrap();
        row.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(!ended.ok().contains("3cret"), "{ended:?}");
    assert_eq!(row("SETTING"), ["SETTING", "VALUE", "FROM"]);
    let shown = "amqps://bot:***@mq1:5671/%2F,amqp://bot:***@[::1]:5673/shop";
    assert_eq!(row("amqp.url"), ["amqp.url", shown, "environment", "CHATBOT_AMQP_URL"]);
    assert_eq!(row("retry.delays"), ["retry.delays", "1s,5s,30s", "default"]);
    assert_eq!(row("intents.path"), ["intents.path", "(not", "set)", "default"]);

    let ended = program.run(&["config", "--format", "json"]);
    let rows: Vec<Value> = serde_json::from_str(ended.ok()).unwrap();
    let listen = rows.iter().find(|row| row["key"] == "http.listen").unwrap();
    assert_eq!(
        (&listen["value"], &listen["origin"]),
        (&"127.0.0.1:0".into(), &"environment CHATBOT_HTTP_LISTEN".into())
    );
    assert!(!ended.out.contains("3cret"));

    assert_eq!(program.run(&["config", "--default"]).ok(), DEFAULTS);
}

#[test]
fn all_that_is_wrong_with_the_settings_is_told_at_once() {
    let program = Program::new()
        .with("CHATBOT_AMQP_URL", "http://bot:s3cret@mq1")
        .with("CHATBOT_MODEL_THRESHOLD", "7")
        .with("CHATBOT_MODEL_TRESHOLD", "0.7");
    let said = ["CHATBOT_AMQP_URL: ", "CHATBOT_MODEL_THRESHOLD: \"7\"", "did you mean CHATBOT_MODEL_THRESHOLD?"];
    for arguments in [&[][..], &["run"], &["config"], &["ask", "hi"], &["classify", "hi"], &["health"]] {
        let ended = program.run(arguments);
        ended.failed(78, &said);
        assert!(!ended.err.contains("s3cret") && ended.out.is_empty(), "{ended:?}");
    }
}

#[test]
fn the_built_in_bot_is_printed_as_it_is() {
    assert_eq!(Program::new().run(&["intents", "print"]).ok(), BUILT_IN);
}

#[test]
fn whoever_reads_the_output_may_stop() {
    for arguments in [&["intents", "print"][..], &["config"], &["classify", "hi"], &["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut child = Program::new().command(arguments).stdout(writer).spawn().unwrap();
        let err = in_background(child.stderr.take().unwrap());
        assert_eq!((end_of(&mut child).code(), err.join().unwrap().as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn help_tells_the_exit_codes_and_a_wrong_command_line_has_its_own() {
    let program = Program::new();
    let help = program.run(&["--help"]);
    for exit in [0, 1, 64, 65, 69, 71, 75, 77, 78, 130] {
        assert!(help.ok().lines().any(|line| line.trim_start().starts_with(&format!("{exit}  "))), "{exit}");
    }
    for command in ["run", "ask", "check", "topology", "classify", "config", "intents", "key", "health"] {
        assert!(help.out.contains(&format!("\n  {command} ")), "{command}");
        program.run(&[command, "--help"]).ok();
    }
    program.run(&["answer"]).failed(64, &["answer"]);
    program.run(&["config", "--defualt"]).failed(64, &["--default"]);
    program.run(&["intents"]).failed(64, &["print"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_tells_whether_it_is_ready() {
    let program = Program::new();
    let mut worker = program.start();
    let address = worker.address();
    worker.until(" ready ");
    let at = |address: &str| Program::new().with("CHATBOT_HTTP_LISTEN", address);
    let everywhere = address.replace("127.0.0.1", "0.0.0.0");
    for listen in [&address, &everywhere] {
        assert_eq!(at(listen).run(&["health"]).ok(), "ready\n");
    }
    assert_eq!(program.run(&["health", "--url", &format!("http://{address}/livez")]).ok(), "ok\n");
    program.run(&["health", "--url", &format!("http://{address}/nothing")]).failed(1, &[]);
    worker.signal("TERM");
    let (code, log) = worker.end();
    assert_eq!(code, Some(0), "{log}");

    at(&address).run(&["health"]).failed(69, &["can't be reached", "Connection refused"]);
    at("off").run(&["health"]).failed(78, &["CHATBOT_HTTP_LISTEN is off"]);
    at("127.0.0.1:0").run(&["health"]).failed(78, &["port 0", "--url"]);
    program.remove().await;
}

#[test]
fn a_worker_waits_for_a_broker_that_is_away_and_can_be_stopped_meanwhile() {
    for signal in ["TERM", "INT"] {
        let mut worker = Program::new().with("CHATBOT_AMQP_URL", NOBODY).start();
        let address = worker.address();
        worker.until("trying again until there is one");
        let health = Program::new().with("CHATBOT_HTTP_LISTEN", &address).run(&["health"]);
        assert_eq!((health.code, health.out.starts_with("not ready")), (Some(1), true), "{health:?}");
        worker.signal(signal);
        let (code, log) = worker.end();
        assert_eq!(code, Some(0), "{log}");
    }
}

#[test]
fn a_worker_that_trains_is_alive_and_not_ready_and_can_be_stopped_meanwhile() {
    // Enough that it trains for longer than it takes to ask, on any machine.
    let intents = (0..1000).map(|intent| {
        let texts: Vec<_> = (0..20).map(|text| format!("\"where is parcel {intent} of street {text}\"")).collect();
        format!("[intents.parcel_{intent}]\nexamples.en = [{}]\nreply.en = \"there\"\n", texts.join(", "))
    });
    let bot = format!("fallback = \"parcel_0\"\n{}", intents.collect::<String>());
    let program = Program::new().with("CHATBOT_AMQP_URL", NOBODY);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.toml", program.names.exchange()));
    std::fs::write(&path, bot).unwrap();
    let mut worker = program.with("CHATBOT_INTENTS_PATH", path.to_str().unwrap()).start();
    let address = worker.address();
    let asked = |path: &str| Program::new().run(&["health", "--url", &format!("http://{address}{path}")]);
    assert_eq!(asked("/livez").ok(), "ok\n");
    let ready = asked("/readyz");
    assert_eq!((ready.code, ready.out.as_str()), (Some(1), "not ready: training the intent model\n"), "{ready:?}");
    worker.signal("TERM");
    let (code, log) = worker.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("is trained"), "it was stopped after its training: {log}");
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_worker_that_can_never_work_ends_with_the_reason() {
    fn check(variable: &str, value: &str, code: i32, said: &[&str]) {
        Program::new().with(variable, value).run(&["run"]).failed(code, said);
    }
    check("CHATBOT_AMQP_URL", &with_password("s3cret"), 77, &["refuses the credentials of user 'guest'"]);
    check("CHATBOT_AMQP_URL", &with_vhost("nope"), 78, &["the virtual host 'nope'"]);
    check("CHATBOT_AMQP_TOPOLOGY", "verify", 78, &[".requests'", ".died'", "It is missing"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    // One that has it may just be ending: whoever starts this again does well.
    check("CHATBOT_HTTP_LISTEN", &address, 71, &["CHATBOT_HTTP_LISTEN", &address, "in use"]);
}

fn broker() -> Broker {
    let second = Duration::from_secs(10);
    Broker {
        access: Renewed::fixed(Access { urls: vec![broker_url().parse().unwrap()], tls: Tls::default() }),
        connect_timeout: second,
        confirm_timeout: second,
    }
}

/// The test's broker with another password.
fn with_password(password: &str) -> String {
    let mut url = url::Url::parse(&broker_url()).unwrap();
    url.set_password(Some(password)).unwrap();
    url.into()
}

/// The test's broker with another virtual host.
fn with_vhost(vhost: &str) -> String {
    let mut url = url::Url::parse(&broker_url()).unwrap();
    url.set_path(vhost);
    url.into()
}

#[test]
fn what_a_shell_of_windows_pipes_is_the_text_alone() {
    let program = Program::new();
    let texts = |out: &program::Ended| -> Vec<String> {
        out.json_lines().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    };
    let marked = program.fed(&["classify", "--format", "json"], "\u{feff}money back\r\n\r\n我要退款".as_bytes());
    assert_eq!(texts(&marked), ["money back", "我要退款"]);
    program.fed(&["classify"], b"\xff\xfem\0o\0").failed(65, &["line 1 of standard input is UTF-16 text"]);
    program.fed(&["classify"], b"money\n\xce\xca\n").failed(65, &["line 2 of standard input isn't UTF-8 text"]);
}
