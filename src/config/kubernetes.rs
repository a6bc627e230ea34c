//! The variables that Kubernetes injects into a pod for every Service of its namespace.
//!
//! A Service named `chatbot`, or `chatbot-rabbitmq`, makes variables that begin as settings do; they aren't meant as
//! such, and the people who install the program can't always prevent them.
//! <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>

/// Whether a variable is one of those; `rest` is its name without the program's prefix and underscore.
pub(super) fn injects(rest: &str, value: &str) -> bool {
    // With the underscore back, the Service of the program's own name is no special case.
    let name = format!("_{rest}");
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        // `<section>_PORT` could be meant as a setting: there only the value tells.
        || (name.ends_with("_PORT") && (rest == "PORT" || value.contains("://")))
        || name.match_indices("_PORT_").any(|(at, link)| name.get(at + link.len()..).is_some_and(is_port_link))
}

/// Whether `text` is `<number>_<protocol>`, perhaps with `_ADDR`, `_PORT` or `_PROTO`.
fn is_port_link(text: &str) -> bool {
    let mut parts = text.split('_');
    parts.next().is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
        && matches!(parts.next(), Some("TCP" | "UDP" | "SCTP"))
        && matches!(parts.next(), None | Some("ADDR" | "PORT" | "PROTO"))
        && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_forms_of_kubernetes_are_recognised() {
        fn check(rest: &str, value: &str, expected: bool) {
            assert_eq!(injects(rest, value), expected, "{rest}={value}");
        }
        check("SERVICE_HOST", "10.0.0.1", true);
        check("SERVICE_PORT", "80", true);
        check("SERVICE_PORT_AMQP", "80", true);
        check("PORT", "tcp://10.0.0.1:80", true);
        check("PORT", "80", true);
        check("PORT_80_TCP", "tcp://10.0.0.1:80", true);
        check("PORT_80_TCP_ADDR", "10.0.0.1", true);
        check("PORT_80_UDP_PORT", "80", true);
        check("PORT_80_SCTP_PROTO", "sctp", true);
        check("RABBITMQ_SERVICE_HOST", "10.0.0.1", true);
        check("RABBITMQ_SERVICE_PORT_AMQP", "5672", true);
        check("RABBITMQ_PORT", "tcp://10.0.0.1:5672", true);
        check("RABBITMQ_PORT_5672_TCP_ADDR", "10.0.0.1", true);
        check("HTTP_PORT", "8080", false);
        check("PORT_TCP", "x", false);
        check("PORT_80", "x", false);
        check("PORT_80_HTTP", "x", false);
        check("PORT_80_TCP_NAME", "x", false);
        check("SERVICE", "x", false);
        check("AMQP_URL", "amqp://h", false);
    }
}
