use std::time::Duration;

use tonic::Request;

use super::*;

#[test]
fn the_grpc_timeout_is_read_in_all_units_and_garbage_is_none() {
    let cases = [
        ("2M", Some(Duration::from_secs(120))),
        ("119999m", Some(Duration::from_millis(119_999))),
        ("1S", Some(Duration::from_secs(1))),
        ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
        ("7u", Some(Duration::from_micros(7))),
        ("7n", Some(Duration::from_nanos(7))),
        ("123456789S", None),
        ("S", None),
        ("", None),
        ("-1S", None),
        ("1x", None),
    ];
    for (text, expected) in cases {
        let mut request = Request::new(());
        request
            .metadata_mut()
            .insert("grpc-timeout", text.parse().unwrap());
        assert_eq!(grpc_timeout(&request), expected, "{text}");
    }
    assert_eq!(grpc_timeout(&Request::new(())), None);
}

#[tokio::test]
async fn a_panic_is_an_internal_error_of_its_own_call() {
    let bug = async {
        tokio::task::yield_now().await;
        panic!("the value is hunter2");
    };
    let (panicked, fine) = tokio::join!(caught(bug), caught(async { 7 }));
    assert_eq!(panicked, Err(Panicked));
    assert_eq!(fine, Ok(7));
    assert!(!Panicked.to_string().contains("hunter2"));
}
