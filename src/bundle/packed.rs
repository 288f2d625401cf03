//! A bundle in one file: a line that says so, each source with its length and name, and perhaps a signature.
//!
//! ```text
//! ringfence-bundle 1
//! 31 access.cedar
//! permit(principal, …);
//! 27 ringfence.yaml
//! …
//! end
//! ```
//!
//! Sources stand in the order of their names, so that one bundle has one packed form; what is not exactly that form is not read.
//! A signature is a signed note behind `end`, about the digest of all before it.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::folder::{MAX_DEPTH, MAX_FILE_BYTES, MAX_FILES, failed};
use super::{Bundle, LoadError, MANIFEST, hex};

const HEAD: &str = "ringfence-bundle 1\n";
const END: &str = "end\n";
/// Largest packed bundle, in bytes.
const MAX_BYTES: u64 = 64 << 20;
/// Longest name of a source, in bytes.
const MAX_NAME: usize = 255;
/// Largest signature, in bytes.
const MAX_SIGNATURE: usize = 16 << 10;

/// Why a bundle can't be packed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// Something in its folder can't be used.
    #[error("{0}; `ringfence check` tells more")]
    Unusable(String),
    /// A name that a packed bundle can't hold.
    #[error("a packed bundle can't hold a file of the name {0:?}")]
    Name(String),
    /// Too much of it.
    #[error("the bundle is larger than {} MiB", MAX_BYTES >> 20)]
    TooLarge,
}

impl Bundle {
    /// Reads a bundle from a folder, or from one file that [`Bundle::pack`] has made.
    ///
    /// # Errors
    /// When it can't be read, or is neither.
    pub fn read(path: &Path) -> Result<Bundle, LoadError> {
        if path.is_file() { Bundle::from_packed(path) } else { Bundle::from_folder(path) }
    }

    /// Reads a packed bundle.
    ///
    /// # Errors
    /// When the file can't be read, or is not exactly what [`Bundle::pack`] makes.
    pub fn from_packed(path: &Path) -> Result<Bundle, LoadError> {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(failed(path))?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed(path))?;
        let not_packed = |why| LoadError::NotPacked { path: path.to_owned(), why };
        if bytes.len() as u64 > MAX_BYTES {
            return Err(not_packed("it is larger than 64 MiB"));
        }
        let text = str::from_utf8(&bytes).map_err(|_| not_packed("it is not UTF-8 text"))?;
        Bundle::unpack(path.display().to_string(), text).map_err(not_packed)
    }

    /// Reads the text of a packed bundle.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn unpack(origin: impl Into<String>, text: &str) -> Result<Bundle, &'static str> {
        let mut rest = text.strip_prefix(HEAD).ok_or("it does not begin with `ringfence-bundle 1`")?;
        let mut sources: Vec<(&str, &str)> = Vec::new();
        let signature = loop {
            if let Some(signature) = rest.strip_prefix(END) {
                break signature;
            }
            let (line, behind) = rest.split_once('\n').ok_or("it ends before `end`")?;
            let (length, name) = line.split_once(' ').ok_or("a line does not say length and name")?;
            let bytes: usize = length.parse().map_err(|_| "a length is not a number")?;
            if bytes.to_string() != length || bytes as u64 > MAX_FILE_BYTES {
                return Err("a length is not one that a file may have");
            }
            if !is_name(name) {
                return Err("a name is not one that a file of a bundle may have");
            }
            if sources.last().is_some_and(|(last, _)| *last >= name) {
                return Err("its files are not in order, or one stands in it twice");
            }
            if sources.len() >= MAX_FILES {
                return Err("it holds too many files");
            }
            let (text, behind) = behind.split_at_checked(bytes).ok_or("a file is cut off")?;
            rest = behind.strip_prefix('\n').ok_or("a file is longer or shorter than it says")?;
            sources.push((name, text));
        };
        if !sources.iter().any(|(name, _)| *name == MANIFEST) {
            return Err("it holds no `ringfence.yaml`");
        }
        if signature.len() > MAX_SIGNATURE {
            return Err("there is more behind its end than a signature");
        }
        let signature = (!signature.is_empty()).then(|| signature.into());
        Ok(Bundle { signature, ..Bundle::from_sources(origin, sources) })
    }

    /// The bundle as one text, with its signature where it has one. The same bundle always gives the same.
    ///
    /// # Errors
    /// When something of it can't be used, or it is too large.
    pub fn pack(&self) -> Result<String, PackError> {
        let mut packed = self.content()?;
        packed.push_str(self.signature().unwrap_or_default());
        Ok(packed)
    }

    /// What a signature is about.
    fn content(&self) -> Result<String, PackError> {
        if let Some(problem) = self.problems.first() {
            return Err(PackError::Unusable(problem.message.clone()));
        }
        let mut packed = HEAD.to_owned();
        for source in self.sources() {
            if !is_name(&source.name) {
                return Err(PackError::Name(source.name.to_string()));
            }
            packed.push_str(&format!("{} {}\n{}\n", source.text.len(), source.name, source.text));
            let fits = source.text.len() as u64 <= MAX_FILE_BYTES;
            if !fits || (packed.len() + END.len() + MAX_SIGNATURE) as u64 > MAX_BYTES {
                return Err(PackError::TooLarge);
            }
        }
        packed.push_str(END);
        Ok(packed)
    }

    /// Digest of exactly what a signature is about: unlike [`Bundle::digest`], line endings count.
    ///
    /// # Errors
    /// As [`Bundle::pack`].
    pub fn packed_digest(&self) -> Result<String, PackError> {
        Ok(hex("sha256:", &Sha256::digest(self.content()?)))
    }

    /// Its signature, if it was read from a packed file that has one. Whether it is good is another question.
    #[must_use]
    pub fn signature(&self) -> Option<&str> {
        self.signature.as_deref()
    }

    /// The same bundle with a signature.
    #[cfg(feature = "audit")]
    pub(crate) fn with_signature(&self, signature: String) -> Bundle {
        Bundle { signature: Some(signature.into()), ..self.clone() }
    }
}

