//! Whatever is asked for, the index finds what a look at every record finds.

use ringfence::audit::{AuditSink, Durability, Log, Record};
use ringfence::engine::Trace;
use ringfence::store::{Field, Order, Query};
use ringfence::{Event, Guard, User, Verdict};
use serde_json::{Value, json};

use super::Place;
use crate::engine;

/// Records enough for some complete segments, and some behind.
const COUNT: usize = 4500;

/// A number that looks like chance, and is the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn at(n: u64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(1_700_000_000 + n as i64).unwrap()
}

#[test]
fn pages_are_what_a_look_at_every_record_finds() {
    let place = Place::new();
    let engine = engine(&[]);
    let guard = Guard::builder(engine.clone()).no_time_limit().build();
    let mut dice = Dice(7);
    let log = Log::open(&place.log(), place.options().durability(Durability::OnFlush)).unwrap();
    let decided: Vec<(Event, Verdict, Trace)> = (0..400_u64)
        .map(|n| {
            // Users of every frequency: the first in half of all records, some in a single one.
            let user = User::new(format!("u{}", (n + 1).leading_zeros()), ["user"]);
            let event = Event::input(format!("s{n}"), user, if n % 3 == 0 { "bot" } else { "none" }, "hello");
            let (verdict, trace) = guard.examine(&event);
            (event, verdict, trace)
        })
        .collect();
    for n in 0..COUNT {
        // Sessions come one after the other, as they do, with a few that last.
        let of = if dice.below(20) == 0 { dice.below(400) } else { n as u64 / 12 };
        let (event, verdict, trace) = &decided[of as usize % decided.len()];
        let when = at(n as u64 * 10 + dice.below(3000));
        log.write(&Record::verdict(when, &engine, Some(event), verdict, trace, None)).unwrap();
        if dice.below(200) == 0 {
            log.flush().unwrap();
        }
    }
    log.close().unwrap();
    assert_eq!(place.verify().problems, []);

    let mut reader = place.reader();
    let all = reader.page(&Query { order: Order::OldestFirst, limit: 10_000, ..Query::default() }).unwrap();
    let all: Vec<(u64, Value)> =
        all.iter().map(|entry| (entry.index, serde_json::from_str(&entry.text).unwrap())).collect();
    assert_eq!(all.len(), COUNT + 2);
    let has = |record: &Value, field: Field, text: &str| match field {
        Field::User => record["user"] == text,
        Field::Session => record["session"] == text,
        Field::Agent => record["agent"] == text,
        Field::Decision => record["decision"] == text,
        _ => record["kind"] == text,
    };
    let mut counted = 0;
    for round in 0..600 {
        let mut labels = Vec::new();
        for _ in 0..dice.below(4) {
            labels.push(match dice.below(6) {
                0 => (Field::User, format!("u{}", 55 + dice.below(10))),
                1 => (Field::Session, format!("s{}", dice.below(401))),
                2 => (Field::Agent, "bot".to_owned()),
                3 => (Field::Decision, if dice.below(2) == 0 { "allow" } else { "deny" }.to_owned()),
                4 => (Field::Kind, "verdict".to_owned()),
                _ => (Field::Kind, if dice.below(2) == 0 { "start" } else { "stop" }.to_owned()),
            });
        }
        let mut some = |below| (dice.below(3) == 0).then(|| dice.below(below));
        let span = COUNT as u64 * 10 + 3000;
        let query = Query {
            since: some(span).map(|n| at(n).as_microsecond()),
            until: some(span).map(|n| at(n).as_microsecond()),
            from: some(COUNT as u64).unwrap_or(0),
            below: some(COUNT as u64 + 9),
            order: if round % 2 == 0 { Order::NewestFirst } else { Order::OldestFirst },
            limit: some(30).unwrap_or(10_000) as usize,
            labels,
        };
        let mut expected: Vec<u64> = all
            .iter()
            .filter(|(index, record)| {
                let when =
                    record["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_microsecond();
                *index >= query.from
                    && query.below.is_none_or(|below| *index < below)
                    && query.since.is_none_or(|since| when >= since)
                    && query.until.is_none_or(|until| when < until)
                    && query.labels.iter().all(|(field, text)| has(record, *field, text))
            })
            .map(|(index, _)| *index)
            .collect();
        if query.order == Order::NewestFirst {
            expected.reverse();
        }
        expected.truncate(query.limit);
        let found: Vec<u64> = reader.page(&query).unwrap().iter().map(|entry| entry.index).collect();
        assert_eq!(found, expected, "{query:?}");
        counted += found.len();
    }
    assert!(counted > 50_000, "{counted}");
    // Counts too.
    let stats = reader.stats().unwrap();
    let users = &stats.counts.iter().find(|(field, _)| *field == Field::User).unwrap().1;
    for (user, count) in users {
        assert_eq!(all.iter().filter(|(_, record)| record["user"] == json!(user)).count() as u64, *count);
    }
    assert!(users.len() > 6 && users.is_sorted_by(|a, b| a.1 >= b.1), "{users:?}");
}
