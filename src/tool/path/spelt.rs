//! Ways to spell a path that some program reads as another one.

/// A way in which a path could be read as another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hazard {
    Control,
    Backslash,
    LeadsOut,
    Dots,
    Encoding,
    LookAlike,
    Stream,
    Drive,
    Device,
    Home,
    Proc,
}

impl Hazard {
    pub(super) const fn what(self) -> &'static str {
        match self {
            Hazard::Control => "holds a control character",
            Hazard::Backslash => "holds a backslash, which is a separator elsewhere; accepted: `/`",
            Hazard::LeadsOut => "leads out with `..`",
            Hazard::Dots => "has a part of dots that some systems read as `..`",
            Hazard::Encoding => "holds an encoded character that is not what it stands for",
            Hazard::LookAlike => "holds a sign that some programs read as a dot or slash",
            Hazard::Stream => "names an alternate stream",
            Hazard::Drive => "names a drive",
            Hazard::Device => "names a device",
            Hazard::Home => "begins with `~`, which only a shell understands; accepted: the folder itself",
            Hazard::Proc => "goes through another process's view of the files",
        }
    }
}

/// The path percent-decoded once and twice, where that changes it.
pub(super) fn decoded(path: &str) -> Vec<String> {
    let mut forms = Vec::new();
    if !path.contains('%') {
        return forms;
    }
    let mut form = path.to_owned();
    for _ in 0..3 {
        if !form.contains('%') {
            break;
        }
        match percent(&form) {
            Some(next) if next != form => {
                forms.push(next.clone());
                form = next;
            }
            _ => break,
        }
    }
    forms
}

