//! What a user of the broker may do: the printed permissions are enough, and what is missing is named.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn all_that_the_broker_refuses_is_told_at_once_in_order_and_once() {
    let names = Bench::new().names;
    let admin = Admin::new(&names, &broker_url());
    let client = Client::new(&broker_url(), &names).await;
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    let intents = ["refund", "help_info"].map(|name| names.queue(&WorkQueue::Intent(intent(name))));
    let others = [names.died(), names.queue(&WorkQueue::Requests), intents[1].clone(), intents[0].clone()];
    for queue in &others {
        client.channel.queue_declare(short(queue), options, FieldTable::default()).await.unwrap();
    }
    for (command, code) in [(["topology", "declare"], 78), (["run", ""], 78)] {
        let arguments: Vec<&str> = command.iter().copied().filter(|argument| !argument.is_empty()).collect();
        let declared = admin.run(&arguments);
        assert_eq!(declared.code, Some(code));
        let places = others.each_ref().map(|queue| {
            let told: Vec<_> = declared.err.match_indices(&format!("queue '{queue}': the broker says")).collect();
            assert_eq!(told.len(), 1, "{queue}: {declared:?}");
            told[0].0
        });
        assert!(places.is_sorted(), "{declared:?}");
    }
    // What wasn't refused is there: also what stood behind the refused.
    assert!(client.exists(&names.queue(&WorkQueue::Intent(intent("queued")))).await);
    assert!(client.exists(&names.retry_queue(std::time::Duration::from_millis(200))).await);
    admin.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_may_not_make_a_queue_of_dead_letters_loses_neither_letter_nor_session() {
    let names = Bench::new().names;
    let (user, url) = add_user(&names, "narrow");
    let exchange = names.exchange();
    let configure = format!(r"^{exchange}(\.((requests|died)(\.dead)?|suspects|intent\.[a-z_]+|retry.*))?$");
    let others = format!(r"^(amq\.default|{exchange}.*)$");
    shell(&format!("rabbitmqctl set_permissions '{user}' '{configure}' '{others}' '{others}'"));
    let mut bench = Bench::at(&url).named(&names);
    bench.settings.consume = chatbot_worker::amqp::settings::Consume::All;
    let worker = bench.start().await;
    let ready = worker.ready.clone();
    let mut client = Client::new(&broker_url(), &names).await;
    assert_eq!(client.ask("intent.refund", "").await.code(), Some("invalid_message"));
    let letter = client.dead_letter(&WorkQueue::Requests).await;
    let first = names.queue(&WorkQueue::Intent(intent("refund")));
    assert_eq!(crate::support::header(&letter, "chatbot-queue"), Some(first));
    assert_eq!(client.ask("request", "refund please").await.text(), Some("refund: refund please"));
    assert!(!ready.has_changed().unwrap(), "the session lives on");
    worker.stop_and_leave().await;
    shell(&format!("rabbitmqctl delete_user '{user}'"));
    remove(&broker_url(), &names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_and_a_client_with_the_printed_permissions_and_no_others_can_work() {
    for mode in [TopologyMode::Declare, TopologyMode::Verify] {
        let names = Bench::new().names;
        let (worker_user, worker_url) = add_user(&names, "worker");
        let (client_user, client_url) = add_user(&names, "client");
        let mut admin = Admin::new(&names, &broker_url());
        if mode == TopologyMode::Verify {
            assert_eq!(admin.run(&["topology", "declare"]).code, Some(0));
        }
        admin.mode = mode;
        let (operator_user, operator_url) = add_user(&names, "operator");
        let users = ["--worker", &worker_user, "--client", &client_user, "--operator", &operator_user];
        let printed = [&["topology", "permissions"], &users[..]].concat();
        for user in [&worker_user, &client_user, &operator_user] {
            admin.run_printed(&printed, &format!("'{user}'"));
        }

        let mut bench = Bench::at(&worker_url);
        (bench.names, bench.settings.names) = (names.clone(), names.clone());
        bench.settings.topology = mode;
        let worker = bench.start().await;
        let mut client = Client::new(&client_url, &names).await;
        assert_eq!(client.ask("request", "refund please").await.text(), Some("refund: refund please"));
        assert_eq!(client.ask("request", "queued please").await.text(), Some("queued: queued please"));
        // Retries and dead letters take rights of their own.
        assert_eq!(client.ask("request", "").await.code(), Some("invalid_message"));

        admin.url = worker_url;
        let (found, code) = admin.check();
        assert_eq!(code, Some(0), "{found:?}");
        assert_eq!((complaints(&found, "permissions"), complaints(&found, "workers")), (vec![], vec![]));
        let unproved: Vec<_> = complaints(&found, "topology")
            .into_iter()
            .filter(|told| told.contains("proves that the exchanges"))
            .collect();
        assert_eq!(unproved.len(), usize::from(mode == TopologyMode::Verify), "{found:?}");
        let workers = admin.run(&["workers"]);
        assert!(workers.code == Some(0) && workers.out.lines().count() == 2, "{workers:?}");
        // A worker may not read dead letters: it only learns how many there are, and with `verify` RabbitMQ from 4.3 on doesn't
        // tell it that either.
        let dead = format!("warn: 1 in {}.requests.dead: what couldn't be answered", names.exchange());
        let untold = |line: &Value| {
            line["check"] == "dead" && line["message"].as_str().is_some_and(|it| it.contains("isn't told to this user"))
        };
        if !(mode == TopologyMode::Verify && found.iter().any(untold)) {
            assert_eq!(complaints(&found, "dead"), [dead]);
        }
        assert_eq!(admin.run(&["dead", "list"]).code, Some(77));

        // What an operator does.
        admin.url = operator_url;
        let file = admin.intents.with_extension("jsonl");
        let export = ["dead", "export", "--all", "--remove", "--output", file.to_str().unwrap()];
        for arguments in [&["dead", "list"], &export[..], &["dead", "import", file.to_str().unwrap()]] {
            assert_eq!(admin.run(arguments).code, Some(0), "{arguments:?}");
        }
        let workers = admin.run(&["workers"]);
        assert!(workers.code == Some(0) && workers.out.lines().count() == 2, "{workers:?}");
        assert_eq!(admin.run(&["dead", "replay", "--all"]).code, Some(0));
        assert_eq!(client.next().await.code(), Some("invalid_message"));
        Client::new(&broker_url(), &names).await.dead_letter(&WorkQueue::Requests).await;
        assert_eq!(admin.run(&["dead", "purge", "--queue", "died", "--yes"]).code, Some(0));
        std::fs::remove_file(file).unwrap();

        worker.shutdown.cancel();
        worker.task.unwrap().await.unwrap().unwrap();
        shell(&format!("rabbitmqctl delete_user '{worker_user}'; rabbitmqctl delete_user '{client_user}'"));
        shell(&format!("rabbitmqctl delete_user '{operator_user}'"));
        admin.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_right_that_is_missing_is_named_and_looking_changes_nothing() {
    let names = Bench::new().names;
    let (user, url) = add_user(&names, "weak");
    let admin = Admin::new(&names, &url);
    let exchange = names.exchange();
    // It may do all, but not answer, not consume one queue, not bind another, and not declare the retry queues.
    let configure = format!(r"^{exchange}(\.((died|requests|suspects|intent\..+)(\.dead)?|retry))?$");
    let read = format!(r"^{exchange}(\.(died|suspects|intent\..+|retry.*))?$");
    let write = format!(r"^{exchange}(\.(?!intent\.refund$).+)?$");
    shell(&format!("rabbitmqctl set_permissions '{user}' '{configure}' '{write}' '{read}'"));
    let (found, code) = admin.check();
    assert_eq!(code, Some(78), "{found:?}");
    let retry = format!("queue '{exchange}.retry.100', queue '{exchange}.retry.200'");
    for expected in [
        "fail: this user may not publish, as a worker has to: default exchange (amq.default)".to_owned(),
        format!("fail: this user may not read, as a worker has to: queue '{exchange}.requests'; the broker says: 403"),
        format!(
            "fail: this user may not bind, as a worker has to: queue '{exchange}.intent.refund' to exchange '{exchange}'; the broker"
        ),
        format!("fail: this user may not declare, as a worker has to: {retry}; the broker says: 403"),
    ] {
        let complaints = complaints(&found, "permissions");
        assert!(complaints.iter().any(|complaint| complaint.starts_with(&expected)), "{expected}: {complaints:?}");
    }
    let shown = Admin::new(&names, &broker_url()).run(&["topology"]);
    assert!(!shown.out.contains("exists"), "{}", shown.out);

    // The same where the objects are there.
    Admin::new(&names, &broker_url()).run(&["topology", "declare"]);
    let (found, code) = admin.check();
    assert_eq!(code, Some(78));
    let declare = complaints(&found, "permissions").into_iter().find(|complaint| complaint.contains("not declare"));
    assert!(declare.is_some_and(|complaint| complaint.contains(&retry)), "{found:?}");
    assert_eq!(admin.run(&["topology", "declare"]).code, Some(77));
    // Whether the broker tells it what exists depends on its version.
    let shown = admin.run(&["topology"]);
    assert_eq!(shown.code, Some(if shown.out.contains("not told") { 77 } else { 0 }), "{shown:?}");
    // What another program consumes is told as that.
    shell(&format!("rabbitmqctl set_permissions '{user}' '.*' '.*' '^{exchange}(\\.(?!intent\\.outside$).+)?$'"));
    let (found, _) = admin.check();
    let expected = format!(
        "fail: this user may not read, as a worker that declares what other programs consume has to: queue \
         '{exchange}.intent.outside'; the broker says: 403"
    );
    let told = complaints(&found, "permissions");
    assert!(told.iter().any(|line| line.starts_with(&expected)), "{told:?}");

    shell(&format!("rabbitmqctl delete_user '{user}'"));
    assert_eq!(admin.run(&["topology", "declare"]).code, Some(77));
    admin.remove().await;
}
