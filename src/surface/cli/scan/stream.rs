//! Cleans one file or stdin as it is read, in bounded memory.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::super::Exit;
use super::super::report::{self, Out};
use crate::engine::{Engine, RuleSet};

/// Bytes that are read at once, at most.
const CHUNK: usize = 64 << 10;

/// Writes what is cleaned as soon as nothing can change it any more.
pub(super) fn redact(path: &Path, engine: &Engine, rules: &RuleSet, out: &mut Out) -> anyhow::Result<Exit> {
    let failed = |error: &io::Error| {
        report::note(&format!("error: {}: {error}", report::visible(&path.display().to_string())));
        Ok(Exit::Failed)
    };
    let opened: io::Result<Box<dyn Read>> = if path == Path::new("-") {
        Ok(Box::new(io::stdin().lock()))
    } else {
        File::open(path).map(|file| Box::new(file) as Box<dyn Read>)
    };
    let mut input = match opened {
        Ok(input) => input,
        Err(error) => return failed(&error),
    };
    let mut stream = engine.stream(rules);
    let mut chunk = vec![0; CHUNK];
    let mut first = true;
    loop {
        let length = match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => {
                out.raw(stream.finish().text.as_bytes())?;
                return failed(&error);
            }
        };
        let bytes = chunk.get(..length).unwrap_or_default();
        if std::mem::take(&mut first) && super::inputs::is_binary(bytes) {
            report::note("note: 1 binary files were passed over");
            return Ok(Exit::Fine);
        }
        out.raw(stream.push(bytes).text.as_bytes())?;
        out.flush()?;
    }
    out.raw(stream.finish().text.as_bytes())?;
    Ok(Exit::Fine)
}
