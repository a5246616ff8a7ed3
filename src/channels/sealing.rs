//! Sealing secrets at rest: XChaCha20-Poly1305, bound to the channel they belong to.
//!
//! A sealed value is one byte of format, 24 bytes of random nonce, and the ciphertext. The channel id is
//! authenticated with it, so that a row copied to another channel does not open.

use crate::domain::ChannelId;
use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use std::{fmt, io::Write, path::Path};
use thiserror::Error;

const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 24;
const KEY_BYTES: usize = 32;

#[derive(Debug, Error)]
pub enum SealError {
    #[error(
        "the secrets key must be {KEY_BYTES} bytes in base64; `openssl rand -base64 32` makes one"
    )]
    BadKey,
    #[error("cannot use the key file `{path}`: {source}")]
    KeyFile {
        path: String,
        source: std::io::Error,
    },
    #[error(
        "the secrets of channel {0} do not open with this key; restore the key they were sealed with, or reconnect the channel"
    )]
    DoesNotOpen(ChannelId),
    #[error("the operating system gives no random numbers")]
    NoRandom,
}

/// Seals and opens secrets with one key.
#[derive(Clone)]
pub struct Sealer {
    cipher: XChaCha20Poly1305,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(key hidden)")
    }
}

impl Sealer {
    /// # Errors
    /// When `key` is not 32 bytes in base64.
    pub fn from_base64(key: &str) -> Result<Self, SealError> {
        let bytes = STANDARD.decode(key.trim()).map_err(|_| SealError::BadKey)?;
        Self::from_bytes(&bytes)
    }

    fn from_bytes(key: &[u8]) -> Result<Self, SealError> {
        let cipher = XChaCha20Poly1305::new_from_slice(key).map_err(|_| SealError::BadKey)?;
        Ok(Self { cipher })
    }

    /// Reads the key file; makes one, readable by its owner only, if there is none.
    ///
    /// # Errors
    /// When the file cannot be read or made, or holds no key.
    pub fn from_file(path: &Path) -> Result<Self, SealError> {
        let failed = |source| SealError::KeyFile {
            path: path.display().to_string(),
            source,
        };
        match std::fs::read_to_string(path) {
            Ok(text) => Self::from_base64(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = random::<KEY_BYTES>()?;
                write_private(path, &STANDARD.encode(key)).map_err(failed)?;
                // Read back: another process may have been first.
                let text = std::fs::read_to_string(path).map_err(failed)?;
                Self::from_base64(&text)
            }
            Err(error) => Err(failed(error)),
        }
    }

    pub fn seal(&self, channel: ChannelId, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = random::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: secret,
            aad: &associated(channel),
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| SealError::DoesNotOpen(channel))?;
        let mut out = Vec::with_capacity(1 + NONCE_BYTES + sealed.len());
        out.push(FORMAT);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// # Errors
    /// When the value was sealed for another channel, with another key, or was changed.
    pub fn open(&self, channel: ChannelId, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let broken = || SealError::DoesNotOpen(channel);
        let (format, rest) = sealed.split_first().ok_or_else(broken)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE_BYTES).ok_or_else(broken)?;
        if *format != FORMAT {
            return Err(broken());
        }
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| broken())?;
        let payload = Payload {
            msg: ciphertext,
            aad: &associated(channel),
        };
        self.cipher
            .decrypt(&XNonce::from(nonce), payload)
            .map_err(|_| broken())
    }
}

fn associated(channel: ChannelId) -> Vec<u8> {
    format!("marketsink:channel:{channel}").into_bytes()
}

fn random<const N: usize>() -> Result<[u8; N], SealError> {
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

    fn sealer() -> Sealer {
        Sealer::from_bytes(&[7; KEY_BYTES]).unwrap()
    }

    #[test]
    fn a_secret_opens_only_for_its_channel_and_key() {
        let sealed = sealer().seal(ChannelId(1), b"token").unwrap();

        assert_eq!(sealer().open(ChannelId(1), &sealed).unwrap(), b"token");
        assert!(sealer().open(ChannelId(2), &sealed).is_err());
        let other = Sealer::from_bytes(&[8; KEY_BYTES]).unwrap();
        assert!(other.open(ChannelId(1), &sealed).is_err());
    }

    #[test]
    fn a_changed_or_cut_secret_does_not_open() {
        let sealed = sealer().seal(ChannelId(1), b"token").unwrap();

        for length in 0..sealed.len() {
            assert!(sealer().open(ChannelId(1), &sealed[..length]).is_err());
        }
        for byte in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[byte] ^= 1;
            assert!(sealer().open(ChannelId(1), &changed).is_err());
        }
    }

    #[test]
    fn a_key_file_is_made_once_and_then_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("marketsink.key");

        let sealed = Sealer::from_file(&path)
            .unwrap()
            .seal(ChannelId(1), b"token")
            .unwrap();

        let again = Sealer::from_file(&path).unwrap();
        assert_eq!(again.open(ChannelId(1), &sealed).unwrap(), b"token");
    }
}
