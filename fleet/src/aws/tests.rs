//! What answers mean, and what settings are refused before anything is asked.

use super::*;

#[test]
fn throttling_and_strangers_between_pass_and_refusals_do_not() {
    for (status, code, later) in [
        (400, "ThrottlingException", true),
        (400, "ProvisionedThroughputExceededException", true),
        (400, "", true),
        (429, "", true),
        (503, "SlowDown", true),
        (500, "InternalServerError", true),
        (400, "ValidationException", false),
        (400, "AccessDeniedException", false),
        (403, "", false),
        (404, "", false),
        (412, "PreconditionFailed", false),
    ] {
        assert_eq!(matches!(meaning(status, code), Meaning::Later), later, "{status} {code}");
    }
}

#[test]
fn what_servers_say_becomes_one_short_line() {
    assert_eq!(one_line(" a\n\tb  c "), "a b c");
    assert!(one_line(&"größe ".repeat(200)).len() < 410);
}

#[test]
fn an_endpoint_is_a_url_of_the_web() {
    assert!(check_endpoint("p", "http://127.0.0.1:8000").is_ok());
    for wrong in ["127.0.0.1:8000", "ftp://x", "http://", "file:///etc/passwd"] {
        let error = check_endpoint("dynamodb://t", wrong).unwrap_err().to_string();
        assert!(error.contains("is no http(s) URL"), "{error}");
    }
}
