//! How good rules are on labelled rows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::Out;
use crate::decode;
use crate::engine::{Engine, RuleSet};
use crate::surface::cli::Exit;
use crate::surface::cli::report::visible;

/// Labels of rows in which nothing should be found.
const NEGATIVE: &[&str] = &["benign", "safe", "negative", "clean", "ham", "normal"];

/// Rows of one kind and how many of them had a finding.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    positive: usize,
    found: usize,
    negative: usize,
    alarms: usize,
}

impl Count {
    fn add(&mut self, positive: bool, found: bool) {
        let (all, hit) = if positive {
            (&mut self.positive, &mut self.found)
        } else {
            (&mut self.negative, &mut self.alarms)
        };
        *all += 1;
        *hit += usize::from(found);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn share(part: usize, of: usize) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

pub(super) fn run(
    path: &Path,
    engine: &Engine,
    rules: &RuleSet,
    as_json: bool,
    out: &mut Out,
) -> anyhow::Result<Exit> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("can't read `{name}`"))?;
    let mut all = Count::default();
    let mut by_source: BTreeMap<String, Count> = BTreeMap::new();
    let mut by_rule: BTreeMap<String, Count> = BTreeMap::new();
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.with_context(|| format!("can't read `{name}`"))?;
        if line.trim().is_empty() {
            continue;
        }
        let row = decode::from_json(&line)
            .map_err(|problem| anyhow::anyhow!("`{name}` line {number}: {}", problem.message))?;
        let Some(text) = row.get("text").and_then(Value::as_str) else {
            bail!("`{name}` line {number} has no `text`");
        };
        let positive = match (row.get("positive"), row.get("label")) {
            (Some(Value::Bool(positive)), _) => *positive,
            (None, Some(Value::String(label))) => !NEGATIVE.contains(&label.as_str()),
            _ => bail!("`{name}` line {number} has neither `positive`, true or false, nor `label`"),
        };
        let source = row.get("source").and_then(Value::as_str).unwrap_or("all");
        let findings = engine.scan(text, rules);
        let mut hit: Vec<&str> = findings.iter().map(|finding| finding.rule.as_str()).collect();
        hit.sort_unstable();
        hit.dedup();
        all.add(positive, !hit.is_empty());
        by_source.entry(source.to_owned()).or_default().add(positive, !hit.is_empty());
        for rule in hit {
            by_rule.entry(rule.to_owned()).or_default().add(positive, true);
        }
    }
    let recalls: Vec<f64> =
        by_source.values().filter_map(|count| share(count.found, count.positive)).collect();
    let mean =
        recalls.iter().sum::<f64>() / f64::from(u32::try_from(recalls.len().max(1)).unwrap_or(u32::MAX));
    if as_json {
        let row = |kind: &str, name: &str, count: &Count| {
            json!({
                "by": kind, "name": name, "positive": count.positive, "found": count.found,
                "negative": count.negative, "alarms": count.alarms,
                "recall": share(count.found, count.positive),
                "false_positive_rate": share(count.alarms, count.negative),
                "precision": share(count.found, count.found + count.alarms),
            })
        };
        for (source, count) in &by_source {
            out.line(&row("source", source, count).to_string())?;
        }
        for (rule, count) in &by_rule {
            let found = json!({
                "by": "rule", "name": rule, "found": count.found, "alarms": count.alarms,
                "precision": share(count.found, count.found + count.alarms),
                "recall": share(count.found, all.positive),
                "false_positive_rate": share(count.alarms, all.negative),
            });
            out.line(&found.to_string())?;
        }
        out.line(&row("all", "all", &all).to_string())?;
        return Ok(Exit::Fine);
    }
    out.line(&format!(
        "{:<28} {:>8} {:>8} {:>8} {:>8}",
        "source", "positive", "recall", "negative", "alarms"
    ))?;
    for (source, count) in by_source.iter().map(|(name, count)| (name.as_str(), count)).chain([("all", &all)])
    {
        out.line(&format!(
            "{:<28} {:>8} {:>8} {:>8} {:>8}",
            visible(source),
            count.positive,
            percent(share(count.found, count.positive)),
            count.negative,
            percent(share(count.alarms, count.negative)),
        ))?;
    }
    out.line(&format!("mean recall over sources {}\n", percent(Some(mean))))?;
    out.line(&format!("{:<40} {:>8} {:>8} {:>10}", "rule", "found", "alarms", "precision"))?;
    for (rule, count) in &by_rule {
        let precision = percent(share(count.found, count.found + count.alarms));
        out.line(&format!("{rule:<40} {:>8} {:>8} {precision:>10}", count.found, count.alarms))?;
    }
    Ok(Exit::Fine)
}
