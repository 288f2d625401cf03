//! Text of bytes that come in pieces.

/// Makes text of bytes, cut anywhere. Each byte that is no UTF-8 becomes a question mark, so that offsets stay.
#[derive(Debug, Default)]
pub struct Decoder {
    /// The beginning of a character.
    begun: Vec<u8>,
}

impl Decoder {
    /// Appends the next bytes to a text; of a character that is not whole, nothing yet.
    pub fn push(&mut self, bytes: &[u8], text: &mut String) {
        let joined;
        let mut rest = bytes;
        if !self.begun.is_empty() {
            joined = [self.begun.as_slice(), bytes].concat();
            self.begun.clear();
            rest = &joined;
        }
        while let Err(error) = std::str::from_utf8(rest) {
            let (valid, others) = rest.split_at_checked(error.valid_up_to()).unwrap_or((rest, &[]));
            text.push_str(std::str::from_utf8(valid).unwrap_or_default());
            let Some(wrong) = error.error_len() else {
                self.begun.extend_from_slice(others);
                return;
            };
            text.extend(std::iter::repeat_n('?', wrong));
            rest = others.get(wrong..).unwrap_or_default();
        }
        text.push_str(std::str::from_utf8(rest).unwrap_or_default());
    }

    /// Appends what is left when nothing follows.
    pub fn finish(&mut self, text: &mut String) {
        text.extend(std::iter::repeat_n('?', self.begun.len()));
        self.begun.clear();
    }
}

/// A whole text of bytes.
#[must_use]
pub fn decode(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| {
        let (mut decoder, mut text) = (Decoder::default(), String::new());
        decoder.push(error.as_bytes(), &mut text);
        decoder.finish(&mut text);
        text
    })
}
