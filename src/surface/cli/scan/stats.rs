//! How good rules are on labelled rows.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use serde_json::json;

use super::Out;
use crate::engine::{Engine, RuleSet};
use crate::harness::{Count, Quality, Row, percent, share};
use crate::surface::cli::Exit;
use crate::surface::cli::report::visible;

pub(super) fn run(
    path: &Path,
    engine: &Engine,
    rules: &RuleSet,
    as_json: bool,
    out: &mut Out,
) -> anyhow::Result<Exit> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("can't read `{name}`"))?;
    let mut quality = Quality::default();
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let line = line.with_context(|| format!("can't read `{name}`"))?;
        if line.trim().is_empty() {
            continue;
        }
        let row = Row::read(&line).map_err(|message| anyhow::anyhow!("`{name}` line {number}: {message}"))?;
        quality.add(engine, rules, &row);
    }
    let mean = quality.mean_recall();
    let Quality { all, by_source, by_rule } = quality;
    if as_json {
        let row = |kind: &str, name: &str, count: &Count| {
            json!({
                "by": kind, "name": name, "positive": count.positive, "found": count.found,
                "negative": count.negative, "alarms": count.alarms,
                "recall": count.recall(),
                "false_positive_rate": count.false_positives(),
                "precision": count.precision(),
            })
        };
        for (source, count) in &by_source {
            out.line(&row("source", source, count).to_string())?;
        }
        for (rule, count) in &by_rule {
            let found = json!({
                "by": "rule", "name": rule, "found": count.found, "alarms": count.alarms,
                "precision": count.precision(),
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
            percent(count.recall()),
            count.negative,
            percent(count.false_positives()),
        ))?;
    }
    out.line(&format!("mean recall over sources {}\n", percent(mean)))?;
    out.line(&format!("{:<40} {:>8} {:>8} {:>10}", "rule", "found", "alarms", "precision"))?;
    for (rule, count) in &by_rule {
        let precision = percent(count.precision());
        out.line(&format!("{rule:<40} {:>8} {:>8} {precision:>10}", count.found, count.alarms))?;
    }
    Ok(Exit::Fine)
}
