//! TLS, on a real broker: an answer where all is as it should be, and what an operator is told where it isn't.

use std::{fs, path::PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};

use crate::{admin::INTENTS_FILE, cli::program::Program, node::Node};

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A folder of PEM files.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{}", uuid::Uuid::now_v7().simple()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, file: &str) -> String {
        self.0.join(file).to_str().unwrap().to_owned()
    }

    fn write_authority(&self, file: &str, authority: &Authority) {
        fs::write(self.path(file), authority.as_ref().pem()).unwrap();
    }

    /// A certificate, `<name>.pem`, and its key, `<name>.key`.
    fn write(&self, name: &str, authority: &Authority, host: &str, change: impl FnOnce(&mut CertificateParams)) {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, host);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        fs::write(self.path(&format!("{name}.pem")), params.signed_by(&key, authority).unwrap().pem()).unwrap();
        fs::write(self.path(&format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Asserts how `check` ends, and what it says of the broker and of the mend.
#[track_caller]
fn check(program: &Program, code: i32, what: &str, mend: &str) {
    let ended = program.run(&["check"]);
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let told: Vec<&str> = ended.out.lines().skip_while(|line| !line.starts_with("FAIL  broker")).take(2).collect();
    assert!(told.len() == 2 && told[0].contains(what) && told[1].contains(mend), "{what:?} and {mend:?}: {ended:?}");
}

#[test]
fn what_is_wrong_with_tls_is_told_with_its_mend_and_what_is_right_is_answered() {
    let folder = Folder::new();
    fs::write(folder.path("bot.toml"), INTENTS_FILE).unwrap();
    let (trusted, stranger) = (authority("the shop's"), authority("a stranger's"));
    folder.write_authority("ca.pem", &trusted);
    folder.write_authority("stranger.pem", &stranger);
    folder.write("server", &trusted, "127.0.0.1", |_| {});
    folder.write("client", &trusted, "guest", |_| {});
    folder.write("unknown", &stranger, "guest", |_| {});
    let node = Node::start_tls("tls", &folder.0);
    let program = |url: &str, ca: &str| {
        let program = Program::new().with("CHATBOT_AMQP_URL", url).with("CHATBOT_AMQP_TLS_CA_PATH", &folder.path(ca));
        program.with("CHATBOT_INTENTS_PATH", &folder.path("bot.toml"))
    };
    let with = |program: Program, certificate: &str, key: &str| {
        let program = program.with("CHATBOT_AMQP_TLS_CERT_PATH", &folder.path(certificate));
        program.with("CHATBOT_AMQP_TLS_KEY_PATH", &folder.path(key))
    };

    let good = program(&node.url, "ca.pem");
    let mut worker = good.start();
    worker.until(" ready ");
    assert_eq!(good.run(&["ask", "my money back"]).ok().lines().next(), Some("refund"));
    let checked = good.run(&["check"]);
    assert!(checked.code == Some(0) && checked.out.contains("(TLS): RabbitMQ"), "{checked:?}");
    drop(worker);

    let external = format!("{}?auth_mechanism=external", node.url.replace("guest:guest@", ""));
    let by_certificate = with(program(&external, "ca.pem"), "client.pem", "client.key");
    let mut worker = by_certificate.start();
    worker.until(" ready ");
    let connections = node.ctl(&["--quiet", "list_connections", "user", "auth_mechanism", "ssl"]);
    assert!(connections.contains("guest\tEXTERNAL\ttrue"), "{connections}");
    assert_eq!(by_certificate.run(&["ask", "my money back"]).ok().lines().next(), Some("refund"));
    let checked = by_certificate.run(&["check"]);
    assert!(checked.code == Some(0) && checked.out.contains("the user of its certificate"), "{checked:?}");
    drop(worker);

    let unknown = program(&node.url, "stranger.pem");
    check(&unknown, 78, "signed by an authority that isn't trusted here", "Set CHATBOT_AMQP_TLS_CA_PATH to");
    unknown.run(&["ask", "hi"]).failed(78, &["isn't trusted here. Set CHATBOT_AMQP_TLS_CA_PATH to"]);
    unknown.start().until("isn't trusted here. Set CHATBOT_AMQP_TLS_CA_PATH to");
    let wrong_host = program(&node.url.replace("127.0.0.1", "localhost"), "ca.pem");
    check(&wrong_host, 78, "certificate isn't for 'localhost' but for", "Write the host in CHATBOT_AMQP_URL as");
    let plain = program(&node.url.replace("amqps:", "amqp:"), "ca.pem");
    // The broker's alert may be read before its reset, or not; the mend is the same.
    check(&plain, 69, "can't be reached", "amqps:// instead of amqp://");
    let no_tls = program(&node.plain_url().replace("amqp:", "amqps:"), "ca.pem");
    check(&no_tls, 78, "doesn't speak TLS", "takes amqp:// in CHATBOT_AMQP_URL");
    let other_key = with(program(&node.url, "ca.pem"), "client.pem", "server.key");
    check(&other_key, 78, "don't belong together", "Set CHATBOT_AMQP_TLS_KEY_PATH to the key");
    let refused = with(program(&node.url, "ca.pem"), "unknown.pem", "unknown.key");
    // Here too the broker's alert may be read before its reset, or not.
    let told = refused.run(&["check"]);
    let alert = told.code == Some(78) && told.out.contains("it refuses this worker's certificate (");
    let reset = told.code == Some(69) && told.out.contains("it closed the connection before it let anybody in");
    assert!((alert || reset) && told.out.contains("CHATBOT_AMQP_TLS_CERT_PATH"), "{told:?}");

    folder.write("server", &trusted, "127.0.0.1", |params| {
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
    });
    node.restart_tls(&folder.0);
    check(&good, 78, "its certificate has expired", "Renew it on the broker");
}

#[test]
fn what_is_renewed_on_disk_is_used_at_the_next_connect() {
    let folder = Folder::new();
    fs::write(folder.path("bot.toml"), INTENTS_FILE).unwrap();
    let issue = |name: &str| {
        let authority = authority(name);
        folder.write_authority("ca.pem", &authority);
        folder.write("server", &authority, "127.0.0.1", |_| {});
        folder.write("client", &authority, "guest", |_| {});
    };
    issue("the old one");
    let node = Node::start_tls("renewed", &folder.0);
    let url = node.url.clone();
    let write_url = |url: String| fs::write(folder.path("url"), url).unwrap();
    write_url(format!("{}?auth_mechanism=external", url.replace("guest:guest@", "")));
    let program = ["CA", "CERT", "KEY"].into_iter().zip(["ca.pem", "client.pem", "client.key"]).fold(
        Program::new().without("CHATBOT_AMQP_URL").with("CHATBOT_AMQP_URL_FILE", &folder.path("url")),
        |program, (name, file)| program.with(&format!("CHATBOT_AMQP_TLS_{name}_PATH"), &folder.path(file)),
    );
    let mut worker = program.with("CHATBOT_INTENTS_PATH", &folder.path("bot.toml")).start_ready();
    let cut = || node.ctl(&["close_all_connections", "the test cuts them"]);

    // Half written: what was there before is used, and the file is named.
    let key = fs::read(folder.path("client.key")).unwrap();
    fs::write(folder.path("client.key"), &key[..key.len() / 2]).unwrap();
    cut();
    let told = worker.until("connecting with what was there before");
    assert!(told.contains("client.key holds no private key"), "{told}");
    worker.until(" ready ");

    // All of them, by another authority, which is the only one that the broker takes from now on.
    issue("the new one");
    node.restart_tls(&folder.0);
    worker.until("certificates or credentials that were renewed");
    worker.until(" ready ");

    // The user's password, in a file that an editor of Windows saved.
    node.ctl(&["change_password", "guest", "n3w"]);
    write_url(format!("\u{feff}{}\r\n", url.replace("guest:guest@", "guest:n3w@")));
    cut();
    worker.until(" ready ");
    let connections = node.ctl(&["--quiet", "list_connections", "user", "auth_mechanism", "ssl"]);
    assert!(connections.contains("guest\tPLAIN\ttrue"), "{connections}");
}
