PRAGMA application_id = 1380335948;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE block (number INTEGER PRIMARY KEY, earliest INTEGER NOT NULL, latest INTEGER NOT NULL);
INSERT INTO "block" VALUES(0,1795341600000000,1795557976587904);
CREATE TABLE checkpoint (size INTEGER PRIMARY KEY, at INTEGER NOT NULL, note TEXT NOT NULL);
INSERT INTO "checkpoint" VALUES(5,1795557976588346,'ringfence-audit/54486e78f10395cae71e330fd23c4885
5
BAY8tMlVaTSkS3Z3xwLTk9S+qsIdrvGVg46DkJQo8Dw=

— ringfence-audit/54486e78f10395cae71e330fd23c4885 MRqpYVwRy5ctRxW9BFHuYxoYn73K7MY4+YRJCd92yp7nQHDq2IGsUa29mZprzJ7o+odFQYR05zjqzeWbw+lgXb+U0gw=
');
CREATE TABLE label (name INTEGER, idx INTEGER, PRIMARY KEY (name, idx)) WITHOUT ROWID;
INSERT INTO "label" VALUES(1,0);
INSERT INTO "label" VALUES(2,1);
INSERT INTO "label" VALUES(3,2);
INSERT INTO "label" VALUES(3,3);
INSERT INTO "label" VALUES(4,2);
INSERT INTO "label" VALUES(5,2);
INSERT INTO "label" VALUES(6,2);
INSERT INTO "label" VALUES(6,3);
INSERT INTO "label" VALUES(7,2);
INSERT INTO "label" VALUES(7,3);
INSERT INTO "label" VALUES(8,2);
INSERT INTO "label" VALUES(8,3);
INSERT INTO "label" VALUES(9,2);
INSERT INTO "label" VALUES(10,2);
INSERT INTO "label" VALUES(11,2);
INSERT INTO "label" VALUES(12,2);
INSERT INTO "label" VALUES(13,2);
INSERT INTO "label" VALUES(14,3);
INSERT INTO "label" VALUES(15,3);
INSERT INTO "label" VALUES(16,3);
INSERT INTO "label" VALUES(17,3);
INSERT INTO "label" VALUES(18,4);
CREATE TABLE log (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO "log" VALUES('origin','ringfence-audit/54486e78f10395cae71e330fd23c4885');
CREATE TABLE name (id INTEGER PRIMARY KEY, field INTEGER NOT NULL, text TEXT NOT NULL, count INTEGER NOT NULL);
INSERT INTO "name" VALUES(1,0,'start',1);
INSERT INTO "name" VALUES(2,0,'bundle_loaded',1);
INSERT INTO "name" VALUES(3,0,'verdict',2);
INSERT INTO "name" VALUES(4,1,'allow',1);
INSERT INTO "name" VALUES(5,2,'input',1);
INSERT INTO "name" VALUES(6,3,'ann',2);
INSERT INTO "name" VALUES(7,5,'assistant',2);
INSERT INTO "name" VALUES(8,7,'s1',2);
INSERT INTO "name" VALUES(9,8,'pii/email',1);
INSERT INTO "name" VALUES(10,9,'gdpr',1);
INSERT INTO "name" VALUES(11,9,'owasp-llm02-2026',1);
INSERT INTO "name" VALUES(12,9,'pii',1);
INSERT INTO "name" VALUES(13,12,'edited',1);
INSERT INTO "name" VALUES(14,1,'deny',1);
INSERT INTO "name" VALUES(15,2,'tool_call',1);
INSERT INTO "name" VALUES(16,6,'run_command',1);
INSERT INTO "name" VALUES(17,11,'nothing-permits',1);
INSERT INTO "name" VALUES(18,0,'stop',1);
CREATE TABLE node (level INTEGER, idx INTEGER, hash BLOB NOT NULL, PRIMARY KEY (level, idx)) WITHOUT ROWID;
CREATE TABLE record (
        idx INTEGER PRIMARY KEY,
        at INTEGER NOT NULL,
        hash BLOB NOT NULL,
        body TEXT NOT NULL
    );
INSERT INTO "record" VALUES(0,1795557976570238,X'9A5A24E37D8F0FC5421C0F90D19D3D0EB4535287D09EEF65759E10201AE1B4B5','{"at":"2026-11-24T22:06:16.570238648Z","engine":"0.1.0","kind":"start","process":18134}');
INSERT INTO "record" VALUES(1,1795341600000000,X'F89879BE14B8DA9DED2069947C482EC56F8A7EAE5617AA68F4F205EB4EB4D697','{"at":"2026-11-22T10:00:00Z","bundle":"sha256:7e79e176e7629911f36590c855dfdeb858751ef7465deb2aebd1077a84dd4538","engine":"0.1.0","kind":"bundle_loaded","mode":"enforce","name":"ringfence-default","version":"2026.11.1"}');
INSERT INTO "record" VALUES(2,1795341600000000,X'050D488121C343EE79CB4A3916B6075384F559CEBFEAD31481817AAF8EB57D0D','{"agent":"assistant","at":"2026-11-22T10:00:00Z","bundle":"sha256:7e79e176e7629911f36590c855dfdeb858751ef7465deb2aebd1077a84dd4538","decision":"allow","edits":1,"enforced":"allow","engine":"0.1.0","findings":[{"action":"redact","field":"/text","length":16,"rule":"pii/email","severity":"medium","start":5,"tags":["pii","owasp-llm02-2026","gdpr"],"waived":false}],"kind":"verdict","reasons":[],"seq":1,"session":"s1","stage":"input","texts":[{"bytes":21,"field":"/text","hmac":"d98a57e6fe41a9fce9d92bbe1bf21640f19df12a1e8748bc85379980e45769e8"}],"user":"ann"}');
INSERT INTO "record" VALUES(3,1795345200000000,X'3104898D298B24D3A0889FFDD7EAA4B28F3C53BD1966050D816C60BAB0DF4BE1','{"agent":"assistant","at":"2026-11-22T11:00:00Z","bundle":"sha256:7e79e176e7629911f36590c855dfdeb858751ef7465deb2aebd1077a84dd4538","decision":"deny","edits":0,"enforced":"deny","engine":"0.1.0","findings":[],"kind":"verdict","parameters":{"command":"string"},"reasons":[{"code":"nothing-permits","message":"no policy permits this"}],"seq":2,"session":"s1","stage":"tool_call","texts":[{"bytes":16,"field":"/arguments","hmac":"7f8e3d71e0790f8c93901120adfb16b4b46dd66f399a94500875dd9998714f9a"}],"tool":"run_command","user":"ann"}');
INSERT INTO "record" VALUES(4,1795557976587904,X'487951AD2D4E7957E5ADE6E150B6E804B6CFDD40B670BADB43D9425809D66D83','{"at":"2026-11-24T22:06:16.587904073Z","engine":"0.1.0","kind":"stop","process":18134}');
CREATE UNIQUE INDEX name_text ON name (field, text);
CREATE TRIGGER record_stays BEFORE UPDATE ON record BEGIN SELECT RAISE(ABORT, 'records are never changed'); END;
CREATE TRIGGER record_remains BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'records are never removed'); END;
CREATE TRIGGER checkpoint_stays BEFORE UPDATE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;
CREATE TRIGGER checkpoint_remains BEFORE DELETE ON checkpoint BEGIN SELECT RAISE(ABORT, 'checkpoints are never removed'); END;
COMMIT;
