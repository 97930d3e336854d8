use http::header::RETRY_AFTER;

use super::*;

fn answer(status: u16, retry_after: Option<&str>) -> Result<Answer, Unreachable> {
    let mut headers = HeaderMap::new();
    if let Some(text) = retry_after {
        headers.insert(RETRY_AFTER, text.parse().unwrap());
    }
    Ok(Answer {
        status: http::StatusCode::from_u16(status).unwrap(),
        headers,
        body: bytes::Bytes::new(),
    })
}

fn word(service: Service, result: &Result<Answer, Unreachable>) -> &'static str {
    match Verdict::of(service, result, OffsetDateTime::now_utc()) {
        Verdict::Final => "final",
        Verdict::Throttled { retry_after: None } => "throttled",
        Verdict::Throttled { .. } => "throttled for a time",
        Verdict::Failing => "failing",
        Verdict::Unanswered(_) => "unanswered",
    }
}

#[test]
fn what_another_try_may_change_is_tried_again() {
    for (status, retry_after, vault, imds) in [
        (200, None, "final", "final"),
        (301, None, "final", "final"),
        (400, None, "final", "final"),
        (401, None, "final", "final"),
        (403, None, "final", "final"),
        (404, None, "final", "failing"),
        (408, None, "failing", "failing"),
        (410, None, "final", "failing"),
        (429, None, "throttled", "throttled"),
        (
            429,
            Some("3"),
            "throttled for a time",
            "throttled for a time",
        ),
        (429, Some("soon"), "throttled", "throttled"),
        (500, None, "failing", "failing"),
        (500, Some("3"), "failing", "failing"),
        (503, None, "failing", "failing"),
        (
            503,
            Some("3"),
            "throttled for a time",
            "throttled for a time",
        ),
        (504, None, "failing", "failing"),
    ] {
        let answer = answer(status, retry_after);
        assert_eq!(word(Service::Vault, &answer), vault, "{status}");
        assert_eq!(word(Service::Entra, &answer), vault, "{status}");
        assert_eq!(word(Service::Imds, &answer), imds, "{status}");
    }
    let host = || "host".to_owned();
    for (error, expected) in [
        (Unreachable::Name { host: host() }, "unanswered"),
        (Unreachable::NameTimeout { host: host() }, "unanswered"),
        (Unreachable::Silent { host: host() }, "unanswered"),
        (Unreachable::Broken { host: host() }, "unanswered"),
        (Unreachable::Deadline { host: host() }, "final"),
    ] {
        assert_eq!(
            word(Service::Vault, &Err(error.clone())),
            expected,
            "{error}"
        );
    }
}

#[test]
fn pauses_double_up_to_four_seconds_and_jitter_shortens_them_by_half_at_most() {
    for (failures, millis) in [
        (1, 200),
        (2, 400),
        (3, 800),
        (5, 3200),
        (6, 4000),
        (99, 4000),
    ] {
        let full = Duration::from_millis(millis);
        assert_eq!(pause(failures, 1.0), full);
        assert_eq!(pause(failures, 0.0), full / 2);
    }
}

#[test]
fn the_managed_identity_credential_gets_no_status_that_it_would_try_again() {
    for status in [404, 410, 429, 500, 503] {
        let answer = answer(status, None).unwrap();
        let error = finish("host", Service::Imds, answer).unwrap_err();
        assert!(matches!(error, Unreachable::Deadline { .. }), "{status}");
    }
    let refusal = answer(400, None).unwrap();
    assert!(finish("host", Service::Imds, refusal).is_ok());
    let throttle = answer(429, None).unwrap();
    assert!(finish("host", Service::Vault, throttle).is_ok());
}
