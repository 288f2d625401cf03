//! What of a bundle events use, and what they need: `ringfence what --on`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::Exit;
use super::events::{self, Chats, Events};
use super::replay::{self, Recorded};
use super::report::{self, Out, visible};
use super::retain::PayloadKeys;
use crate::bundle::Bundle;
use crate::compile::{CompileOptions, compile};
use crate::engine::{Engine, Trace};
use crate::event::Event;
use crate::guard::{Guard, NoLinks};
use crate::harness::suggest::{Suggest, is_same};
use crate::verdict::Verdict;

/// Events that came out otherwise and are told of one by one.
const SHOWN: usize = 8;

/// Files of events and logs, and how they are read.
pub(super) struct Used<'a> {
    pub(super) on: &'a [PathBuf],
    pub(super) keys: &'a PayloadKeys,
    pub(super) is_text: bool,
}

/// What of the files could not be decided.
#[derive(Default)]
struct LeftOut {
    unreadable: bool,
    malformed: usize,
    not_kept: BTreeMap<&'static str, usize>,
}

impl LeftOut {
    /// Says so.
    fn note(&self) {
        if self.malformed > 0 {
            report::note(&format!("note: {} lines are no events and were left out", self.malformed));
        }
        for (why, count) in &self.not_kept {
            report::note(&format!("note: {count} recorded events can't be decided again: {why}"));
        }
    }
}

/// A guard for files, whose outcome must not depend on this machine.
fn guard(engine: Engine) -> Guard {
    Guard::builder(engine).no_time_limit().resolver(Arc::new(NoLinks)).build()
}

/// Names of everything that had a part in a verdict.
fn names((verdict, trace): (Verdict, Trace)) -> Vec<String> {
    let rules = verdict.findings.into_iter().map(|finding| finding.rule);
    let decided = verdict.reasons.into_iter().filter_map(|reason| reason.policy);
    let lists = [trace.permits, trace.forbids, trace.asks, trace.shadows, trace.waivers];
    rules.chain(decided).chain(lists.into_iter().flatten()).collect()
}

/// The same as far as a record tells.
fn recorded_names(record: &Value) -> Vec<String> {
    let list = |name: &str| record.get(name).and_then(Value::as_array).into_iter().flatten();
    let of = |name: &str, member: &str| -> Vec<String> {
        list(name).filter_map(|one| Some(one.get(member)?.as_str()?.to_owned())).collect()
    };
    let waivers = list("waivers").filter_map(|name| Some(name.as_str()?.to_owned())).collect();
    [of("findings", "rule"), of("reasons", "policy"), of("reasons", "rule"), of("shadow", "policy"), waivers]
        .concat()
}

