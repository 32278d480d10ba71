//! Sealed values: what a tenant entrusts to us (keys of providers) is kept encrypted, and bound to its tenant and its
//! name, so that a value which is moved to another row does not open. Must not know tables.

use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest::{SHA256, digest},
};
use secrecy::{ExposeSecret, SecretString};

use crate::{kernel::ids::TenantId, tokens::random};

/// The layout: this byte, the key's id, the nonce, then ciphertext and tag.
const VERSION: u8 = 1;
const KEY_ID: usize = 4;

/// The key that seals and opens (`SECRET_KEY`), AES-256-GCM.
pub struct SecretKeys {
    key: LessSafeKey,
    id: [u8; KEY_ID],
}

/// Why a sealed value does not open. Names no value.
#[derive(Debug, thiserror::Error)]
pub enum Unsealable {
    /// It was sealed under a key that this server does not have.
    #[error("sealed under the key {0}, which is not SECRET_KEY")]
    UnknownKey(String),
    /// It is not what was sealed, or not for this tenant and name.
    #[error("damaged, or moved from another tenant or column")]
    Damaged,
}

impl SecretKeys {
    /// Reads the key, 64 hex digits.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn new(hex_key: &SecretString) -> anyhow::Result<Self> {
        let bytes = hex::decode(hex_key.expose_secret())?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| anyhow::anyhow!("SECRET_KEY must be 256 bits"))?;
        let mut named = b"frontdesk secret key id".to_vec();
        named.extend(&bytes);
        let mut id = [0; KEY_ID];
        id.copy_from_slice(digest(&SHA256, &named).as_ref().split_at(KEY_ID).0);
        Ok(Self { key: LessSafeKey::new(key), id })
    }

    /// Seals `value` for one tenant and one name.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn seal(&self, tenant: TenantId, name: &str, value: &SecretString) -> anyhow::Result<Vec<u8>> {
        let nonce = random::<NONCE_LEN>()?;
        let mut text = value.expose_secret().as_bytes().to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound_to(tenant, name), &mut text)
            .map_err(|_| anyhow::anyhow!("sealing"))?;
        Ok([&[VERSION], self.id.as_slice(), nonce.as_slice(), text.as_slice()].concat())
    }

    /// Opens what [`SecretKeys::seal`] made for this tenant and name.
    ///
    /// # Errors
    /// [`Unsealable`].
    pub fn open(&self, tenant: TenantId, name: &str, sealed: &[u8]) -> Result<SecretString, Unsealable> {
        let rest = sealed.strip_prefix(&[VERSION]).ok_or(Unsealable::Damaged)?;
        let (id, rest) = rest.split_at_checked(KEY_ID).ok_or(Unsealable::Damaged)?;
        if id != self.id {
            return Err(Unsealable::UnknownKey(hex::encode(id)));
        }
        let (nonce, text) = rest.split_at_checked(NONCE_LEN).ok_or(Unsealable::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unsealable::Damaged)?;
        let mut text = text.to_vec();
        let opened =
            self.key.open_in_place(nonce, bound_to(tenant, name), &mut text).map_err(|_| Unsealable::Damaged)?;
        String::from_utf8(opened.to_vec()).map(SecretString::from).map_err(|_| Unsealable::Damaged)
    }
}

fn bound_to(tenant: TenantId, name: &str) -> Aad<Vec<u8>> {
    Aad::from(format!("{tenant}/{name}").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(digit: &str) -> SecretKeys {
        SecretKeys::new(&digit.repeat(64).into()).expect("a key")
    }

    #[test]
    fn what_is_sealed_opens_for_its_tenant_and_name_alone() {
        let (keys, value) = (keys("1"), SecretString::from("KEY-canary"));
        let sealed = keys.seal(TenantId(7), "telnyx_api_key", &value).expect("sealed");
        let opened = keys.open(TenantId(7), "telnyx_api_key", &sealed).expect("opened");
        assert_eq!(opened.expose_secret(), "KEY-canary");
        assert!(!sealed.windows(6).any(|part| part == b"canary"));
        assert!(keys.open(TenantId(8), "telnyx_api_key", &sealed).is_err(), "another tenant");
        assert!(keys.open(TenantId(7), "twilio_auth_token", &sealed).is_err(), "another column");
        let again = keys.seal(TenantId(7), "telnyx_api_key", &value).expect("sealed");
        assert_ne!(sealed, again, "a fresh nonce each time");
    }

    #[test]
    fn a_lost_key_is_named_and_damage_is_noticed() {
        let sealed = keys("1").seal(TenantId(7), "x", &"secret".into()).expect("sealed");
        assert!(matches!(keys("2").open(TenantId(7), "x", &sealed), Err(Unsealable::UnknownKey(_))));
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(keys("1").open(TenantId(7), "x", &damaged).is_err(), "byte {at}");
            assert!(keys("1").open(TenantId(7), "x", &sealed[..at]).is_err(), "cut at {at}");
        }
    }
}
