//! Sealing secrets at rest: XChaCha20-Poly1305, bound to what they belong to.
//!
//! ```text
//! format 2:  2 | key id, 8 bytes | nonce, 24 random bytes | ciphertext and tag
//! format 1:  1 | nonce, 24 random bytes | ciphertext and tag
//! ```
//!
//! Format 2 is written. Its key id says which key opens it, and merchant, channel and kind are authenticated
//! with it, so that a row copied to another place does not open. Values of format 1, which are bound to the
//! channel alone and name no key, still open; [`super::reseal`] turns them into the other.
//!
//! Several keys may be known: one seals, the others only open, while they are being rotated out.

use super::keys::{ID_BYTES, KeyId, SealingKey, random};
use crate::domain::{ChannelId, EndpointId, MerchantId};
use chacha20poly1305::{
    XNonce,
    aead::{Aead, Payload},
};
use thiserror::Error;

const UNNAMED: u8 = 1;
const NAMED: u8 = 2;
const NONCE_BYTES: usize = 24;
/// Format and key id: what values of one key have in common at their beginning.
pub(super) const PREFIX_BYTES: usize = 1 + ID_BYTES;

#[derive(Debug, Error)]
pub enum SealError {
    #[error("the secrets key must be 32 bytes in base64; `openssl rand -base64 32` makes one")]
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
    #[error(
        "the secrets of channel {channel} are sealed with the key {key}, which is neither secrets.key nor secrets.previous_key"
    )]
    UnknownKey { channel: ChannelId, key: KeyId },
    #[error("the operating system gives no random numbers")]
    NoRandom,
}

/// What a sealed value is, and whose: it opens as nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Belonging {
    pub kind: SecretKind,
    pub merchant: MerchantId,
    pub channel: ChannelId,
}

impl Belonging {
    /// What an endpoint signs or signs in with. The kind says that the number is that of an endpoint.
    pub(super) fn of_endpoint(merchant: MerchantId, endpoint: EndpointId) -> Self {
        Self {
            kind: SecretKind::Endpoint,
            merchant,
            channel: ChannelId(endpoint.0),
        }
    }
}

/// The kinds of sealed values; their names are part of what is authenticated and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    Credentials,
    WebhookSecret,
    Endpoint,
}

impl SecretKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::WebhookSecret => "webhook_secret",
            Self::Endpoint => "endpoint",
        }
    }
}

/// Seals with the current key, and opens with that one and the previous ones.
#[derive(Debug, Clone)]
pub struct Sealer {
    current: SealingKey,
    previous: Vec<SealingKey>,
}

impl Sealer {
    pub fn new(current: SealingKey, previous: Vec<SealingKey>) -> Self {
        Self { current, previous }
    }

    /// The id of the key that seals.
    pub fn current(&self) -> KeyId {
        self.current.id()
    }

    /// The ids of the keys that open, the current one first.
    pub fn known(&self) -> Vec<KeyId> {
        self.keys().map(SealingKey::id).collect()
    }

    fn keys(&self) -> impl Iterator<Item = &SealingKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }

    /// What every value that the current key has sealed begins with.
    pub(super) fn prefix(&self) -> [u8; PREFIX_BYTES] {
        let mut prefix = [NAMED; PREFIX_BYTES];
        prefix[1..].copy_from_slice(&self.current.id().0);
        prefix
    }

    /// # Errors
    /// When the system gives no random numbers.
    pub fn seal(&self, of: Belonging, secret: &[u8]) -> Result<Vec<u8>, SealError> {
        let nonce = random::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: secret,
            aad: &associated(of, self.current.id()),
        };
        let sealed = self
            .current
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| SealError::DoesNotOpen(of.channel))?;
        Ok([self.prefix().as_slice(), &nonce, &sealed].concat())
    }

    /// # Errors
    /// When the value was sealed for something else, with a key that is not known, or was changed.
    pub fn open(&self, of: Belonging, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let broken = || SealError::DoesNotOpen(of.channel);
        let (format, rest) = sealed.split_first().ok_or_else(broken)?;
        if let Some(id) = key_of(sealed) {
            let key = self.keys().find(|key| key.id() == id);
            let key = key.ok_or(SealError::UnknownKey {
                channel: of.channel,
                key: id,
            })?;
            return opened(key, &associated(of, id), &rest[ID_BYTES..]).ok_or_else(broken);
        }
        if *format != UNNAMED {
            return Err(broken());
        }
        let aad = associated_with_channel(of.channel);
        let mut keys = self.keys();
        let found = keys.find_map(|key| opened(key, &aad, rest));
        found.ok_or_else(broken)
    }
}

