use super::*;

const SECRET: Probe<'static> = Probe {
    service: Service::Vault,
    host: "v1.vault.azure.net",
    method: "GET",
    path: "/secrets/web",
    authenticated: true,
};

const CONNECT: Probe<'static> = Probe {
    service: Service::Proxy,
    host: "v1.vault.azure.net",
    method: "CONNECT",
    path: "",
    authenticated: false,
};

fn fault(json: &str) -> Fault {
    serde_json::from_str(json).unwrap()
}

async fn strikes(json: &str, probe: Probe<'_>) -> bool {
    let faults = Faults::new(0);
    faults.add(fault(json)).unwrap();
    faults.strike(probe).await != Outcome::Proceed { skew: 0 }
}

#[tokio::test]
async fn everything_given_must_fit() {
    for (pattern, expected) in [
        ("{}", true),
        (r#"{"service":"vault"}"#, true),
        (r#"{"service":"entra"}"#, false),
        (r#"{"host":"V1.*"}"#, true),
        (r#"{"host":"v2.*"}"#, false),
        (r#"{"method":"get"}"#, true),
        (r#"{"method":"PUT"}"#, false),
        (r#"{"path":"/secrets"}"#, true),
        (r#"{"path":"/secrets/"}"#, true),
        (r#"{"path":"/secrets/web"}"#, true),
        (r#"{"path":"/secrets/we"}"#, false),
        (r#"{"path":"/secrets/w*"}"#, true),
        (r#"{"authenticated":true}"#, true),
        (r#"{"authenticated":false}"#, false),
        (
            r#"{"service":"vault","method":"GET","path":"/keys"}"#,
            false,
        ),
    ] {
        let json = format!(r#"{{"match":{pattern},"action":"hang"}}"#);
        assert_eq!(strikes(&json, SECRET).await, expected, "{pattern}");
    }
}

#[tokio::test]
async fn connect_is_struck_only_when_named_or_refused() {
    for (json, expected) in [
        (r#"{"action":"hang"}"#, false),
        (r#"{"match":{"service":"proxy"},"action":"hang"}"#, true),
        (r#"{"action":{"refuse":{"code":407}}}"#, true),
    ] {
        assert_eq!(strikes(json, CONNECT).await, expected, "{json}");
    }
    assert!(!strikes(r#"{"action":{"refuse":{"code":407}}}"#, SECRET).await);
}

#[tokio::test]
async fn times_run_out() {
    let faults = Faults::new(0);
    faults
        .add(Fault::new(Match::default(), Action::Drop).times(2))
        .unwrap();
    let mut outcomes = Vec::new();
    for _ in 0..3 {
        outcomes.push(faults.strike(SECRET).await);
    }
    assert_eq!(
        outcomes,
        [Outcome::Drop, Outcome::Drop, Outcome::Proceed { skew: 0 }]
    );
    assert_eq!(
        (faults.all()[0].struck, faults.all()[0].fault.times),
        (2, Some(0))
    );
}

#[tokio::test]
async fn a_share_is_about_kept_and_repeats() {
    let run = async |seed| {
        let faults = Faults::new(seed);
        faults
            .add(Fault::new(Match::default(), Action::Garbage).share(0.3))
            .unwrap();
        let mut struck = Vec::new();
        for _ in 0..1000 {
            struck.push(faults.strike(SECRET).await == Outcome::Garbage);
        }
        struck
    };
    let first = run(1).await;
    let count = first.iter().filter(|struck| **struck).count();
    assert!((250..350).contains(&count), "{count}");
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
}

#[tokio::test]
async fn faults_add_up_until_one_answers() {
    let faults = Faults::new(0);
    for action in [Action::Skew { seconds: 5 }, Action::Skew { seconds: -7 }] {
        faults.add(Fault::new(Match::default(), action)).unwrap();
    }
    assert_eq!(faults.strike(SECRET).await, Outcome::Proceed { skew: -2 });
    let last = Fault::new(Match::default(), Action::Hang);
    faults
        .add(Fault::new(Match::default(), Action::Drop))
        .unwrap();
    faults.add(last).unwrap();
    assert_eq!(faults.strike(SECRET).await, Outcome::Drop);
    assert_eq!(faults.all()[3].struck, 0);
}

#[tokio::test(start_paused = true)]
async fn a_rate_lets_so_many_calls_through_in_each_second() {
    let faults = Faults::new(0);
    faults
        .add(fault(
            r#"{"action":{"rate":{"perSecond":2,"retryAfter":3}}}"#,
        ))
        .unwrap();
    let refused = Outcome::Status {
        code: 429,
        retry_after: Some(3),
        retry_after_millis: None,
    };
    let passed = Outcome::Proceed { skew: 0 };
    for _ in 0..2 {
        for expected in [&passed, &passed, &refused, &refused] {
            assert_eq!(&faults.strike(SECRET).await, expected);
        }
        tokio::time::sleep(Duration::from_millis(1_000)).await;
    }
    assert_eq!(faults.all()[0].struck, 4, "those it refused");
}

#[tokio::test(start_paused = true)]
async fn a_barrier_opens_for_all_or_times_out() {
    let faults = Faults::new(0);
    let barrier = Action::Barrier {
        count: 2,
        timeout_millis: 50,
    };
    let id = faults.add(Fault::new(Match::default(), barrier)).unwrap();
    assert_eq!(faults.strike(SECRET).await, Outcome::BarrierTimeout);
    // The call that gave up no longer counts.
    assert_eq!(faults.strike(SECRET).await, Outcome::BarrierTimeout);
    let (one, two) = tokio::join!(faults.strike(SECRET), faults.strike(SECRET));
    assert_eq!(
        (one, two),
        (Outcome::Proceed { skew: 0 }, Outcome::Proceed { skew: 0 })
    );
    assert_eq!(faults.strike(SECRET).await, Outcome::Proceed { skew: 0 });
    assert!(faults.remove(id) && !faults.remove(id));
}

#[tokio::test(start_paused = true)]
async fn removing_a_barrier_lets_its_calls_go_on() {
    let faults = Faults::new(0);
    let barrier = Action::Barrier {
        count: 9,
        timeout_millis: 50,
    };
    faults.add(Fault::new(Match::default(), barrier)).unwrap();
    let (outcome, ()) = tokio::join!(faults.strike(SECRET), async { faults.clear() });
    assert_eq!(outcome, Outcome::Proceed { skew: 0 });
}

#[test]
fn faults_without_sense_are_refused() {
    let faults = Faults::new(0);
    for (json, error) in [
        (r#"{"share":1.5,"action":"hang"}"#, FaultError::Share),
        (
            r#"{"action":{"status":{"code":99}}}"#,
            FaultError::Code("status.code"),
        ),
        (
            r#"{"action":{"refuse":{"code":700}}}"#,
            FaultError::Code("refuse.code"),
        ),
        (r#"{"action":{"barrier":{"count":0}}}"#, FaultError::Count),
        (
            r#"{"match":{"service":"vault"},"action":{"refuse":{"code":407}}}"#,
            FaultError::RefuseService,
        ),
    ] {
        assert_eq!(faults.add(fault(json)), Err(error), "{json}");
    }
    assert!(serde_json::from_str::<Fault>(r#"{"action":"hang","time":1}"#).is_err());
}

#[test]
fn what_is_listed_can_be_added_again() {
    let faults = Faults::new(0);
    let json =
        r#"{"match":{"host":"v1.*"},"times":3,"action":{"status":{"code":429,"retryAfter":5}}}"#;
    faults.add(fault(json)).unwrap();
    let listed = serde_json::to_value(faults.all()).unwrap();
    assert_eq!(listed[0]["action"]["status"]["retryAfter"], 5);
    assert_eq!(faults.all()[0].fault, fault(json));
}
