//! `key`, as whoever runs a door uses it.

use std::os::unix::fs::PermissionsExt;

use super::Program;

#[test]
fn a_key_is_printed_once_and_listed_without_it() {
    let file = std::env::temp_dir().join(format!("keys-{}.toml", uuid::Uuid::now_v7()));
    let path = file.to_str().unwrap();
    let program = Program::new();
    let printed = program.run(&["key", "new", "shop", "--rate", "600"]);
    let (key, lines) = printed.out.split_once("\n\n").unwrap();
    assert!(printed.code == Some(0) && key.starts_with("cbk_") && lines.starts_with("[keys.shop]\nhash = \"sha256:"));
    let page = ["key", "new", "page", "--public", "--origin", "https://shop.example.com", "--file", path];
    let added = program.run(&page);
    assert!(added.code == Some(0) && added.out.lines().count() == 1 && added.out.starts_with("cbp_"), "{added:?}");
    added.failed(0, &["the key of 'page' was added, a public key"]);
    printed.failed(0, &["a secret key (cbk_…), which has no place in a page"]);
    program.run(&page).failed(1, &["has a key of 'page' already"]);
    let listed = program.run(&["key", "list", "--file", path]);
    assert!(listed.ok().contains("page  public") && !listed.out.contains(added.out.trim()), "{listed:?}");
    let door = Program::new().with("CHATBOT_DOOR_LISTEN", "0.0.0.0:8000").with("CHATBOT_DOOR_KEYS_PATH", path);
    assert_eq!(door.run(&["key", "list"]).ok(), listed.out);
    program.run(&["key", "list"]).failed(64, &["--file", "CHATBOT_DOOR_KEYS_PATH"]);
    program.run(&["key", "list", "--file", "/nothing.toml"]).failed(78, &["/nothing.toml has a fault"]);
    program.run(&["key", "new", "page", "--public"]).failed(64, &["--origin"]);
    program.run(&["key", "new", "page", "--public", "--origin", "*"]).failed(64, &["every page of the web"]);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let told = program.run(&["key", "new", "desk", "--file", path]);
    told.failed(0, &["others may read or write it (its mode is 644)", &format!("chmod 600 {path}")]);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644, "that is for its owner");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();

    let revoked = door.run(&["key", "revoke", "page"]);
    revoked.failed(0, &["the key of 'page' was taken out, and one is left"]);
    assert!(!revoked.err.contains("chmod"), "{revoked:?}");
    assert!(!door.run(&["key", "list"]).ok().contains("page"));
    program.run(&["key", "revoke", "page", "--file", path]).failed(1, &["has no key of 'page'", "key list"]);
    program.run(&["key", "revoke", "page"]).failed(64, &["--file", "CHATBOT_DOOR_KEYS_PATH"]);
    std::fs::remove_file(file).unwrap();
}

#[test]
fn an_address_that_is_taken_is_told_with_what_to_set() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let door = Program::new().with("CHATBOT_DOOR_LISTEN", &address);
    door.run(&["serve"]).failed(71, &[&address, "in use", "choose another address or port with CHATBOT_DOOR_LISTEN"]);
}

#[test]
fn a_door_that_others_reach_without_keys_is_told_before_anything_is_bound() {
    let door = Program::new().with("CHATBOT_DOOR_LISTEN", "0.0.0.0:0");
    door.run(&["run"]).failed(78, &["set CHATBOT_DOOR_KEYS_PATH to one", "CHATBOT_DOOR_KEYS to off"]);
}
