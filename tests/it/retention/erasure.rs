//! Erasing what is kept of one user.

use std::path::PathBuf;

use ringfence::audit::{Log, SigningKey};
use ringfence::retention::{NewHold, Receipt, ReceiptError, Retention, RetentionError};
use ringfence::store::Held;
use ringfence::{Event, User};
use serde_json::{Value, json};

use super::gone::stolen;
use super::{Room, ann, at, bundle, day, exported};

#[test]
fn a_user_is_erased_but_what_has_to_stay_and_a_receipt_says_so() {
    let room = Room::new();
    let kim = || User::new("kim", ["user"]);
    room.write(&[
        at(Event::input("s1", ann(), "bot", "hello there"), 0),
        at(Event::input("s1", ann(), "bot", "my kitten sleeps"), 0),
        at(Event::input("s2", ann(), "bot", "under a hold"), 0),
        at(Event::tool_call("s1", ann(), "bot", "note", json!({ "text": "a payment" })), 0),
        at(Event::input("s3", kim(), "bot", "somebody else"), 0),
    ]);
    let backup = room.place.path("backup.db");
    std::fs::copy(room.place.log(), &backup).unwrap();
    let mut retention = room.retention();
    let hold = NewHold {
        name: "h".to_owned(),
        on: Held::Thread("s2".to_owned()),
        reason: "case 17".to_owned(),
        owner: "legal".to_owned(),
        until: None,
    };
    retention.hold(&hold, day(1)).unwrap();
    let receipt = retention.erase("ann", day(2), &room.signing_key()).unwrap();
    let removed: Vec<_> = receipt.removed.iter().map(|one| (one.class.as_str(), one.contents)).collect();
    assert_eq!(removed, [("personal", 1), ("talk", 1)]);
    let stayed: Vec<_> = receipt
        .stayed
        .iter()
        .map(|one| (one.class.as_str(), one.contents, one.why.as_str(), one.until))
        .collect();
    assert_eq!(
        stayed,
        [("ledger", 1, "duty: tax law, section 147", Some(day(30))), ("talk", 1, "hold h: case 17", None)]
    );
    assert_eq!((receipt.keys, receipt.clean), (3, true));
    // The receipt stands without the log, and the record says the same.
    assert_eq!(Receipt::check(receipt.note(), &[room.place.public()]).unwrap(), receipt);
    let changed = receipt.note().replace("\"talk\"", "\"walk\"");
    assert_eq!(Receipt::check(&changed, &[room.place.public()]), Err(ReceiptError::Signature));
    let other = SigningKey::generate("x").unwrap().public();
    assert_eq!(Receipt::check(receipt.note(), &[other]), Err(ReceiptError::Signature));
    let record: Value =
        serde_json::from_str(&room.place.reader().show(receipt.record).unwrap().text).unwrap();
    assert_eq!(
        (&record["kind"], &record["user"], &record["run"]),
        (&json!("erasure"), &json!("ann"), &json!(receipt.run))
    );
    assert_eq!(record["removed"], serde_json::to_value(&receipt.removed).unwrap());
    // What stays can be read, here and nowhere else: it was encrypted anew.
    let texts = |all: Vec<ringfence::retention::Exported>| {
        all.into_iter().map(|one| one.content.map(|content| content.to_string())).collect::<Vec<_>>()
    };
    let stays = [
        Some("{\"text\":\"under a hold\"}".to_owned()),
        Some("{\"arguments\":{\"text\":\"a payment\"}}".to_owned()),
    ];
    assert_eq!(texts(exported(&mut retention, "ann")), stays);
    assert_eq!(exported(&mut retention, "kim").len(), 1);
    let mut copy = Retention::open(&backup, &bundle(), stolen(&room), "thief").unwrap();
    assert_eq!(texts(exported(&mut copy, "ann")), [None, None, None, None]);
    assert_eq!(texts(exported(&mut copy, "kim")).len(), 1);
    for word in ["hello there", "sleeps", "payment"] {
        assert_eq!(room.holding(word.as_bytes()), Vec::<PathBuf>::new());
    }
    // Asked once more at the very same time, nothing of what stays is lost.
    assert_eq!(retention.erase("ann", day(2), &room.signing_key()).unwrap().stayed, receipt.stayed);
    assert_eq!(texts(exported(&mut retention, "ann")), stays);
    // When the duty is over and the hold released, the rest goes.
    retention.release("h", "closed", day(40)).unwrap();
    let receipt = retention.erase("ann", day(40), &room.signing_key()).unwrap();
    assert_eq!((receipt.removed.len(), receipt.stayed.len()), (2, 0));
    assert!(exported(&mut retention, "ann").is_empty());
    // Somebody of whom nothing is kept gets a receipt too.
    assert!(retention.erase("nobody", day(40), &room.signing_key()).unwrap().removed.is_empty());
    assert_eq!(room.place.verify().problems, []);
}