impl Used<'_> {
    /// Decides every event of the files by some guards, each with sessions of its own, and gives what becomes of it to `take`, with
    /// file and line; of a record that can't be decided again the record to `part`.
    fn each<T: Send>(
        &self,
        guards: &[&Guard],
        decide: &(dyn Fn(&Event) -> T + Sync),
        take: &mut dyn FnMut((&str, u64), T),
        part: &mut dyn FnMut(&Value),
    ) -> anyhow::Result<LeftOut> {
        let [first, ..] = guards else { return Ok(LeftOut::default()) };
        let mut left = LeftOut::default();
        let (logs, files): (Vec<PathBuf>, Vec<PathBuf>) =
            self.on.iter().cloned().partition(|path| replay::is_log(path));
        let chats = Chats::default();
        let progress = events::progress(true);
        let mut count = 0;
        let mut advance = || {
            count += 1;
            if let Some(bar) = &progress {
                bar.set_position(count);
            }
        };
        if !files.is_empty() {
            left.unreadable = events::each(
                &files,
                chats.offer_called_tools,
                &|work, _| {
                    let Events { list, ends } = chats.events(work, first);
                    let decided: Vec<Option<T>> = list
                        .iter()
                        .map(|event| match event {
                            Ok(event) => Some(decide(event)),
                            Err(malformed) => {
                                for guard in guards {
                                    let _ = guard
                                        .refuse_malformed(malformed.session.as_deref(), &malformed.message);
                                }
                                None
                            }
                        })
                        .collect();
                    if let Some(session) = ends {
                        // They have no log in which the end could not be recorded.
                        guards.iter().for_each(|guard| drop(guard.end_session(&session)));
                    }
                    decided
                },
                &mut |place, decided| {
                    for one in decided {
                        match one {
                            Some(one) => take((&place.file, place.line as u64), one),
                            None => left.malformed += 1,
                        }
                        advance();
                    }
                    Ok(())
                },
            )?;
        }
        let engines: Vec<Engine> = guards.iter().map(|guard| guard.engine()).collect();
        let engines: Vec<&Engine> = engines.iter().collect();
        for log in &logs {
            let name = log.display().to_string();
            replay::each(log, self.keys, &engines, &mut |number, recorded, record| {
                match recorded {
                    Recorded::Whole(event) => take((&name, number), decide(&event)),
                    Recorded::NotKept(why) => {
                        part(record);
                        *left.not_kept.entry(why).or_default() += 1;
                    }
                }
                advance();
                Ok(())
            })?;
        }
        if let Some(bar) = progress {
            bar.finish_and_clear();
        }
        Ok(left)
    }

    /// Policies that were never satisfied, and rules that matched nowhere.
    pub(super) fn unused(&self, engine: &Engine, out: &mut Out) -> anyhow::Result<Exit> {
        let guard = guard(engine.clone());
        let (mut used, mut events) = (BTreeSet::<String>::new(), 0_usize);
        let (mut recorded, mut records) = (BTreeSet::<String>::new(), 0_usize);
        let left = self.each(
            &[&guard],
            &|event| names(guard.examine(event)),
            &mut |_, names| {
                events += 1;
                used.extend(names);
            },
            &mut |record| {
                records += 1;
                recorded.extend(recorded_names(record));
            },
        )?;
        left.note();
        used.extend(recorded);
        let inventory = engine.inventory();
        let items = inventory.policies.iter().map(|item| ("policy", item));
        let items = items.chain(inventory.rules.iter().map(|item| ("rule", item)));
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for (kind, item) in items.filter(|(_, item)| !used.contains(&item.name)) {
            *counts.entry(kind).or_default() += 1;
            if self.is_text {
                out.line(&format!("{}:{}: {kind} {} ({})", item.file, item.line, item.name, item.kind))?;
            } else {
                out.line(&serde_json::to_string(&json!({
                    "unused": kind, "name": item.name, "kind": item.kind, "file": item.file, "line": item.line,
                }))?)?;
            }
        }
        if self.is_text {
            let count = |kind| report::counted(counts.get(kind).copied().unwrap_or(0_usize), kind);
            let events = report::counted(events, "event");
            let (policies, rules) = (count("policy"), count("rule"));
            out.line(&format!("{events}; never satisfied: {policies}, found nothing: {rules}"))?;
            if records > 0 {
                out.line(&format!(
                    "{records} more are known by their records alone: permits that only they needed are listed too"
                ))?;
            }
        }
        Ok(if left.unreadable { Exit::Failed } else { Exit::Fine })
    }

    /// The permits that the events need, tried on them.
    pub(super) fn suggest(
        &self,
        engine: &Engine,
        bundle: &Bundle,
        options: &CompileOptions,
        out: &mut Out,
    ) -> anyhow::Result<Exit> {
        if self.on.iter().any(|path| path == Path::new("-")) {
            bail!("what is suggested is tried on the same events: give files, which can be read twice");
        }
        let old = guard(engine.clone());
        let mut suggest = Suggest::new(engine);
        let left = self.each(
            &[&old],
            &|event| {
                let decided = old.examine(event);
                (event.clone(), old.session(&event.session), decided)
            },
            &mut |_, (event, session, (verdict, trace))| {
                suggest.add(&event, session.as_ref(), &verdict, &trace)
            },
            &mut |_| {},
        )?;
        left.note();
        let suggestion = suggest.suggestion();
        if suggestion.permits == 0 {
            bail!("no event was allowed by a permit: there is nothing to suggest");
        }
        let changed = suggestion.bundle(bundle).context("the bundle's policies can't be read")?;
        let changed_engine = match compile(&changed, options) {
            Ok(compiled) => compiled.engine,
            Err(error) => {
                report::diagnostics(&error.diagnostics, &changed);
                bail!("what is suggested does not compile")
            }
        };
        let (old, new) = (guard(engine.clone()), guard(changed_engine));
        let (mut events, mut otherwise) = (0_u64, 0_usize);
        let again = self.each(
            &[&old, &new],
            &|event| {
                let ((before, trace), after) = (old.examine(event), new.check(event));
                let is_same = is_same((&before, &trace), &after);
                (is_same, format!("{} becomes {}", before.decision, after.decision))
            },
            &mut |(file, line), (is_same, what)| {
                events += 1;
                if !is_same {
                    otherwise += 1;
                    if otherwise <= SHOWN {
                        report::note(&format!("otherwise: {}:{line}: {what}", visible(file)));
                    }
                }
            },
            &mut |_| {},
        )?;
        if self.is_text {
            let text = crate::harness::suggest::layout(&suggestion.text);
            out.raw(text.as_bytes())?;
        } else {
            let unneeded: Vec<Value> = suggestion
                .unneeded
                .iter()
                .map(|(name, file, line)| json!({ "name": name, "file": file, "line": line }))
                .collect();
            out.line(&serde_json::to_string(&json!({
                "suggested": suggestion.text, "permits": suggestion.permits, "events": events, "otherwise": otherwise,
                "uncovered": suggestion.uncovered, "unneeded": unneeded,
            }))?)?;
        }
        for (name, file, line) in &suggestion.unneeded {
            report::note(&format!("not needed: {file}:{line}: {name}"));
        }
        if suggestion.uncovered > 0 {
            report::note(&format!("{} events that went on are not covered", suggestion.uncovered));
        }
        let (permits, needing) = (suggestion.permits, suggestion.events);
        report::note(&match otherwise {
            0 => format!(
                "{permits} permits for {needing} events; tried on {events}, and all come out as before"
            ),
            _ => format!(
                "{permits} permits for {needing} events; tried on {events}, and {otherwise} come out otherwise"
            ),
        });
        Ok(match (left.unreadable || again.unreadable, otherwise + usize::from(suggestion.uncovered > 0)) {
            (true, _) => Exit::Failed,
            (false, 0) => Exit::Fine,
            (false, _) => Exit::Found,
        })
    }
}