/// The key that a value names; `None` for the format that names none, and for what is no sealed value.
pub(super) fn key_of(sealed: &[u8]) -> Option<KeyId> {
    let (format, rest) = sealed.split_first()?;
    let (id, _) = rest.split_first_chunk::<ID_BYTES>()?;
    (*format == NAMED).then_some(KeyId(*id))
}

fn opened(key: &SealingKey, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, msg) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload { msg, aad };
    key.cipher.decrypt(&XNonce::from(*nonce), payload).ok()
}

fn associated(of: Belonging, key: KeyId) -> Vec<u8> {
    let Belonging {
        kind,
        merchant,
        channel,
    } = of;
    let kind = kind.as_str();
    format!("marketsink:2:{key}:{kind}:merchant:{merchant}:channel:{channel}").into_bytes()
}

fn associated_with_channel(channel: ChannelId) -> Vec<u8> {
    format!("marketsink:channel:{channel}").into_bytes()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::channels::keys::KEY_BYTES;

    pub const TOKEN: Belonging = Belonging {
        kind: SecretKind::Credentials,
        merchant: MerchantId(1),
        channel: ChannelId(1),
    };

    fn key(byte: u8) -> SealingKey {
        SealingKey::from_bytes(&[byte; KEY_BYTES]).unwrap()
    }

    fn sealer() -> Sealer {
        Sealer::new(key(7), vec![])
    }

    /// As values were sealed before keys had names.
    fn sealed_unnamed(key: &SealingKey, of: Belonging, secret: &[u8]) -> Vec<u8> {
        let aad = associated_with_channel(of.channel);
        let nonce = [9; NONCE_BYTES];
        let payload = Payload {
            msg: secret,
            aad: &aad,
        };
        let sealed = key.cipher.encrypt(&XNonce::from(nonce), payload).unwrap();
        [[UNNAMED].as_slice(), &nonce, &sealed].concat()
    }

    #[test]
    fn a_secret_opens_only_as_what_it_is_and_with_its_key() {
        let sealed = sealer().seal(TOKEN, b"token").unwrap();
        let others = [
            Belonging {
                channel: ChannelId(2),
                ..TOKEN
            },
            Belonging {
                merchant: MerchantId(2),
                ..TOKEN
            },
            Belonging {
                kind: SecretKind::WebhookSecret,
                ..TOKEN
            },
        ];

        assert_eq!(sealer().open(TOKEN, &sealed).unwrap(), b"token");
        for other in others {
            let refused = sealer().open(other, &sealed);
            assert!(matches!(refused, Err(SealError::DoesNotOpen(_))));
        }
        let stranger = Sealer::new(key(8), vec![]).open(TOKEN, &sealed);
        let named = key(7).id();
        assert!(matches!(stranger, Err(SealError::UnknownKey { key, .. }) if key == named));
    }

    #[test]
    fn a_previous_key_opens_and_the_current_one_seals() {
        let before = sealer().seal(TOKEN, b"token").unwrap();
        let rotated = Sealer::new(key(8), vec![key(7)]);

        let after = rotated.seal(TOKEN, b"token").unwrap();

        assert_eq!(rotated.open(TOKEN, &before).unwrap(), b"token");
        assert_eq!(key_of(&after), Some(key(8).id()));
        assert!(sealer().open(TOKEN, &after).is_err());
        assert_eq!(rotated.known(), [key(8).id(), key(7).id()]);
    }

    #[test]
    fn a_value_of_the_first_format_still_opens_with_any_known_key() {
        let old = sealed_unnamed(&key(7), TOKEN, b"token");

        assert_eq!(key_of(&old), None);
        assert_eq!(sealer().open(TOKEN, &old).unwrap(), b"token");
        let rotated = Sealer::new(key(8), vec![key(7)]);
        assert_eq!(rotated.open(TOKEN, &old).unwrap(), b"token");
        assert!(Sealer::new(key(8), vec![]).open(TOKEN, &old).is_err());
        let elsewhere = Belonging {
            channel: ChannelId(2),
            ..TOKEN
        };
        assert!(sealer().open(elsewhere, &old).is_err());
    }

    #[test]
    fn a_changed_or_cut_secret_does_not_open() {
        for sealed in [
            sealer().seal(TOKEN, b"token").unwrap(),
            sealed_unnamed(&key(7), TOKEN, b"token"),
        ] {
            for length in 0..sealed.len() {
                assert!(sealer().open(TOKEN, &sealed[..length]).is_err());
            }
            for byte in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[byte] ^= 1;
                assert!(sealer().open(TOKEN, &changed).is_err());
            }
        }
    }

    #[test]
    fn keys_are_not_printed() {
        let printed = format!("{:?}", sealer());

        assert!(!printed.contains("7, 7"), "{printed}");
        assert!(printed.contains(&key(7).id().to_string()), "{printed}");
    }
}
