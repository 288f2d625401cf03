//! What the client asks besides the model: approvers, detectors, keys.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_openai::config::OpenAIConfig;
use ringfence::surface::openai::{
    Api, CommandKeys, DetectError, Detector, EnvironmentKeys, GuardError, GuardedClient, HttpApprover,
    HttpDetector, KeyError, KeyProvider, Moderation, Scores,
};
use ringfence::{Stage, User};
use serde_json::json;

use crate::{
    ALLOW_ALL, STRICT, WAYS, agent_of, asked, builder, call, config, engine, said, say, serve, tools,
};

/// Answers every HTTP request with this body.
async fn service(body: &'static str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let read = stream.read(&mut vec![0; 64 << 10]).await;
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            if read.is_ok() {
                stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
            }
        }
    });
    format!("http://{address}/")
}

#[tokio::test]
async fn services_approve_and_score() {
    let answers = [
        (r#"{"approved": true, "by": "kim"}"#, 0),
        (r#"{"approved": true}"#, 1),
        (r#"{"approved": false, "by": "kim"}"#, 1),
        ("yes", 1),
    ];
    for (body, refused) in answers {
        let server = serve([call("pay", json!({ "amount": 50 })), say("Done.")]).await;
        let approver = HttpApprover::new(service(body).await).unwrap();
        let agent = agent_of(builder(STRICT, &server).approver(approver, Duration::from_secs(5)), "boss");
        let done = agent.talk(Api::Chat, "m").say("pay", &tools(&Arc::default())).await.unwrap();
        assert_eq!(done.refused_calls, refused, "{body}");
    }
    for (body, text) in [(r#"{"scores": {"hate": 0.2}}"#, "hello"), (r#"{"scores": "none"}"#, "")] {
        let server = serve([say("hello")]).await;
        let threshold = "pack: m\nstages: [output]\naction: deny\nrules:\n  \
            - { id: hate, find: { threshold: { fact: moderation, category: hate, at: 0.8 } }, message: 'Filtered.' }\n";
        let files: Vec<_> = STRICT.iter().copied().chain([("packs/m.yaml", threshold)]).collect();
        let detector = HttpDetector::new("moderation", service(body).await, [Stage::Output]).unwrap();
        let agent = agent_of(builder(&files, &server).detector(detector, Duration::from_secs(5)), "user");
        assert_eq!(said(Api::Chat, &asked(&agent, Api::Chat, false, "x").await.unwrap()).0, text, "{body}");
    }
}

/// Scores everything the same, or nothing at all.
struct Fixed(Option<f64>, Duration);

impl Detector for Fixed {
    fn fact(&self) -> &str {
        "moderation"
    }

    fn looks_at(&self, stage: Stage) -> bool {
        stage == Stage::Output
    }

    fn scores<'a>(&'a self, _: &'a str) -> futures_util::future::BoxFuture<'a, Result<Scores, DetectError>> {
        Box::pin(async move {
            tokio::time::sleep(self.1).await;
            let score = self.0.ok_or_else(|| DetectError("it is out of order".to_owned()))?;
            Ok(Scores::from([("hate".to_owned(), score)]))
        })
    }
}

#[tokio::test]
async fn detectors_state_facts_and_an_outage_is_what_the_manifest_says() {
    let threshold = "pack: m\nstages: [output]\naction: deny\nrules:\n  \
        - { id: hate, find: { threshold: { fact: moderation, category: hate, at: 0.8 } }, message: 'Filtered.' }\n";
    let files: Vec<_> = STRICT.iter().copied().chain([("packs/m.yaml", threshold)]).collect();
    let time = Duration::from_millis(200);
    for (api, streamed) in WAYS {
        for (detector, refusal) in [
            (Fixed(Some(0.1), Duration::ZERO), ""),
            (Fixed(Some(0.9), Duration::ZERO), "Filtered."),
            (Fixed(Some(7.0), Duration::ZERO), "missing"),
            (Fixed(None, Duration::ZERO), "missing"),
            (Fixed(Some(0.1), Duration::from_secs(30)), "missing"),
        ] {
            let server = serve([say("hello")]).await;
            let agent = agent_of(builder(&files, &server).detector(detector, time), "user");
            let (text, why, _) = said(api, &asked(&agent, api, streamed, "x").await.unwrap());
            assert_eq!(text.is_empty(), !refusal.is_empty(), "{api:?} {streamed}");
            assert!(why.contains(refusal) || refusal == "missing" && !why.is_empty(), "{why}");
        }
        let server = serve([say("something hateful"), say("something kind")]).await;
        let moderation = Moderation::new(&config(&server)).unwrap().stages([Stage::Output]);
        let agent = agent_of(builder(&files, &server).detector(moderation, Duration::from_secs(5)), "user");
        assert_eq!(said(api, &asked(&agent, api, streamed, "x").await.unwrap()).1, "Filtered.");
        assert_eq!(said(api, &asked(&agent, api, streamed, "x").await.unwrap()).0, "something kind");
    }
}

/// A provider that says hello to every request, and the keys with which it was asked.
async fn provider() -> (String, Arc<Mutex<Vec<String>>>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let keys = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&keys);
    tokio::spawn(async move {
        let body = json!({ "id": "c", "object": "chat.completion", "created": 1, "model": "m",
                           "choices": [{ "index": 0, "message": { "role": "assistant", "content": "hello" }, "finish_reason": "stop" }] })
        .to_string();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 64 << 10];
            let read = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let bearer = head.lines().find_map(|line| line.strip_prefix("authorization: Bearer "));
            seen.lock().unwrap().extend(bearer.map(str::to_owned));
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    });
    (base, keys)
}

/// What becomes of a call for a user of a tenant, whose key is to come from there.
async fn with_keys(keys: impl KeyProvider + 'static, tenant: Option<&str>) -> Result<Vec<String>, KeyError> {
    let (base, seen) = provider().await;
    let config = OpenAIConfig::new().with_api_base(base).with_api_key("");
    let client = GuardedClient::builder(engine(ALLOW_ALL), &config).unwrap().keys(keys).build().unwrap();
    let user = User { tenant: tenant.map(str::to_owned), ..User::new("ann", ["user"]) };
    let outcome = asked(&client.as_user(user).agent("bot"), Api::Chat, false, "x").await;
    let seen = seen.lock().unwrap().clone();
    match outcome {
        Ok(_) => Ok(seen),
        Err(error) => {
            assert!(seen.is_empty(), "without a key there is no call");
            match GuardError::of(&error) {
                Some(GuardError::Key(why)) => Err(why.clone()),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn keys_of_tenants_stand_in_variables() {
    // Variables that are there in every run of tests.
    let keys = || EnvironmentKeys::by_tenant("CARGO_PKG_");
    assert_eq!(with_keys(keys(), Some("name")).await.unwrap(), ["ringfence"]);
    assert_eq!(with_keys(keys(), Some("rust-version")).await.unwrap(), [env!("CARGO_PKG_RUST_VERSION")]);
    // No tenant; one that is not set; one that would name another's variable; one whose value is no key.
    for tenant in [None, Some(""), Some("nobody"), Some("NAME"), Some("rust_version"), Some("../name")] {
        assert!(matches!(with_keys(keys(), tenant).await, Err(KeyError::Missing(_))), "{tenant:?}");
    }
    assert_eq!(with_keys(keys(), Some("description")).await, Err(KeyError::Malformed));
}

#[cfg(unix)]
#[tokio::test]
async fn keys_come_from_a_command() {
    let shell = |script: &str| {
        CommandKeys::new("/bin/sh", ["-c".to_owned(), script.to_owned()]).within(Duration::from_secs(5))
    };
    let keys = shell("echo sk-$RINGFENCE_TENANT-$RINGFENCE_USER");
    assert_eq!(with_keys(keys, Some("acme")).await.unwrap(), ["sk-acme-ann"]);
    for (script, what) in [
        ("exit 1", "failed"),
        // What it printed before it failed is no key, and stands in no error.
        ("echo sk-secret; exit 1", "failed"),
        ("printf ''", "no key"),
        ("echo two words", "no key"),
        ("printf '\\377'", "no key"),
        ("head -c 5000 /dev/zero | tr '\\0' k", "no key"),
    ] {
        let why = with_keys(shell(script), None).await.unwrap_err().to_string();
        assert!(why.contains(what) && !why.contains("secret"), "{script}: {why}");
    }
    let started = Instant::now();
    let slow = shell("sleep 60").within(Duration::from_millis(100));
    assert!(matches!(with_keys(slow, None).await, Err(KeyError::Unreadable(_))));
    assert!(started.elapsed() < Duration::from_secs(20));
    let none = CommandKeys::new("/nonexistent/vault", Vec::new());
    assert!(matches!(with_keys(none, None).await, Err(KeyError::Unreadable(_))));
}

#[tokio::test]
async fn without_a_key_there_is_no_call() {
    use ringfence::surface::openai::FileKeys;
    let server = serve([say("hello")]).await;
    let config = OpenAIConfig::new().with_api_base(server.base()).with_api_key("");
    assert!(matches!(
        GuardedClient::new(engine(ALLOW_ALL), &config).unwrap_err(),
        GuardError::Key(KeyError::Missing(_))
    ));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    std::fs::write(&file, "sk-secret-of-acme\n").unwrap();
    let keys = FileKeys::new().tenant("acme", &file);
    let client = GuardedClient::builder(engine(ALLOW_ALL), &config).unwrap().keys(keys).build().unwrap();
    let user =
        |tenant: Option<&str>| User { tenant: tenant.map(str::to_owned), ..User::new("ann", ["user"]) };
    let agent = client.as_user(user(Some("acme"))).agent("bot");
    assert!(asked(&agent, Api::Chat, false, "x").await.is_ok());
    assert!(!format!("{client:?} {agent:?}").contains("secret"));
    for tenant in [None, Some("other")] {
        let agent = client.as_user(user(tenant)).agent("bot");
        let error = asked(&agent, Api::Chat, false, "x").await.unwrap_err();
        assert!(matches!(GuardError::of(&error), Some(GuardError::Key(_))), "{error}");
    }
    assert_eq!(server.requests().len(), 1);
}
