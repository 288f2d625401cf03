//! The end of an item: everything in it has come, and what was not decided yet is.

use serde_json::Value;

use super::{Calls, IDENTITY, Kind, ResponseStream, number, unfit};
use crate::bundle::RefusedCalls;
use crate::surface::openai::conversation::Ruled;
use crate::surface::openai::error::GuardError;
use crate::surface::openai::wire::{self, responses, set};

impl ResponseStream {
    pub(super) async fn end(&mut self, event: Value, out: &mut Vec<Value>) -> Result<(), GuardError> {
        let index = number(&event, "output_index")?;
        let Some(open) = self.open.as_ref().filter(|open| open.index == index) else {
            return unfit("ends an item that is not under way");
        };
        let (kind, written) = (open.kind, open.written.clone());
        let item = event.get("item").cloned().unwrap_or_default();
        if IDENTITY.iter().any(|name| item.get(*name) != open.item.get(*name)) {
            return unfit("has an item that ends as another than it began");
        }
        let ended = match kind {
            Kind::Text => self.end_text(event, item, index, out).await?,
            Kind::Hosted => self.end_hosted(event, item, &written, out).await?,
            Kind::Call => self.end_call(event, item, &written, out).await?,
        };
        if let Some(item) = ended {
            self.open = None;
            self.items.push(item);
        }
        Ok(())
    }

    /// What stands in an item, read as in a whole answer.
    pub(super) fn read(&self, item: &Value) -> Result<wire::Response, GuardError> {
        let mut read = wire::Response::default();
        responses::output_item(item, "", &self.conversation.settings.openings, &mut read)
            .map_err(GuardError::Answer)?;
        Ok(read)
    }

    /// Gives the item as it was handed on, if it was.
    async fn end_text(
        &mut self,
        mut event: Value,
        mut item: Value,
        index: u64,
        out: &mut Vec<Value>,
    ) -> Result<Option<Value>, GuardError> {
        if self.flows.keys().any(|key| key.0 == index) {
            return unfit("ends an item before its texts");
        }
        for list in ["content", "summary"] {
            let Some(Value::Array(parts)) = item.get_mut(list) else { continue };
            let mut parts = std::mem::take(parts);
            for (place, part) in parts.iter_mut().enumerate() {
                if let Some(refusal) = self.part(part, (index, list, place as u64)).await? {
                    self.deny(&refusal, out)?;
                    return Ok(None);
                }
            }
            set(&mut item, list, Value::Array(parts));
        }
        // Whatever else stands in it.
        self.read(&item)?;
        set(&mut event, "item", item.clone());
        self.renumbered(event, out)?;
        Ok(Some(item))
    }

    /// Gives the item as it was handed on, if it was.
    async fn end_call(
        &mut self,
        mut event: Value,
        mut item: Value,
        written: &str,
        out: &mut Vec<Value>,
    ) -> Result<Option<Value>, GuardError> {
        let mut read = self.read(&item)?;
        let Some(call) = read.calls.pop() else { return unfit("has a tool call that is none") };
        if !written.is_empty() && call.text != written {
            return unfit("has a tool call whose arguments differ from their parts");
        }
        let Ruled { call, arguments } = self.conversation.call(call).await;
        let mut held = std::mem::take(&mut self.held);
        if self.calls == Calls::Kept {
            if let Ok(decided) = &arguments {
                call.place.write_if_changed(&mut item, decided);
            }
            self.outcome.calls.push(Ruled { call, arguments });
            return Ok(Some(item));
        }
        let handed = arguments
            .map(|decided| self.conversation.handed_arguments(&call.tool, &decided).unwrap_or(decided));
        match handed {
            Ok(decided) if call.arguments.as_ref() == Ok(&decided) => {}
            Ok(decided) => {
                call.place.write(&mut item, &decided);
                let name = if item.get("input").is_some() { "input" } else { "arguments" };
                rewrite(&mut held, name, item.get(name).cloned().unwrap_or_default());
            }
            Err(refusal) if self.conversation.refused_calls() == RefusedCalls::Fail => {
                return Err(GuardError::Refused(refusal));
            }
            Err(refusal) => {
                self.refused.push((call, refusal));
                self.open = None;
                self.gone += 1;
                return Ok(None);
            }
        }
        for one in held {
            self.renumbered(one, out)?;
        }
        set(&mut event, "item", item.clone());
        self.renumbered(event, out)?;
        Ok(Some(item))
    }
}

/// Puts edited arguments into the events that told them: in one part, and at the end.
fn rewrite(held: &mut Vec<Value>, name: &str, with: Value) {
    let mut first = true;
    held.retain_mut(|event| {
        let kind = event.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind.ends_with(".delta") {
            set(event, "delta", with.clone());
            return std::mem::take(&mut first);
        }
        if kind.ends_with(".done") {
            set(event, name, with.clone());
        }
        true
    });
}
