PRAGMA application_id = 1380335948;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE log (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO log VALUES('origin','ringfence-audit/9e919340e43a850714d9e5eca006b84c');
CREATE TABLE record (
        idx INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        hash BLOB NOT NULL,
        body TEXT NOT NULL
    );
INSERT INTO record VALUES(0,1796013416360917,X'2accb86776cbfb8044c5adf42d816d259ee8375e03751d2adfbe7d4818f7a960','{"at":"2026-11-30T04:36:56.360917594Z","engine":"0.1.0","kind":"start","process":24736}');
INSERT INTO record VALUES(1,1795341600000000,X'cfbb4c606aa9207cc4cc4ae6d8451484fecbe1a64caff6e41b1ddc284b09dee7','{"at":"2026-11-22T10:00:00Z","bundle":"sha256:6c4ee0de25d70c3944ea5a93c8594d16c2f8d5a84381aabad697f39993f1fd93","engine":"0.1.0","kind":"bundle_loaded","mode":"enforce","name":"ringfence-default","version":"2026.11.1"}');
INSERT INTO record VALUES(2,1795341600000000,X'f218a98ba9355f27112133a16a491fb8531be2d1b342f054d91e2d812d98adeb','{"agent":"assistant","at":"2026-11-22T10:00:00Z","bundle":"sha256:6c4ee0de25d70c3944ea5a93c8594d16c2f8d5a84381aabad697f39993f1fd93","decision":"allow","edits":1,"enforced":"allow","engine":"0.1.0","findings":[{"action":"redact","field":"/text","length":16,"rule":"pii/email","severity":"medium","start":5,"tags":["pii","owasp-llm02-2026","gdpr"],"waived":false}],"kept":{"bytes":41,"class":"personal","commitment":"20fe3dbbb7e205da50d5db81cd5d5ee735ef8c098216c005104abd68705dd0af","whole":false},"kind":"verdict","reasons":[],"seq":1,"session":"s1","stage":"input","stated":{"part":"user","roles":["user"]},"texts":[{"bytes":31,"field":"/text","hmac":"087b230838ce99299b9eb64e14867f2f4ebc8a29fade2a586151eaa85fd46d82"}],"user":"ann"}');
INSERT INTO record VALUES(3,1795345200000000,X'10e81a43b6126a1cd1ad579a90254dd5e60bde66c3f8e84431c85044394a8c20','{"agent":"assistant","at":"2026-11-22T11:00:00Z","bundle":"sha256:6c4ee0de25d70c3944ea5a93c8594d16c2f8d5a84381aabad697f39993f1fd93","decision":"deny","edits":0,"enforced":"deny","engine":"0.1.0","findings":[],"kind":"verdict","parameters":{"command":"string"},"reasons":[{"code":"nothing-permits","message":"no policy permits this"}],"seq":2,"session":"s1","stage":"tool_call","stated":{"roles":["user"]},"texts":[{"bytes":16,"field":"/arguments","hmac":"a6fac479cc1f736f05fe2494ff08272513ab818bd6ffbff5a3370ed3df8bff6b"}],"tool":"run_command","user":"ann"}');
INSERT INTO record VALUES(4,1795428000000000,X'048164fcb50c78791c1da2ec5f520a5b38309267766a08d5e0def1fa2a8e380d','{"agent":"assistant","at":"2026-11-23T10:00:00Z","bundle":"sha256:6c4ee0de25d70c3944ea5a93c8594d16c2f8d5a84381aabad697f39993f1fd93","decision":"allow","edits":0,"enforced":"allow","engine":"0.1.0","findings":[],"kept":{"bytes":16,"class":"dialogue","commitment":"f879277d064c3e0eb380702c7cb75516610d0f7e3265fb99026865eb2e46f61f","whole":true},"kind":"verdict","reasons":[],"seq":1,"session":"s2","stage":"input","stated":{"part":"user","roles":["user"]},"texts":[{"bytes":5,"field":"/text","hmac":"7c8b4408245501d017b13e45d722b7d15924274e82178845030e0e9763160523"}],"user":"bob"}');
INSERT INTO record VALUES(5,1796013416387047,X'5a5efbb0febd6d20a2ef0711e316171d1f2fbd0a28692515ef08665e40d4a20c','{"at":"2026-11-30T04:36:56.387047771Z","engine":"0.1.0","kind":"stop","process":24736}');
INSERT INTO record VALUES(6,1796013416471735,X'f593963da366553f4018a884c210031b01dd9d58f5142df148d1cf349ce0c966','{"at":"2026-11-30T04:36:56.471735551Z","by":"unknown","engine":"0.1.0","kind":"hold","name":"case-7","owner":"legal","reason":"lawsuit","user":"bob"}');
CREATE TABLE node (level INTEGER, idx INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, idx)) WITHOUT ROWID;
CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, at INTEGER NOT NULL, note TEXT NOT NULL);
INSERT INTO checkpoint VALUES(6,1796013416387839,replace('ringfence-audit/9e919340e43a850714d9e5eca006b84c\n6\npVtRqtxNEkasKaaf/vST+xCnCidAL76d2KuvkXi5jH4=\n\n— ringfence-audit/9e919340e43a850714d9e5eca006b84c AfQ+YnZ+EDexy99OrueD56yocu3L8bBGxGno7zoywKm7e2jsxAWdDv9Pm0cvi8dpxnHKCEcIao9bqeEILiF6wniDPAs=\n','\n',char(10)));
INSERT INTO checkpoint VALUES(7,1796013416473361,replace('ringfence-audit/9e919340e43a850714d9e5eca006b84c\n7\nNw0WgQbraytHotuyKplgtcPdotaxkshmCFVqI7OH8Tk=\n\n— ringfence-audit/9e919340e43a850714d9e5eca006b84c AfQ+Yo2ZAYs8kKeiiGjKAs498lyMiU5Mw3ujcmZnO7b84neEeTB5EX63xP0i5/uDbl6oMQ8pE0iNbWCAEAZkwqEYCws=\n','\n',char(10)));
CREATE TABLE name (id INTEGER PRIMARY KEY, field INTEGER NOT NULL, text TEXT NOT NULL, count INTEGER NOT NULL);
INSERT INTO name VALUES(1,0,'start',1);
INSERT INTO name VALUES(2,0,'bundle_loaded',1);
INSERT INTO name VALUES(3,0,'verdict',3);
INSERT INTO name VALUES(4,1,'allow',2);
INSERT INTO name VALUES(5,2,'input',2);
INSERT INTO name VALUES(6,3,'ann',2);
INSERT INTO name VALUES(7,5,'assistant',3);
INSERT INTO name VALUES(8,7,'s1',2);
INSERT INTO name VALUES(9,8,'pii/email',1);
INSERT INTO name VALUES(10,9,'gdpr',1);
INSERT INTO name VALUES(11,9,'owasp-llm02-2026',1);
INSERT INTO name VALUES(12,9,'pii',1);
INSERT INTO name VALUES(13,12,'edited',1);
INSERT INTO name VALUES(14,1,'deny',1);
INSERT INTO name VALUES(15,2,'tool_call',1);
INSERT INTO name VALUES(16,6,'run_command',1);
INSERT INTO name VALUES(17,11,'nothing-permits',1);
INSERT INTO name VALUES(18,3,'bob',2);
INSERT INTO name VALUES(19,7,'s2',1);
INSERT INTO name VALUES(20,0,'stop',1);
INSERT INTO name VALUES(21,0,'hold',1);
INSERT INTO name VALUES(22,3,'unknown',1);
CREATE TABLE label (name INTEGER, idx INTEGER, PRIMARY KEY (name, idx)) WITHOUT ROWID;
INSERT INTO label VALUES(1,0);
INSERT INTO label VALUES(2,1);
INSERT INTO label VALUES(3,2);
INSERT INTO label VALUES(3,3);
INSERT INTO label VALUES(3,4);
INSERT INTO label VALUES(4,2);
INSERT INTO label VALUES(4,4);
INSERT INTO label VALUES(5,2);
INSERT INTO label VALUES(5,4);
INSERT INTO label VALUES(6,2);
INSERT INTO label VALUES(6,3);
INSERT INTO label VALUES(7,2);
INSERT INTO label VALUES(7,3);
INSERT INTO label VALUES(7,4);
INSERT INTO label VALUES(8,2);
INSERT INTO label VALUES(8,3);
INSERT INTO label VALUES(9,2);
INSERT INTO label VALUES(10,2);
INSERT INTO label VALUES(11,2);
INSERT INTO label VALUES(12,2);
INSERT INTO label VALUES(13,2);
INSERT INTO label VALUES(14,3);
INSERT INTO label VALUES(15,3);
INSERT INTO label VALUES(16,3);
INSERT INTO label VALUES(17,3);
INSERT INTO label VALUES(18,4);
INSERT INTO label VALUES(18,6);
INSERT INTO label VALUES(19,4);
INSERT INTO label VALUES(20,5);
INSERT INTO label VALUES(21,6);
INSERT INTO label VALUES(22,6);
CREATE TABLE block (number INTEGER PRIMARY KEY, earliest INTEGER NOT NULL, latest INTEGER NOT NULL);
INSERT INTO block VALUES(0,1795341600000000,1796013416471735);
CREATE TABLE payload (
        idx INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        class TEXT NOT NULL,
        subject TEXT NOT NULL,
        tenant TEXT NOT NULL,
        session TEXT NOT NULL,
        role TEXT NOT NULL,
        keep INTEGER NOT NULL,
        key BLOB NOT NULL,
        bytes INTEGER NOT NULL,
        sealed BLOB NOT NULL
    );
