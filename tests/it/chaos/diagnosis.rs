//! What a broker knows, for a scenario that failed.

use crate::node;

/// Prints what the nodes know of these queues: what is in them, who consumes them, and the ends of their logs.
pub fn print(urls: &[String], is_wanted: impl Fn(&str) -> bool) {
    for name in urls.iter().filter_map(|url| node::name_of(url)) {
        let name = name.as_str();
        let ask = |arguments: &[&str]| node::try_broker(arguments).unwrap_or_else(|error| error);
        for (what, columns, by_queue) in TABLES {
            println!("  {name}: {what} {}", columns.join(" "));
            let listed = ask(&[&["ctl", name, "--quiet", what], columns].concat());
            let is_wanted = |line: &&str| !by_queue || line.split('\t').next().is_some_and(&is_wanted);
            listed.lines().filter(is_wanted).for_each(|line| println!("  {name}:   {line}"));
        }
        println!("  {name}: its log");
        ask(&["log", name]).lines().for_each(|line| println!("  {name}: {line}"));
    }
}

/// What is listed: the command, the columns, and whether the first of these is a queue's name.
const TABLES: [(&str, &[&str], bool); 4] = [
    ("list_queues", &["name", "messages_ready", "messages_unacknowledged", "consumers", "state", "leader"], true),
    ("list_consumers", &["queue_name", "channel_pid", "prefetch_count", "active", "activity_status"], true),
    (
        "list_channels",
        &["pid", "name", "consumer_count", "prefetch_count", "messages_unacknowledged", "messages_unconfirmed"],
        false,
    ),
    ("list_connections", &["pid", "name", "channels", "state", "client_properties"], false),
];
