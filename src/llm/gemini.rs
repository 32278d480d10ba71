//! Reads the frames of Gemini's `streamGenerateContent`. Must not know how they came.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use crate::{
    kernel::vocabulary::FinishReason,
    llm::{Delta, ModelError, ToolCall, Usage, failure::shorten, reading::Frames},
};

/// What was read so far and not told yet.
#[derive(Default)]
pub(super) struct Reader {
    calls: Vec<ToolCall>,
    finish: Option<String>,
    usage: Option<Usage>,
}

impl Frames for Reader {
    fn read(&mut self, frame: &str, told: &mut VecDeque<Result<Delta, ModelError>>) -> bool {
        let Ok(frame) = serde_json::from_str::<Value>(frame) else {
            told.push_back(Err(ModelError::unreadable("a frame that is no JSON")));
            return false;
        };
        // Errors of streams may come as a list of one.
        let frame = frame.get(0).unwrap_or(&frame);
        if let Some(error) = frame.get("error") {
            let status = error.get("code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
            // Wrapped as in a body, where what it asks for is looked for.
            let body = frame.to_string();
            told.push_back(Err(ModelError::refused(status.unwrap_or(500), &body, None)));
            return false;
        }
        if let Some(reason) = frame.pointer("/promptFeedback/blockReason") {
            told.push_back(Err(ModelError::filtered(format!("the prompt was blocked: {reason}"))));
            return false;
        }
        // Counts are of all so far: the last holds.
        if let Some(usage) = frame.get("usageMetadata").and_then(Value::as_object) {
            self.usage = Some(used(usage));
        }
        let Some(candidate) = frame.pointer("/candidates/0") else { return false };
        let mut is_more = false;
        for part in candidate.pointer("/content/parts").and_then(Value::as_array).into_iter().flatten() {
            if part.get("thought").and_then(Value::as_bool) == Some(true) {
                continue;
            }
            if let Some(text) = part.get("text").and_then(Value::as_str).filter(|text| !text.is_empty()) {
                told.push_back(Ok(Delta::Text(text.to_owned())));
                is_more = true;
            }
            if let Some(call) = part.get("functionCall") {
                self.calls.push(called(call, part, self.calls.len()));
                is_more = true;
            }
        }
        let reason = candidate.get("finishReason").and_then(Value::as_str).filter(|reason| !reason.is_empty());
        if is_more || reason.is_some() {
            self.finish = reason.map(str::to_owned);
        }
        is_more
    }

    fn has_reason(&self) -> bool {
        self.finish.is_some()
    }

    fn end(&mut self, told: &mut VecDeque<Result<Delta, ModelError>>) {
        let Some(reason) = self.finish.take() else { return };
        let calls = std::mem::take(&mut self.calls);
        let finish = match reason.as_str() {
            "STOP" if calls.is_empty() => FinishReason::Stop,
            "STOP" => FinishReason::ToolCalls,
            "MAX_TOKENS" => FinishReason::Length,
            "SAFETY" | "RECITATION" | "LANGUAGE" | "BLOCKLIST" | "PROHIBITED_CONTENT" | "SPII" | "MODEL_ARMOR"
            | "IMAGE_SAFETY" => FinishReason::ContentFilter,
            "MALFORMED_FUNCTION_CALL" | "MALFORMED_RESPONSE" | "UNEXPECTED_TOOL_CALL" => {
                return told.push_back(Err(ModelError::malformed(reason)));
            }
            other => return told.push_back(Err(ModelError::odd(format!("finish reason {}", shorten(other))))),
        };
        if !calls.is_empty() && finish == FinishReason::ToolCalls {
            told.push_back(Ok(Delta::Calls(calls)));
        }
        told.push_back(Ok(Delta::End { finish, usage: self.usage }));
    }
}

fn called(call: &Value, part: &Value, at: usize) -> ToolCall {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let name = text(call, "name").unwrap_or_default();
    ToolCall {
        // Of this form genai knows that it is ours, and sends none back: Gemini then goes by the order.
        id: text(call, "id").unwrap_or_else(|| format!("call#{name}#{at}")),
        arguments: call.get("args").cloned().unwrap_or_else(|| Value::Object(Map::new())),
        signature: text(part, "thoughtSignature"),
        name,
    }
}

/// Thoughts are written too, and billed so.
fn used(usage: &Map<String, Value>) -> Usage {
    let count = |name| usage.get(name).and_then(Value::as_i64).and_then(|count| i32::try_from(count).ok()).unwrap_or(0);
    Usage {
        prompt: count("promptTokenCount").saturating_add(count("toolUsePromptTokenCount")),
        completion: count("candidatesTokenCount").saturating_add(count("thoughtsTokenCount")),
    }
}