INSERT INTO payload VALUES(2,1795341600000000,'personal','ann','','s1','user',604800,X'f72d9679810eeb4a4a5f0e342d334283',41,X'fc2d4d18a7aeef1a38042e6cff325d3a60256d5084ac2fa1cfb2577920fb722f77cd744920356e95979fb7f9d6bbcac6791baa7f30023800e9453df8343f8f327fce2a1524c17afc405e9d6947f63909503da4080e62934bf02a0f553935144ad0de127eeac49d6b98333ce30f12e30dea');
INSERT INTO payload VALUES(4,1795428000000000,'dialogue','bob','','s2','user',2592000,X'fc095a186cfe15e5c958adf2a97e89ac',16,X'703457a82eb7b7f107322e5394d849c0662496e991e74bdf303cc72dd0f2e25287adfcbf16b7f8c9bb98c5ed2c2e92f931d227321e588e26e134f3b1d45a14fe9b47b326c87a85fc679ca1acd9739921482229d9b48ae91b');
CREATE TABLE anonymised (idx INTEGER PRIMARY KEY, at INTEGER NOT NULL, role TEXT NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE hold (
        name TEXT PRIMARY KEY,
        kind TEXT NOT NULL,
        held TEXT NOT NULL,
        reason TEXT NOT NULL,
        owner TEXT NOT NULL,
        placed INTEGER NOT NULL,
        until INTEGER
    ) WITHOUT ROWID;
INSERT INTO hold VALUES('case-7','user','bob','lawsuit','legal',1796013416471735,NULL);
CREATE UNIQUE INDEX name_text ON name (field, text);
CREATE TRIGGER record_stays BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT, 'records are never changed'); END;
CREATE TRIGGER record_remains BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'records are never removed'); END;
CREATE TRIGGER checkpoint_stays BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER checkpoint_remains BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never removed'); END;
CREATE INDEX payload_age ON payload (class, tenant, at);
CREATE INDEX payload_subject ON payload (subject);
CREATE INDEX payload_session ON payload (session);
CREATE INDEX payload_key ON payload (key);
COMMIT;
