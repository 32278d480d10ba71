//! Sealed values: what a tenant entrusts to us (keys of providers) is kept encrypted by AES-256-GCM under the tenant's own data
//! key, and bound to its tenant and its name, so that a value which is moved to another row does not open. Data keys are kept
//! sealed in their turn, under `SECRET_KEY`: to change that key is to seal a handful of data keys anew. Must not know tables.

mod key;

use secrecy::{ExposeSecret, SecretString, zeroize::Zeroizing};

use crate::{kernel::ids::TenantId, tokens::random};

use key::Key;

/// The name under which a tenant's data key is sealed.
const DATA_KEY: &str = "data key";
/// Bytes of a data key.
const LENGTH: usize = 32;

/// The keys of the platform: `SECRET_KEY` seals, and what `SECRET_KEYS_PREVIOUS` sealed is opened too.
pub struct SecretKeys {
    current: Key,
    previous: Vec<Key>,
}

/// A data key of a tenant's, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataKey {
    /// Its name, as what it sealed names it.
    pub name: String,
    /// The key.
    pub sealed: Vec<u8>,
}

/// A value as it is kept, with the data keys of its tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The sealed value.
    pub value: Vec<u8>,
    /// The data keys that the tenant has.
    pub data_keys: Vec<DataKey>,
}

/// Why a sealed value does not open. Names no value.
#[derive(Debug, thiserror::Error)]
pub enum Unsealable {
    /// It was sealed under a key that this server does not have.
    #[error(
        "sealed under the key {0}, which is neither SECRET_KEY nor among SECRET_KEYS_PREVIOUS; give that key back to the server, \
         or set the secret anew"
    )]
    UnknownKey(String),
    /// It is not what was sealed, or not for this tenant and name.
    #[error("damaged, or moved from another tenant or column")]
    Damaged,
}

