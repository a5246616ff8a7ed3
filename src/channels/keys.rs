//! The keys that seal secrets: where they come from, and what they are called.

use super::SealError;
use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use sha2::{Digest, Sha256};
use std::{fmt, io::Write, path::Path};

pub(super) const KEY_BYTES: usize = 32;
pub(super) const ID_BYTES: usize = 8;

/// Which key sealed a value: the first bytes of a hash of the key, which tell nothing of the key itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(super) [u8; ID_BYTES]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// One key. Only its id is printed.
#[derive(Clone)]
pub struct SealingKey {
    id: KeyId,
    pub(super) cipher: XChaCha20Poly1305,
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({}, hidden)", self.id)
    }
}

impl SealingKey {
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// # Errors
    /// When `key` is not 32 bytes in base64.
    pub fn from_base64(key: &str) -> Result<Self, SealError> {
        let bytes = STANDARD.decode(key.trim()).map_err(|_| SealError::BadKey)?;
        Self::from_bytes(&bytes)
    }

    pub(super) fn from_bytes(key: &[u8]) -> Result<Self, SealError> {
        let cipher = XChaCha20Poly1305::new_from_slice(key).map_err(|_| SealError::BadKey)?;
        let digest = Sha256::digest([b"marketsink sealing key:".as_slice(), key].concat());
        let mut id = [0; ID_BYTES];
        id.copy_from_slice(&digest[..ID_BYTES]);
        Ok(Self {
            id: KeyId(id),
            cipher,
        })
    }

    /// Reads a key file. Never makes one: a new key would open nothing that is sealed.
    ///
    /// # Errors
    /// When there is no such file, or it cannot be read, or holds no key.
    pub fn from_file(path: &Path) -> Result<Self, SealError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::from_base64(&text),
            Err(source) => Err(key_file(path, source)),
        }
    }

    /// Makes a key file, readable by its owner only, if there is none; reads it.
    ///
    /// # Errors
    /// As [`SealingKey::from_file`], or when it cannot be made.
    pub fn make_file(path: &Path) -> Result<Self, SealError> {
        if !path.exists() {
            let key = random::<KEY_BYTES>()?;
            write_private(path, &STANDARD.encode(key)).map_err(|source| key_file(path, source))?;
        }
        // Read back: another process may have been first.
        Self::from_file(path)
    }
}

/// Whether others than its owner may read the file; never on systems without such permissions.
#[cfg(unix)]
pub fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
}

/// Whether others than its owner may read the file; never on systems without such permissions.
#[cfg(not(unix))]
pub fn is_open_to_others(_path: &Path) -> bool {
    false
}

fn key_file(path: &Path, source: std::io::Error) -> SealError {
    SealError::KeyFile {
        path: path.display().to_string(),
        source,
    }
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| SealError::NoRandom)?;
    Ok(bytes)
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => {
            writeln!(file, "{text}")?;
            file.sync_all()
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_then_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marketsink.key");

        let missing = SealingKey::from_file(&path).unwrap_err();
        let made = SealingKey::make_file(&path).unwrap();

        assert!(missing.to_string().contains("marketsink.key"), "{missing}");
        assert_eq!(SealingKey::make_file(&path).unwrap().id(), made.id());
        assert_eq!(SealingKey::from_file(&path).unwrap().id(), made.id());
        assert!(!is_open_to_others(&path));
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_that_others_may_read_is_noticed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marketsink.key");
        SealingKey::make_file(&path).unwrap();

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();

        assert!(is_open_to_others(&path));
    }

    #[test]
    fn a_key_has_one_name_and_another_key_another() {
        let id = |byte| SealingKey::from_bytes(&[byte; KEY_BYTES]).unwrap().id();

        assert_eq!(id(7), id(7));
        assert_ne!(id(7), id(8));
        assert_eq!(id(7).to_string().len(), 16);
    }
}
