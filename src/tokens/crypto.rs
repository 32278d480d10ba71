//! `jsonwebtoken` over `ring`. The crate's own back ends are `rsa`, which has an open timing advisory, and aws-lc, a
//! C build; HMAC is all that our own tokens need. Must not know claims.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
};
use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use signature::{Error as Mismatch, Signer, Verifier};

struct Hmac {
    key: hmac::Key,
    algorithm: Algorithm,
}

impl Hmac {
    fn boxed(algorithm: Algorithm, family: AlgorithmFamily, secret: &[u8]) -> Result<Box<Self>> {
        let digest = match algorithm {
            Algorithm::HS256 => hmac::HMAC_SHA256,
            Algorithm::HS384 => hmac::HMAC_SHA384,
            Algorithm::HS512 => hmac::HMAC_SHA512,
            _ => return Err(ErrorKind::InvalidAlgorithm.into()),
        };
        // A public key must never be taken for an HMAC secret, whatever the header claims.
        if family != AlgorithmFamily::Hmac {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Ok(Box::new(Self { key: hmac::Key::new(digest, secret), algorithm }))
    }
}

impl Signer<Vec<u8>> for Hmac {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Mismatch> {
        Ok(hmac::sign(&self.key, message).as_ref().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hmac {
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> std::result::Result<(), Mismatch> {
        hmac::verify(&self.key, message, tag).map_err(|_| Mismatch::new())
    }
}

impl JwtSigner for Hmac {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl JwtVerifier for Hmac {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the crate asks for this signature")]
fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    Ok(Hmac::boxed(*algorithm, key.family(), key.as_bytes())?)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the crate asks for this signature")]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    Ok(Hmac::boxed(*algorithm, key.family(), key.try_get_as_bytes()?)?)
}

static RING: CryptoProvider =
    CryptoProvider { signer_factory: signer, verifier_factory: verifier, key_utils: KeyUtils::new_unimplemented() };

/// Makes ring the cryptography of this process, for tokens and for TLS. Call it before the first client or token is
/// made; calling it again does nothing.
pub fn install_provider() {
    // Both fail only when a provider is installed already, which is the state we want.
    let _ = RING.install_default();
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// `N` bytes that nobody can guess.
///
/// # Errors
/// When the operating system has no randomness to give.
pub fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow::anyhow!("the operating system gave no random bytes"))?;
    Ok(bytes)
}

/// A number from 0 up to 1, for waits that are to differ.
#[must_use]
pub fn chance() -> f64 {
    random::<2>().map_or(0.5, |bytes| f64::from(u16::from_be_bytes(bytes)) / 65_536.0)
}

/// HMAC-SHA-256 of `message` under `key`.
#[must_use]
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}
