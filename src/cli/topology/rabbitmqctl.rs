//! Commands of `rabbitmqctl`, as an administrator pastes them into a shell.

use crate::amqp::objects::permissions::Permissions;

/// One word of a POSIX shell's command line, whatever is in it.
pub(super) fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// `set_policy`. The policy's name needs no quotes.
pub(super) fn set_policy(vhost: &str, apply_to: &str, name: &str, pattern: &str, definition: &str) -> String {
    let (vhost, pattern, definition) = (quote(vhost), quote(pattern), quote(definition));
    format!("rabbitmqctl set_policy --vhost {vhost} --apply-to {apply_to} {name} {pattern} {definition}")
}

/// `set_permissions`.
pub(super) fn set_permissions(vhost: &str, user: &str, permissions: &Permissions) -> String {
    let Permissions { configure, write, read } = permissions;
    let [vhost, user, configure, write, read] = [vhost, user, configure, write, read].map(quote);
    format!("rabbitmqctl set_permissions --vhost {vhost} {user} {configure} {write} {read}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_whatever_is_in_it() {
        fn check(word: &str, expected: &str) {
            assert_eq!(quote(word), expected);
        }
        check("/", "'/'");
        check("", "''");
        check("it's; $(rm) `x` \"y\"", r#"'it'\''s; $(rm) `x` "y"'"#);
    }
}
