//! The client of class schedules, against a server that behaves, and one that does not.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use frontdesk::{
    channels::jackrabbit::{Jackrabbit, JackrabbitSettings, Prefill},
    kernel::{
        clock::Clock,
        failure::{ErrorCode, Failure},
    },
};
use serde_json::json;

use crate::support::fake_jackrabbit::{FakeJackrabbit, Script, recorded};

fn client(school: &FakeJackrabbit) -> (Arc<Jackrabbit>, Clock) {
    patient(school, Duration::from_secs(2))
}

fn patient(school: &FakeJackrabbit, patience: Duration) -> (Arc<Jackrabbit>, Clock) {
    frontdesk::tokens::install_provider();
    let clock = Clock::held("2026-11-21T12:00:00Z".parse().expect("a time"));
    let settings =
        JackrabbitSettings { base_url: school.base_url.clone(), org_id: None, prefill: Prefill::default(), patience };
    (Arc::new(Jackrabbit::new(settings, clock.clone()).expect("a client")), clock)
}

/// How many classes it tells, or the code of why not.
async fn told(client: &Jackrabbit) -> Result<usize, ErrorCode> {
    match client.openings("990001").await {
        Ok(openings) => Ok(openings.classes.len()),
        Err(Failure::Refused(refusal)) => Err(refusal.code),
        Err(Failure::Fault(error)) => panic!("{error:#}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_fetched_once_in_five_minutes() {
    let school = FakeJackrabbit::school().await;
    let (client, clock) = client(&school);
    for _ in 0..3 {
        assert_eq!(told(&client).await, Ok(6));
    }
    assert_eq!(school.count(), 1);
    let (query, headers) = school.last();
    assert_eq!(query, "OrgID=990001");
    assert!(headers["user-agent"].to_str().expect("text").starts_with("Mozilla/5.0 (compatible; frontdesk/"));
    clock.advance(TimeDelta::seconds(299));
    told(&client).await.expect("kept");
    assert_eq!(school.count(), 1);
    clock.advance(TimeDelta::seconds(1));
    told(&client).await.expect("anew");
    assert_eq!(school.count(), 2);
    // Another school is another list.
    client.openings("2&x=3").await.expect("a list");
    assert_eq!((school.count(), school.last().0.as_str()), (3, "OrgID=2%26x%3D3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_ask_one_fetches_also_when_that_one_leaves() {
    let school = FakeJackrabbit::start(Script::Held(recorded())).await;
    let (client, _) = client(&school);
    let ask = || {
        let client = client.clone();
        #[expect(clippy::disallowed_methods, reason = "each asker is a task of its own")]
        tokio::spawn(async move { told(&client).await })
    };
    let askers: Vec<_> = (0..20).map(|_| ask()).collect();
    school.arrival().await;
    school.go_on();
    for asker in askers {
        assert_eq!(asker.await.expect("no panic"), Ok(6));
    }
    assert_eq!(school.count(), 1);
    // Whoever asked first may leave: it is fetched to the end, for the others.
    let school = FakeJackrabbit::start(Script::Held(recorded())).await;
    let client = self::client(&school).0;
    let ask = || {
        let client = client.clone();
        #[expect(clippy::disallowed_methods, reason = "each asker is a task of its own")]
        tokio::spawn(async move { told(&client).await })
    };
    let first = ask();
    school.arrival().await;
    first.abort();
    assert!(first.await.expect_err("gone").is_cancelled());
    let second = ask();
    school.go_on();
    assert_eq!(second.await.expect("no panic"), Ok(6));
    assert_eq!(school.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_a_copy_does_not_wait_long_for_another() {
    let school = FakeJackrabbit::school().await;
    let (client, clock) = patient(&school, Duration::from_mins(1));
    told(&client).await.expect("a good copy");
    let fewer = recorded().as_array().expect("rows")[..2].to_vec();
    school.script(Script::Held(fewer.into()));
    clock.advance(TimeDelta::hours(1));
    let begun = std::time::Instant::now();
    let (one, other) = tokio::join!(told(&client), told(&client));
    assert_eq!((one, other, school.count()), (Ok(6), Ok(6), 2), "the copy, and one who fetches");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    // What comes in the end is there the next time.
    school.go_on();
    while told(&client).await != Ok(2) {}
    assert_eq!(school.count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_fail_leaves_the_last_good_copy_for_a_day() {
    let school = FakeJackrabbit::school().await;
    let (client, clock) = client(&school);
    told(&client).await.expect("a good copy");
    let failures = [
        Script::Raw(500, "text/html", "<html>canary</html>".to_owned()),
        Script::Raw(200, "text/html", "<html>canary</html>".to_owned()),
        Script::Raw(200, "application/json", r#"{"success":false,"rows":[]}"#.to_owned()),
        Script::Rows(json!([])),
        Script::Endless,
        Script::Silent,
        Script::Elsewhere(FakeJackrabbit::school().await.base_url),
    ];
    for (number, failure) in failures.into_iter().enumerate() {
        school.script(failure);
        clock.advance(TimeDelta::minutes(5));
        assert_eq!(told(&client).await, Ok(6), "failure {number}");
        // Nobody tries again for half a minute.
        told(&client).await.expect("the copy");
        assert_eq!(school.count(), number + 2);
    }
    // A list that stays empty is believed after an hour.
    school.script(Script::Rows(json!([])));
    clock.advance(TimeDelta::minutes(60));
    assert_eq!(told(&client).await, Ok(0));
    // It comes back; a day without an answer is too long.
    school.script(Script::Rows(recorded()));
    clock.advance(TimeDelta::minutes(5));
    assert_eq!(told(&client).await, Ok(6));
    school.script(Script::Raw(503, "text/plain", String::new()));
    clock.advance(TimeDelta::hours(24) - TimeDelta::seconds(1));
    assert_eq!(told(&client).await, Ok(6));
    clock.advance(TimeDelta::seconds(1));
    assert_eq!(told(&client).await, Err(ErrorCode::UpstreamUnavailable));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_copy_it_says_so_and_tries_again_after_a_pause() {
    let school = FakeJackrabbit::start(Script::Raw(500, "text/plain", "canary".to_owned())).await;
    let (client, clock) = client(&school);
    for _ in 0..2 {
        let Err(Failure::Refused(refusal)) = client.openings("990001").await else { panic!("it can't be there") };
        assert_eq!(refusal.code, ErrorCode::UpstreamUnavailable);
        assert!(!refusal.message.contains("canary"), "{}", refusal.message);
    }
    assert_eq!(school.count(), 1);
    school.script(Script::Rows(recorded()));
    clock.advance(TimeDelta::seconds(30));
    assert_eq!(told(&client).await, Ok(6));
}
