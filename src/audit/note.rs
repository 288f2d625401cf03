//! Signed notes (C2SP `signed-note`) with a text of any lines: what a checkpoint is for the log, for other things.

use ed25519_dalek::{Signature, Signer, Verifier};

use super::base64;
use super::checkpoint::key_id;
use super::key::{PublicKey, SigningKey};

/// Signs lines of text under a name. They hold no empty line.
pub(crate) fn sign(key: &SigningKey, name: &str, body: &str) -> String {
    let signature = key.0.sign(body.as_bytes()).to_bytes();
    let line = [&key_id(name, &key.0.verifying_key())[..], &signature].concat();
    format!("{body}\n— {name} {}\n", base64::encode(&line))
}

/// The lines of a note and the name under which one of these keys has signed them.
pub(crate) fn check<'n>(note: &'n str, keys: &[PublicKey]) -> Option<(&'n str, &'n str)> {
    let (body, signatures) = note.split_at_checked(note.rfind("\n\n")? + 1)?;
    // Signatures by others may stand here, and nothing else.
    let lines = signatures.strip_prefix('\n')?.strip_suffix('\n')?.split('\n');
    let all: Vec<(&str, Vec<u8>)> = lines
        .map(|line| {
            let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
            Some((name, base64::decode(encoded)?))
        })
        .collect::<Option<_>>()?;
    all.iter().find_map(|(name, bytes)| {
        let (id, signature) = bytes.split_first_chunk::<4>()?;
        let signature = Signature::from_slice(signature).ok()?;
        let signed = keys
            .iter()
            .filter(|key| key_id(name, &key.0) == *id)
            .any(|key| key.0.verify(body.as_bytes(), &signature).is_ok());
        signed.then_some((body, *name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_what_was_signed() {
        let (key, other) = (SigningKey::generate("test").unwrap(), SigningKey::generate("test").unwrap());
        let note = sign(&key, "log/1", "one\ntwo\n");
        assert_eq!(check(&note, &[other.public(), key.public()]), Some(("one\ntwo\n", "log/1")));
        assert_eq!(check(&note, &[other.public()]), None);
        for at in 0..note.len() {
            let mut changed = note.clone().into_bytes();
            changed[at] ^= 1;
            let Ok(changed) = String::from_utf8(changed) else { continue };
            assert_eq!(check(&changed, &[key.public()]), None, "{changed:?}");
        }
        let by_other = sign(&other, "other", "one\ntwo\n");
        let by_both = format!("{note}{}", by_other.rsplit_once("\n\n").unwrap().1);
        assert_eq!(check(&by_both, &[key.public()]), Some(("one\ntwo\n", "log/1")));
        for behind in ["x", "\n", "x\n", "— other !\n"] {
            assert_eq!(check(&format!("{note}{behind}"), &[key.public()]), None, "{behind:?}");
        }
        assert_eq!(check(note.trim_end(), &[key.public()]), None);
    }
}
