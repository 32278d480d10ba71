//! One key of AES-256-GCM, and the layout of what it seals: a byte for the version, the key's name, the nonce, then ciphertext
//! and tag. Must not know what is sealed.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{SHA256, digest},
};
use secrecy::zeroize::Zeroizing;

use crate::{secrets::Unsealable, tokens::random};

const VERSION: u8 = 1;
/// Bytes of a key's name.
const NAME: usize = 4;

/// A key, and how what it sealed names it.
pub(super) struct Key {
    key: LessSafeKey,
    name: [u8; NAME],
}

impl Key {
    pub(super) fn new(bytes: &[u8]) -> anyhow::Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| anyhow::anyhow!("a key must be of 256 bits"))?;
        let named = Zeroizing::new([b"frontdesk secret key id".as_slice(), bytes].concat());
        let mut name = [0; NAME];
        name.copy_from_slice(digest(&SHA256, &named).as_ref().split_at(NAME).0);
        Ok(Self { key: LessSafeKey::new(key), name })
    }

    pub(super) fn name(&self) -> String {
        hex::encode(self.name)
    }

    /// Whether it says that this key sealed it.
    pub(super) fn sealed(&self, sealed: &[u8]) -> bool {
        parts(sealed).is_ok_and(|(name, _)| name == self.name)
    }

    /// Seals `text`, good only together with what it is `bound` to.
    pub(super) fn seal(&self, bound: &[u8], text: &[u8]) -> anyhow::Result<Vec<u8>> {
        let nonce = random::<NONCE_LEN>()?;
        let mut text = text.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut text)
            .map_err(|_| anyhow::anyhow!("sealing"))?;
        Ok([&[VERSION], self.name.as_slice(), nonce.as_slice(), text.as_slice()].concat())
    }

    pub(super) fn open(&self, bound: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Unsealable> {
        let (_, rest) = parts(sealed)?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(Unsealable::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable::Damaged)?;
        let mut text = Zeroizing::new(text.to_vec());
        let length = self.key.open_in_place(nonce, Aad::from(bound), &mut text).map_err(|_| Unsealable::Damaged)?.len();
        text.truncate(length);
        Ok(text)
    }
}

/// The name of the key that something says it was sealed by.
pub(super) fn name_in(sealed: &[u8]) -> Result<String, Unsealable> {
    parts(sealed).map(|(name, _)| hex::encode(name))
}

fn parts(sealed: &[u8]) -> Result<(&[u8], &[u8]), Unsealable> {
    let rest = sealed.strip_prefix(&[VERSION]).ok_or(Unsealable::Damaged)?;
    rest.split_at_checked(NAME).ok_or(Unsealable::Damaged)
}