/// Whether a file of a folder can have this name, and no other file is meant by it on any system.
fn is_name(name: &str) -> bool {
    let strange = |c: char| c == '\\' || c == ':' || c.is_control();
    let part = |part: &str| !(part.is_empty() || part.starts_with('.') || part.contains(strange));
    name.len() <= MAX_NAME && name.split('/').count() <= MAX_DEPTH + 1 && name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle() -> Bundle {
        Bundle::from_sources(
            "test",
            [("ringfence.yaml", "name: n\n"), ("packs/a.yaml", "ä\r\n"), ("a.cedar", "")],
        )
    }

    #[test]
    fn one_bundle_has_one_form() {
        let packed = bundle().pack().unwrap();
        assert_eq!(
            packed,
            "ringfence-bundle 1\n0 a.cedar\n\n4 packs/a.yaml\nä\r\n\n8 ringfence.yaml\nname: n\n\nend\n"
        );
        let read = Bundle::unpack("x", &packed).unwrap();
        assert!(read.sources().eq(bundle().sources()));
        assert_eq!((read.digest(), read.signature()), (bundle().digest(), None));
        assert_eq!(read.pack().unwrap(), packed);
        let with = format!("{packed}anything");
        let read = Bundle::unpack("x", &with).unwrap();
        assert_eq!((read.signature(), read.pack().unwrap()), (Some("anything"), with));
        assert_eq!(read.packed_digest().unwrap(), bundle().packed_digest().unwrap());
    }

    #[test]
    fn no_other_form_is_read() {
        let packed = bundle().pack().unwrap();
        for cut in 0..packed.len() {
            if packed.is_char_boundary(cut) {
                assert!(Bundle::unpack("x", &packed[..cut]).is_err(), "{cut}");
            }
        }
        let with =
            |file: &str| Bundle::unpack("x", &format!("{HEAD}8 ringfence.yaml\nname: n\n\n{file}end\n"));
        assert!(with("1 s.cedar\n \n").is_ok());
        for file in [
            "1 a.cedar\n \n",
            "1 ringfence.yaml\n \n",
            "1 ../x\n \n",
            "1 /x\n \n",
            "1 s/.git/x\n \n",
            "1 s//x\n \n",
            "1 s\\x\n \n",
            "1 s/1/2/3/4/5\n \n",
            "01 s\n \n",
            "+1 s\n \n",
            "2 s\n \n",
            "0 s\n \n",
            "9 s\n",
            "18446744073709551615 s\n",
            "18446744073709551616 s\n",
            "4194305 s\n",
            "s\n",
        ] {
            assert!(with(file).is_err(), "{file:?}");
        }
        assert!(Bundle::unpack("x", &format!("{HEAD}end\n")).is_err());
        let long = format!("{packed}{}", "x".repeat(MAX_SIGNATURE + 1));
        assert!(Bundle::unpack("x", &long).is_err());
    }
}
