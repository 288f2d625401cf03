//! What is scanned: files, folders, stdin, and rows of JSON lines.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::decode;
use crate::text;

/// Rows that are scanned at once, and about how many bytes of them.
const ROWS: usize = 256;
const ROW_BYTES: usize = 256 << 10;
/// Longest row, in bytes.
const MAX_ROW: u64 = 64 << 20;
/// Bytes at the beginning of a file in which a NUL makes it a binary one.
const SNIFF: usize = 8 << 10;

/// A piece of work.
pub(super) enum Job {
    Text { file: String, text: String },
    Rows { file: String, rows: Vec<(usize, String)> },
    Binary,
    Problem { file: String, message: String },
}

/// Reads inputs one after the other.
pub(super) struct Inputs {
    paths: VecDeque<PathBuf>,
    walk: Option<ignore::Walk>,
    rows: Option<Rows>,
    jsonl: bool,
    max_bytes: u64,
}

struct Rows {
    file: String,
    input: Box<dyn BufRead + Send>,
    line: usize,
}

impl Inputs {
    pub(super) fn new(paths: &[PathBuf], jsonl: bool, max_bytes: u64) -> Self {
        Self { paths: paths.iter().cloned().collect(), walk: None, rows: None, jsonl, max_bytes }
    }

    fn file(&mut self, path: &Path) -> Option<Job> {
        let file = path.display().to_string();
        let problem = |error: &io::Error| Job::Problem { file: file.clone(), message: error.to_string() };
        let opened: io::Result<Box<dyn Read + Send>> = if path == Path::new("-") {
            Ok(Box::new(io::stdin()))
        } else {
            File::open(path).map(|file| Box::new(file) as Box<dyn Read + Send>)
        };
        let input = match opened {
            Ok(input) => input,
            Err(error) => return Some(problem(&error)),
        };
        if self.jsonl {
            self.rows =
                Some(Rows { file, input: Box::new(BufReader::with_capacity(1 << 17, input)), line: 0 });
            return None;
        }
        let mut bytes = Vec::new();
        if let Err(error) = input.take(self.max_bytes + 1).read_to_end(&mut bytes) {
            return Some(problem(&error));
        }
        if bytes.len() as u64 > self.max_bytes {
            let message = format!("larger than {} MiB; see --max-size", self.max_bytes >> 20);
            return Some(Job::Problem { file, message });
        }
        if is_binary(&bytes) {
            return Some(Job::Binary);
        }
        Some(Job::Text { file, text: text::decode(bytes) })
    }

    fn next_rows(&mut self) -> Option<Job> {
        let rows = self.rows.as_mut()?;
        let (mut batch, mut size) = (Vec::new(), 0);
        while batch.len() < ROWS && size < ROW_BYTES {
            let mut bytes = Vec::new();
            let read = Read::take(&mut rows.input, MAX_ROW + 1).read_until(b'\n', &mut bytes);
            rows.line += 1;
            let message = match read {
                Ok(0) => break,
                Ok(length) if length as u64 > MAX_ROW => {
                    format!("a row is longer than {} MiB", MAX_ROW >> 20)
                }
                Ok(length) => {
                    size += length;
                    if !bytes.trim_ascii().is_empty() {
                        batch.push((rows.line, text::decode(bytes.trim_ascii().to_vec())));
                    }
                    continue;
                }
                Err(error) => error.to_string(),
            };
            let file = rows.file.clone();
            self.rows = None;
            return Some(Job::Problem { file, message });
        }
        if batch.is_empty() {
            self.rows = None;
            return None;
        }
        Some(Job::Rows { file: rows.file.clone(), rows: batch })
    }
}

impl Iterator for Inputs {
    type Item = Job;

    fn next(&mut self) -> Option<Job> {
        loop {
            if self.rows.is_some() {
                if let Some(job) = self.next_rows() {
                    return Some(job);
                }
                continue;
            }
            let path = match self.walk.as_mut().map(Iterator::next) {
                Some(Some(Ok(entry))) if entry.file_type().is_some_and(|kind| kind.is_file()) => {
                    entry.into_path()
                }
                Some(Some(Ok(_))) => continue,
                Some(Some(Err(error))) => {
                    return Some(Job::Problem { file: "folder".to_owned(), message: error.to_string() });
                }
                Some(None) => {
                    self.walk = None;
                    continue;
                }
                None => {
                    let path = self.paths.pop_front()?;
                    if path.is_dir() {
                        let mut walk = ignore::WalkBuilder::new(&path);
                        // Secrets like to live in hidden files.
                        walk.hidden(false).require_git(false).sort_by_file_name(Ord::cmp);
                        walk.filter_entry(|entry| entry.file_name() != ".git");
                        self.walk = Some(walk.build());
                        continue;
                    }
                    path
                }
            };
            if let Some(job) = self.file(&path) {
                return Some(job);
            }
        }
    }
}

/// Whether a file that begins so is a binary one.
pub(super) fn is_binary(beginning: &[u8]) -> bool {
    beginning.iter().take(SNIFF).any(|byte| *byte == 0)
}

/// A row of JSON lines.
pub(super) struct Row {
    /// The field; `None` where the row lacks it or it is no text.
    pub(super) text: Option<String>,
    pub(super) value: Value,
}

impl Row {
    pub(super) fn read(line: &str, field: &str) -> Result<Self, String> {
        let value: Value = decode::from_json(line).map_err(|problem| problem.message)?;
        if !value.is_object() {
            return Err("a row is not an object".to_owned());
        }
        let text = match at(&value, field) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()),
            Some(_) => return Err(format!("`{field}` is not a text")),
        };
        Ok(Self { text, value })
    }
}

fn at<'v>(value: &'v Value, field: &str) -> Option<&'v Value> {
    if field.starts_with('/') { value.pointer(field) } else { value.get(field) }
}

pub(super) fn set(value: &mut Value, field: &str, text: String) {
    let place = if field.starts_with('/') { value.pointer_mut(field) } else { value.get_mut(field) };
    if let Some(place) = place {
        *place = Value::String(text);
    }
}
