//! Server-sent events, with a bound.

use std::collections::VecDeque;

use crate::surface::openai::error::GuardError;

/// Cuts a stream of bytes into the data of events.
#[derive(Debug)]
pub(super) struct Frames {
    /// The line that has begun.
    line: Vec<u8>,
    /// Data of the event that has begun.
    data: Vec<u8>,
    ready: VecDeque<Vec<u8>>,
    limit: usize,
    is_over: bool,
    after_return: bool,
}

impl Frames {
    /// For events of at most so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            data: Vec::new(),
            ready: VecDeque::new(),
            limit,
            is_over: false,
            after_return: false,
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while let Some((&first, behind)) = rest.split_first() {
            let skipped = first == b'\n' && std::mem::take(&mut self.after_return);
            if skipped {
                rest = behind;
                continue;
            }
            self.after_return = false;
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let (line, behind) = rest.split_at(end.unwrap_or(rest.len()));
            let room = self.limit.saturating_sub(self.line.len() + self.data.len());
            self.is_over |= line.len() > room;
            self.line.extend_from_slice(line.get(..room).unwrap_or(line));
            rest = behind;
            if let Some((&ends, behind)) = rest.split_first() {
                self.after_return = ends == b'\r';
                self.end_line();
                rest = behind;
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            if !self.data.is_empty() {
                self.ready.push_back(std::mem::take(&mut self.data));
            }
            return;
        }
        // Names, ids and comments say nothing that the data does not.
        if let Some(data) = line.strip_prefix(b"data:") {
            if !self.data.is_empty() {
                self.data.push(b'\n');
            }
            self.data.extend_from_slice(data.strip_prefix(b" ").unwrap_or(data));
        }
    }

    /// The data of the next event, if it is there.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, GuardError> {
        match self.ready.pop_front() {
            Some(data) => Ok(Some(data)),
            None if self.is_over => Err(GuardError::TooLarge { limit: self.limit }),
            None => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(chunks: &[&[u8]]) -> Vec<String> {
        let mut frames = Frames::new(64);
        let mut all = Vec::new();
        for chunk in chunks {
            frames.push(chunk);
            while let Some(data) = frames.next().unwrap() {
                all.push(String::from_utf8(data).unwrap());
            }
        }
        all
    }

    #[test]
    fn events_are_found_however_they_are_cut() {
        let text = b"event: a\r\ndata: 1\r\n\r\n: note\ndata:2\ndata: 3\n\n\ndata: [DONE]\n\n";
        let whole = frames(&[text]);
        assert_eq!(whole, ["1", "2\n3", "[DONE]"]);
        for at in 0..text.len() {
            let (one, two) = text.split_at(at);
            assert_eq!(frames(&[one, two]), whole, "{at}");
        }
    }

    #[test]
    fn an_event_without_end_is_too_large() {
        let mut frames = Frames::new(64);
        frames.push(&[b'x'; 65]);
        assert!(matches!(frames.next(), Err(GuardError::TooLarge { limit: 64 })));
    }
}