impl SecretKeys {
    /// Reads the keys, 64 hex digits each.
    ///
    /// # Errors
    /// When one is anything else.
    pub fn new(current: &SecretString, previous: &[SecretString]) -> anyhow::Result<Self> {
        let read = |hex_key: &SecretString| Key::new(&Zeroizing::new(hex::decode(hex_key.expose_secret())?));
        Ok(Self { current: read(current)?, previous: previous.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// The name of the key that seals: the beginning of a hash of it.
    #[must_use]
    pub fn name(&self) -> String {
        self.current.name()
    }

    /// A new data key for a tenant, sealed.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn make_data_key(&self, tenant: TenantId) -> anyhow::Result<DataKey> {
        let bytes = Zeroizing::new(random::<LENGTH>()?);
        let sealed = self.current.seal(&bound_to(tenant, DATA_KEY), &bytes[..])?;
        Ok(DataKey { name: Key::new(&bytes[..])?.name(), sealed })
    }

    /// Whether a data key opens: not one whose `SECRET_KEY` was lost.
    #[must_use]
    pub fn has(&self, tenant: TenantId, data_key: &DataKey) -> bool {
        self.data_key(tenant, data_key).is_ok()
    }

    /// Seals `value` for one tenant and one name, under the tenant's data key.
    ///
    /// # Errors
    /// When the data key does not open, or the operating system has no randomness to give.
    pub fn seal(
        &self,
        tenant: TenantId,
        name: &str,
        data_key: &DataKey,
        value: &SecretString,
    ) -> anyhow::Result<Vec<u8>> {
        self.data_key(tenant, data_key)?.seal(&bound_to(tenant, name), value.expose_secret().as_bytes())
    }

    /// Opens what [`SecretKeys::seal`] made for this tenant and name, and what older versions sealed without a data key.
    ///
    /// # Errors
    /// [`Unsealable`].
    pub fn open(&self, tenant: TenantId, name: &str, sealed: &Sealed) -> Result<SecretString, Unsealable> {
        let bound = bound_to(tenant, name);
        let name = key::name_in(&sealed.value)?;
        let opened = match sealed.data_keys.iter().find(|key| key.name == name) {
            Some(data_key) => self.data_key(tenant, data_key)?.open(&bound, &sealed.value)?,
            None => self.master(&sealed.value)?.open(&bound, &sealed.value)?,
        };
        String::from_utf8(opened.to_vec()).map(SecretString::from).map_err(|_| Unsealable::Damaged)
    }

    /// A data key, sealed anew under the current key; `None` where it is already.
    ///
    /// # Errors
    /// When it does not open.
    pub fn renewed(&self, tenant: TenantId, data_key: &DataKey) -> anyhow::Result<Option<Vec<u8>>> {
        if self.current.sealed(&data_key.sealed) {
            return Ok(None);
        }
        let bound = bound_to(tenant, DATA_KEY);
        let opened = self.master(&data_key.sealed)?.open(&bound, &data_key.sealed)?;
        self.current.seal(&bound, &opened).map(Some)
    }

    fn data_key(&self, tenant: TenantId, data_key: &DataKey) -> Result<Key, Unsealable> {
        let opened = self.master(&data_key.sealed)?.open(&bound_to(tenant, DATA_KEY), &data_key.sealed)?;
        Key::new(&opened).map_err(|_| Unsealable::Damaged)
    }

    /// The key of ours that sealed it.
    fn master(&self, sealed: &[u8]) -> Result<&Key, Unsealable> {
        let mut ours = std::iter::once(&self.current).chain(&self.previous);
        match ours.find(|key| key.sealed(sealed)) {
            Some(key) => Ok(key),
            None => Err(Unsealable::UnknownKey(key::name_in(sealed)?)),
        }
    }
}

impl Sealed {
    /// Whether one of the tenant's data keys sealed it: not so what older versions sealed.
    #[must_use]
    pub fn has_data_key(&self) -> bool {
        key::name_in(&self.value).is_ok_and(|name| self.is_under(&name))
    }

    /// Whether the data key of this name sealed it.
    #[must_use]
    pub fn is_under(&self, name: &str) -> bool {
        key::name_in(&self.value).is_ok_and(|own| own == name) && self.data_keys.iter().any(|key| key.name == name)
    }
}

fn bound_to(tenant: TenantId, name: &str) -> Vec<u8> {
    format!("{tenant}/{name}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEVEN: TenantId = TenantId(7);

    fn keys(current: &str, previous: &[&str]) -> SecretKeys {
        let previous: Vec<_> = previous.iter().map(|digit| digit.repeat(64).into()).collect();
        SecretKeys::new(&current.repeat(64).into(), &previous).expect("keys")
    }

    fn sealed(keys: &SecretKeys, value: &str) -> Sealed {
        let data_key = keys.make_data_key(SEVEN).expect("a data key");
        let value = keys.seal(SEVEN, "telnyx_api_key", &data_key, &value.into()).expect("sealed");
        Sealed { value, data_keys: vec![data_key] }
    }

    fn opened(keys: &SecretKeys, sealed: &Sealed) -> Result<String, Unsealable> {
        keys.open(SEVEN, "telnyx_api_key", sealed).map(|value| value.expose_secret().to_owned())
    }

    #[test]
    fn what_is_sealed_opens_for_its_tenant_and_name_alone() {
        let keys = keys("1", &[]);
        let one = sealed(&keys, "KEY-canary");
        assert_eq!(opened(&keys, &one).expect("opened"), "KEY-canary");
        assert!(!one.value.windows(6).any(|part| part == b"canary"));
        assert!(keys.open(TenantId(8), "telnyx_api_key", &one).is_err(), "another tenant");
        assert!(keys.open(SEVEN, "twilio_auth_token", &one).is_err(), "another column");
        let other = sealed(&keys, "KEY-canary");
        assert_ne!(one.value, other.value, "a fresh nonce each time");
        let moved = Sealed { data_keys: other.data_keys.clone(), ..one.clone() };
        assert!(matches!(opened(&keys, &moved), Err(Unsealable::UnknownKey(_))), "without its data key");
        let renamed = DataKey { name: one.data_keys[0].name.clone(), sealed: other.data_keys[0].sealed.clone() };
        let moved = Sealed { data_keys: vec![renamed], ..one.clone() };
        assert!(matches!(opened(&keys, &moved), Err(Unsealable::Damaged)), "under another data key");
        let as_value = Sealed { value: one.data_keys[0].sealed.clone(), data_keys: Vec::new() };
        assert!(opened(&keys, &as_value).is_err(), "a data key is no value");
        let both = Sealed { data_keys: [other.data_keys, one.data_keys.clone()].concat(), ..one };
        assert_eq!(opened(&keys, &both).expect("opened"), "KEY-canary");
    }

    #[test]
    fn a_lost_key_is_named_and_damage_is_noticed() {
        let one = sealed(&keys("1", &[]), "secret");
        let lost = opened(&keys("2", &[]), &one).expect_err("lost");
        assert!(lost.to_string().contains(&keys("1", &[]).name()), "{lost}");
        for at in 0..one.value.len() {
            let mut damaged = one.clone();
            damaged.value[at] ^= 1;
            assert!(opened(&keys("1", &[]), &damaged).is_err(), "byte {at}");
            damaged.value.truncate(at);
            assert!(opened(&keys("1", &[]), &damaged).is_err(), "cut at {at}");
        }
        for at in 0..one.data_keys[0].sealed.len() {
            let mut damaged = one.clone();
            damaged.data_keys[0].sealed[at] ^= 1;
            assert!(opened(&keys("1", &[]), &damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_key_is_changed_while_the_one_before_is_still_read() {
        let (old, both, new) = (keys("1", &[]), keys("2", &["1"]), keys("2", &[]));
        let one = sealed(&old, "secret");
        assert_eq!(opened(&both, &one).expect("under the old key"), "secret");
        let sealed = both.renewed(SEVEN, &one.data_keys[0]).expect("opened").expect("sealed anew");
        let data_key = DataKey { sealed, ..one.data_keys[0].clone() };
        let renewed = Sealed { data_keys: vec![data_key.clone()], ..one };
        assert_eq!(opened(&new, &renewed).expect("under the new key"), "secret");
        assert!(matches!(opened(&old, &renewed), Err(Unsealable::UnknownKey(_))));
        assert!(both.renewed(SEVEN, &data_key).expect("current").is_none(), "once is enough");
    }

    #[test]
    fn what_was_sealed_without_a_data_key_opens_too() {
        let keys = keys("1", &[]);
        let value = keys.current.seal(&bound_to(SEVEN, "telnyx_api_key"), b"old").expect("sealed");
        for data_keys in [Vec::new(), sealed(&keys, "x").data_keys] {
            let old = Sealed { value: value.clone(), data_keys };
            assert_eq!(opened(&keys, &old).expect("opened"), "old");
            assert!(!old.has_data_key() && sealed(&keys, "new").has_data_key());
        }
    }
}
