use super::rules::{RuleChange, changes};
use crate::bundle::Bundle;
use crate::engine::Engine;
use crate::text::Text;

/// NEAR_IN: lines {"rule","text"}; NEAR_OUT gets {"rule","text","kills":[...], "found": bool}
#[test]
fn near_misses() {
    let Ok(path) = std::env::var("NEAR_IN") else { return };
    let bundle = Bundle::from_folder(std::path::Path::new("policies")).unwrap();
    let engine = Engine::of_embedded(&bundle).unwrap();
    let all = changes(&engine);
    let mut by: std::collections::HashMap<String, Vec<(String, crate::text::Finder)>> = Default::default();
    for change in &all {
        if let RuleChange::Finds(number, _) = change {
            let id = engine.0.rules[*number].id.to_string();
            by.entry(id).or_default().push((change.what(), change.finder(&engine).unwrap()));
        }
    }
    let originals: std::collections::HashMap<String, usize> =
        engine.0.rules.iter().enumerate().map(|(n, r)| (r.id.to_string(), n)).collect();
    let mut out = String::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let (rule, text) = (row["rule"].as_str().unwrap(), row["text"].as_str().unwrap());
        let finder = engine.0.rules[originals[rule]].finder().unwrap();
        let found = !finder.find(&Text::new(text)).is_empty();
        let mut kills = Vec::new();
        if let (false, Some(list)) = (found, by.get(rule)) {
            for (what, finder) in list {
                if !finder.find(&Text::new(text)).is_empty() {
                    kills.push(what.clone());
                }
            }
        }
        out.push_str(&serde_json::json!({"rule": rule, "text": text, "found": found, "kills": kills}).to_string());
        out.push('\n');
    }
    std::fs::write(std::env::var("NEAR_OUT").unwrap(), out).unwrap();
}
