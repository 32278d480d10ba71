//! Reads the frames of OpenAI's chat completions, and of the servers that speak like it. Must not know how they came.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use crate::{
    kernel::vocabulary::FinishReason,
    llm::{Delta, ModelError, ToolCall, Usage, failure::shorten, reading::Frames},
};

/// What was read so far and not told yet.
#[derive(Default)]
pub(super) struct Reader {
    calls: Vec<Fragment>,
    finish: Option<FinishReason>,
    usage: Option<Usage>,
}

/// A call as far as it came.
struct Fragment {
    index: Option<u64>,
    id: Option<String>,
    name: String,
    arguments: String,
}

impl Frames for Reader {
    fn read(&mut self, frame: &str, told: &mut VecDeque<Result<Delta, ModelError>>) -> bool {
        if frame == "[DONE]" {
            // An end also where no reason came before it.
            self.finish.get_or_insert(FinishReason::Stop);
            self.end(told);
            return false;
        }
        let Ok(frame) = serde_json::from_str::<Value>(frame) else {
            told.push_back(Err(ModelError::unreadable("a frame that is no JSON")));
            return false;
        };
        if let Some(error) = frame.get("error").filter(|error| !error.is_null()) {
            told.push_back(Err(failure(error)));
            return false;
        }
        if let Some(usage) = frame.get("usage").and_then(Value::as_object) {
            self.usage = Some(used(usage));
        }
        let Some(choice) = frame.pointer("/choices/0") else { return false };
        let mut is_more = false;
        // A refusal is the model's own words too; it comes in the place of the content.
        for said in ["/delta/content", "/delta/refusal"] {
            if let Some(text) = choice.pointer(said).and_then(Value::as_str).filter(|text| !text.is_empty()) {
                told.push_back(Ok(Delta::Text(text.to_owned())));
                is_more = true;
            }
        }
        for part in choice.pointer("/delta/tool_calls").and_then(Value::as_array).into_iter().flatten() {
            self.gather(part);
            is_more = true;
        }
        // Some servers write an empty one until there is one.
        let reason = choice.get("finish_reason").and_then(Value::as_str).filter(|reason| !reason.is_empty());
        if is_more || reason.is_some() {
            self.finish = reason.map(finish);
        }
        is_more
    }

    fn has_reason(&self) -> bool {
        self.finish.is_some()
    }

    fn end(&mut self, told: &mut VecDeque<Result<Delta, ModelError>>) {
        let Some(mut finish) = self.finish.take() else { return };
        self.calls.sort_by_key(|call| call.index);
        let calls: Vec<_> = self.calls.drain(..).enumerate().map(|(at, call)| call.whole(at)).collect();
        if finish == FinishReason::ToolCalls || finish == FinishReason::Stop {
            finish = if calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
        }
        if !calls.is_empty() {
            told.push_back(Ok(Delta::Calls(calls)));
        }
        told.push_back(Ok(Delta::End { finish, usage: self.usage }));
    }
}

impl Reader {
    /// Adds a piece to the call that it belongs to: by its index, unless its id says that it begins another. Some servers
    /// number none of their calls, or all of them 0.
    fn gather(&mut self, part: &Value) {
        let text = |pointer: &str| part.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (index, id) = (part.get("index").and_then(Value::as_u64), text("/id"));
        let name = text("/function/name").unwrap_or_default();
        let arguments = text("/function/arguments").unwrap_or_default();
        let belongs = |call: &&mut Fragment| {
            (index.is_none() || call.index == index) && (id.is_none() || call.id.as_deref() == id)
        };
        if let Some(call) = self.calls.iter_mut().rev().find(belongs) {
            call.arguments.push_str(arguments);
            if call.name.is_empty() {
                name.clone_into(&mut call.name);
            }
            return;
        }
        self.calls.push(Fragment {
            index,
            id: id.map(str::to_owned),
            name: name.to_owned(),
            arguments: arguments.to_owned(),
        });
    }
}

impl Fragment {
    fn whole(self, at: usize) -> ToolCall {
        let arguments = match self.arguments.trim() {
            // What some models write for a tool without arguments.
            "" => Value::Object(Map::new()),
            text => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
        };
        let id = self.id.unwrap_or_else(|| format!("call_{at}"));
        ToolCall { id, name: self.name, arguments, signature: None }
    }
}

fn used(usage: &Map<String, Value>) -> Usage {
    let count = |name| usage.get(name).and_then(Value::as_i64).and_then(|count| i32::try_from(count).ok()).unwrap_or(0);
    Usage { prompt: count("prompt_tokens"), completion: count("completion_tokens") }
}

fn finish(reason: &str) -> FinishReason {
    match reason {
        "length" => FinishReason::Length,
        "tool_calls" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Stop,
    }
}

/// An error that came as a frame, as if it had come as a status.
fn failure(error: &Value) -> ModelError {
    let body = shorten(&error.to_string());
    let word = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let status = match (word("code"), word("type")) {
        ("insufficient_quota" | "rate_limit_exceeded", _) | (_, "requests" | "tokens" | "insufficient_quota") => 429,
        ("invalid_api_key", _) | (_, "authentication_error") => 401,
        ("context_length_exceeded", _) | (_, "invalid_request_error") => 400,
        _ => 500,
    };
    ModelError::refused(status, &body, None)
}