#[test]
fn erasing_needs_the_payload_key() {
    let room = Room::new();
    room.write(&[at(Event::input("s1", ann(), "bot", "hello there"), 0)]);
    let mut retention = Retention::open(&room.place.log(), &bundle(), room.place.options(), "dpo").unwrap();
    let refused = retention.erase("ann", day(2), &room.signing_key());
    assert!(matches!(refused, Err(RetentionError::NoPayloadKey)));
    // What is due goes without it; only its key stays.
    let run = retention.apply(day(10)).unwrap();
    assert_eq!((run.removed.len(), run.keys), (1, 0));
    assert_eq!(room.retention().apply(day(12)).unwrap().keys, 1);
}

#[test]
fn keys_that_are_not_there_are_told() {
    let room = Room::new();
    room.write(&[at(Event::input("s1", ann(), "bot", "hello there"), 0)]);
    std::fs::rename(room.place.path("log.db.keys"), room.place.path("elsewhere")).unwrap();
    for error in [
        Log::open(&room.place.log(), room.options()).map(drop).unwrap_err().to_string(),
        Retention::open(&room.place.log(), &bundle(), room.options(), "dpo")
            .map(drop)
            .unwrap_err()
            .to_string(),
    ] {
        assert!(error.contains("log.db.keys") && error.contains("--data-keys"), "{error}");
    }
    let options = room.options().data_keys(room.place.path("elsewhere"));
    let mut retention = Retention::open(&room.place.log(), &bundle(), options, "dpo").unwrap();
    assert!(exported(&mut retention, "ann")[0].content.is_some());
    // Without them, on purpose: nobody can read what was kept, and the log goes on.
    std::fs::write(room.place.path("log.db.keys"), b"").unwrap();
    room.write(&[at(Event::input("s1", ann(), "bot", "hello again"), 0)]);
    let all = exported(&mut room.retention(), "ann");
    assert_eq!(all.iter().map(|one| one.content.is_some()).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn a_changed_content_is_not_handed_out() {
    let room = Room::new();
    room.write(&[
        at(Event::input("s1", ann(), "bot", "hello there"), 0),
        at(Event::input("s1", ann(), "bot", "hello again"), 0),
    ]);
    let connection = rusqlite::Connection::open(room.place.log()).unwrap();
    // Two contents under one key change places.
    connection
        .execute_batch(
            "CREATE TEMP TABLE t AS SELECT idx, sealed FROM payload;
             UPDATE payload SET sealed = (SELECT sealed FROM t WHERE t.idx <> payload.idx);",
        )
        .unwrap();
    let mut retention = room.retention();
    let mut show = |_: &ringfence::retention::Exported| Ok::<_, RetentionError>(());
    let error = retention.export("ann", day(0), &mut show).unwrap_err();
    assert!(error.to_string().contains("was changed or is damaged"), "{error}");
}