/// Percent-decoding; `None` where what comes out is no text.
fn percent(path: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%'
            && let Some((&[high, low], behind)) = after.split_first_chunk::<2>()
            && let (Some(high), Some(low)) = (char::from(high).to_digit(16), char::from(low).to_digit(16))
        {
            bytes.push(u8::try_from(high * 16 + low).ok()?);
            rest = behind;
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// The first hazard of a path, in any form in which it can be read.
pub(super) fn hazard(path: &str) -> Option<Hazard> {
    let plain = plain_hazard(path, true);
    if plain.is_some() || !path.contains('%') {
        return plain;
    }
    let mut form = path.to_owned();
    // One more decoding than any program is known to do.
    for _ in 0..3 {
        if unicode_escape(&form) {
            return Some(Hazard::Encoding);
        }
        match percent(&form) {
            None => return Some(Hazard::Encoding),
            Some(next) if next == form => return None,
            Some(next) => {
                if let Some(hazard) = plain_hazard(&next, false) {
                    return Some(hazard);
                }
                form = next;
            }
        }
    }
    None
}

/// `%u002e`
fn unicode_escape(path: &str) -> bool {
    path.match_indices("%u").chain(path.match_indices("%U")).any(|(at, _)| {
        path.get(at + 2..at + 6).is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
    })
}

fn plain_hazard(path: &str, is_as_written: bool) -> Option<Hazard> {
    let bytes = Bytes::of(path);
    if bytes.has_unusual()
        && path.chars().any(|sign| {
            sign.is_control()
                || matches!(sign, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{feff}')
        })
    {
        return Some(Hazard::Control);
    }
    if bytes.has(b'\\') {
        return Some(Hazard::Backslash);
    }
    if !bytes.are_ascii && path.chars().any(is_look_alike) {
        return Some(Hazard::LookAlike);
    }
    if bytes.may_be_hex && hex_digits(path) {
        return Some(Hazard::Encoding);
    }
    if path.starts_with('~') {
        return Some(Hazard::Home);
    }
    if let [letter, b':', rest @ ..] = path.as_bytes()
        && letter.is_ascii_alphabetic()
        && matches!(rest.first(), None | Some(b'/'))
    {
        return Some(Hazard::Drive);
    }
    let has_streams = bytes.has(b':') && bytes.has(b'$');
    let (mut depth, mut is_special) = (0_i32, false);
    for part in super::parts(path) {
        match part {
            "" | "." => continue,
            ".." => {
                depth -= 1;
                // As it is written, `..` may be left within the path; encoded, it has no place there.
                if depth < 0 || !is_as_written {
                    return Some(Hazard::LeadsOut);
                }
                continue;
            }
            _ => depth += 1,
        }
        is_special |= matches!(part, "proc" | "dev");
        if let Some(hazard) = part_hazard(part, has_streams) {
            return Some(hazard);
        }
    }
    if !is_special {
        return None;
    }
    let clean = super::cleaned(path);
    let mut parts = super::parts(&clean).skip(1);
    match (parts.next(), parts.next(), parts.next()) {
        (Some("proc"), Some(_), Some("root" | "cwd" | "fd" | "exe" | "map_files" | "task")) => {
            Some(Hazard::Proc)
        }
        (Some("dev"), Some("fd" | "stdin" | "stdout" | "stderr" | "tcp" | "udp"), _) => Some(Hazard::Device),
        _ => None,
    }
}

/// Which bytes a path holds.
struct Bytes {
    below_64: u64,
    below_128: u64,
    are_ascii: bool,
    /// Whether it holds `..`, `0x` or `0X`.
    may_be_hex: bool,
}

impl Bytes {
    fn of(path: &str) -> Self {
        let mut bytes = Self { below_64: 0, below_128: 0, are_ascii: true, may_be_hex: false };
        let mut before = 0;
        for byte in path.bytes() {
            let bit = 1 << (byte & 63);
            match byte {
                0..64 => bytes.below_64 |= bit,
                64..128 => bytes.below_128 |= bit,
                _ => bytes.are_ascii = false,
            }
            bytes.may_be_hex |= matches!((before, byte), (b'.', b'.') | (b'0', b'x' | b'X'));
            before = byte;
        }
        bytes
    }

    fn has(&self, byte: u8) -> bool {
        let set = if byte < 64 { self.below_64 } else { self.below_128 };
        set & 1 << (byte & 63) != 0
    }

    /// Whether it holds control characters, or what is not of ASCII.
    fn has_unusual(&self) -> bool {
        !self.are_ascii || self.below_64 & 0xffff_ffff != 0 || self.has(0x7f)
    }
}

fn part_hazard(part: &str, has_streams: bool) -> Option<Hazard> {
    // Windows drops dots and blanks at the end, and servers what is behind a semicolon.
    let dots =
        || part.bytes().take_while(|byte| matches!(byte, b'.' | b' ')).filter(|byte| *byte == b'.').count();
    let bare = || part.split(';').next().unwrap_or_default().trim_end();
    if part.starts_with(['.', ' ']) && dots() >= 2 && bare().bytes().all(|byte| matches!(byte, b'.' | b' ')) {
        return Some(Hazard::Dots);
    }
    if has_streams && part.as_bytes().windows(2).any(|pair| pair == b":$") {
        return Some(Hazard::Stream);
    }
    let device = |name: &str| {
        let is = |device: &str| name.eq_ignore_ascii_case(device);
        ["CON", "PRN", "NUL", "CONIN$", "CONOUT$"].into_iter().any(is)
            || name == "AUX"
            || (name.len() == 4
                && name
                    .get(..3)
                    .is_some_and(|port| port.eq_ignore_ascii_case("COM") || port.eq_ignore_ascii_case("LPT"))
                && name.ends_with(|digit: char| digit.is_ascii_digit() && digit != '0'))
    };
    (part.len() <= "CONOUT$".len() && device(part)).then_some(Hazard::Device)
}

/// `0x2e`, `0x2f` and `0x5c` beside dots or slashes, and `2f` between dots: what is left of an encoding.
fn hex_digits(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let beside = |sign: &str| {
        lower.match_indices(sign).any(|(at, _)| {
            let before = lower.get(..at).and_then(|text| text.chars().next_back());
            let after = lower.get(at + sign.len()..).and_then(|text| text.chars().next());
            matches!(before, Some('.' | '/') | None) && matches!(after, Some('.' | '/' | '0') | None)
                || before == Some('.')
        })
    };
    beside("0x2e") || beside("0x2f") || beside("0x5c") || lower.contains("..2f") || lower.contains("..5c")
}

/// Signs that are folded to a dot, slash or backslash by what reads them generously.
fn is_look_alike(sign: char) -> bool {
    matches!(
        sign,
        '\u{ff0e}'
            | '\u{2024}'
            | '\u{2025}'
            | '\u{2026}'
            | '\u{fe52}'
            | '\u{ff0f}'
            | '\u{2215}'
            | '\u{2044}'
            | '\u{29f8}'
            | '\u{2216}'
            | '\u{ff3c}'
            | '\u{fe68}'
            | '\u{29f5}'
            | '\u{29f9}'
    )
}
