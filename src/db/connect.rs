//! Opens one connection: reads every form of `DATABASE_URL` that is in use, and speaks TLS where it asks for it.
//! Must not know roles or tables.

use std::{error::Error, str::FromStr, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::AsyncPgConnection;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::{Config, NoTls, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::kernel::cause::innermost;

/// A database that can be connected to again and again.
pub(in crate::db) struct Target {
    config: Config,
    tls: Option<MakeRustlsConnect>,
    /// The certificate and its name are checked.
    pub(in crate::db) verifies: bool,
}

impl Target {
    /// Reads `postgres://`, `postgresql://`, the `+asyncpg` and `+psycopg` forms, and `key=value` strings.
    ///
    /// `sslmode` means what libpq says: `disable`, `prefer` and `require` (encrypted, certificate not checked),
    /// `verify-ca` and `verify-full` (certificate and name checked against the system's roots).
    ///
    /// # Errors
    /// What can't be read is said by `name`, which is the variable's.
    pub(in crate::db) fn parse(name: &str, url: &SecretString) -> anyhow::Result<Self> {
        let (text, verify) = normalise(url.expose_secret());
        let unreadable = |error: tokio_postgres::Error| {
            anyhow!("{name} can't be read as a PostgreSQL URL{}", misread(&text, &error))
        };
        let mut config = Config::from_str(&text).map_err(unreadable)?;
        if config.get_application_name().is_none() {
            config.application_name("frontdesk");
        }
        config.connect_timeout(Duration::from_secs(5));
        // A machine that is gone without a word is noticed.
        config.tcp_user_timeout(Duration::from_secs(20)).keepalives_idle(Duration::from_secs(30));
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => None,
            _ => Some(MakeRustlsConnect::new(client_config(verify)?)),
        };
        Ok(Self { config, tls, verifies: verify })
    }

    pub(in crate::db) fn config(&self) -> &Config {
        &self.config
    }

    pub(in crate::db) fn with_login(&self, user: &str, password: Option<&str>) -> Self {
        let mut config = self.config.clone();
        config.user(user);
        if let Some(password) = password {
            config.password(password);
        }
        Self { config, tls: self.tls.clone(), verifies: self.verifies }
    }

    pub(in crate::db) async fn connect(&self) -> ConnectionResult<AsyncPgConnection> {
        let bad = |error: tokio_postgres::Error| ConnectionError::BadConnection(cause(&error));
        if let Some(tls) = &self.tls {
            let (client, connection) = self.config.connect(tls.clone()).await.map_err(bad)?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        } else {
            let (client, connection) = self.config.connect(NoTls).await.map_err(bad)?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        }
    }
}

/// Why there is no connection: in PostgreSQL's words, or in those of the innermost cause. Neither repeats a password.
fn cause(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("{} (SQLSTATE {})", said.message(), said.code().code()),
        None => innermost(error),
    }
}

/// What of a URL can't be read, where that may be said. Of a password with characters that should stand in percent, the rest may be
/// taken for parameters: a name is repeated only where it can't be a piece of one.
fn misread(text: &str, error: &tokio_postgres::Error) -> String {
    let said = error.source().map(ToString::to_string).unwrap_or_default();
    let outside = match text.split_once("://") {
        Some((_, rest)) => rest.rsplit_once('@').map_or(rest, |(_, rest)| rest),
        None => text,
    };
    let outside = outside.split_once("password").map_or(outside, |(before, _)| before);
    let unknown = said.strip_prefix("unknown option `").and_then(|name| name.strip_suffix('`'));
    let is_outside = unknown.is_some_and(|name| outside.contains(&format!("{name}=")));
    if is_outside || said.starts_with("invalid value for option `") { format!(": {said}") } else { String::new() }
}

/// Gives the URL in the form that tokio-postgres reads, and whether the certificate must be checked.
fn normalise(url: &str) -> (String, bool) {
    let mut text = url.trim().to_owned();
    for alias in [
        "postgresql+asyncpg://",
        "postgresql+psycopg://",
        "postgresql+psycopg2://",
        "postgres+asyncpg://",
        "postgres+psycopg://",
    ] {
        if let Some(rest) = text.strip_prefix(alias) {
            text = format!("postgresql://{rest}");
        }
    }
    // asyncpg spells the parameter `ssl`.
    text = text.replace("?ssl=", "?sslmode=").replace("&ssl=", "&sslmode=");
    let verify = text.contains("sslmode=verify-full") || text.contains("sslmode=verify-ca");
    let text = text
        .replace("sslmode=verify-full", "sslmode=require")
        .replace("sslmode=verify-ca", "sslmode=require")
        .replace("sslmode=allow", "sslmode=prefer");
    (text, verify)
}

fn client_config(verify: bool) -> anyhow::Result<ClientConfig> {
    let builder = ClientConfig::builder();
    if verify {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(builder.with_root_certificates(roots).with_no_client_auth());
    }
    let provider = CryptoProvider::get_default().context("no TLS provider is installed")?.clone();
    Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(Unchecked(provider))).with_no_client_auth())
}

/// What libpq's `sslmode=require` asks for: encryption, without asking who is at the other end.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_the_url_is_read() {
        crate::tokens::install_provider();
        for (url, tls) in [
            ("postgres://u:p@h/db", true),
            ("postgresql://u:p@h:5432/db?sslmode=disable", false),
            ("postgresql+asyncpg://u:p@h/db?ssl=require", true),
            ("postgresql+psycopg://u:p@h/db?sslmode=verify-full", true),
            ("host=/tmp/s user=u dbname=d sslmode=disable", false),
        ] {
            let target = Target::parse("DATABASE_URL", &SecretString::from(url)).expect(url);
            assert_eq!(target.config().get_user(), Some("u"), "{url}");
            assert_eq!(target.tls.is_some(), tls, "{url}");
        }
    }

    fn fault(url: &str) -> String {
        format!("{:#}", Target::parse("THE_URL", &SecretString::from(url)).err().expect(url))
    }

    #[test]
    fn a_parameter_that_is_not_known_is_named_unless_it_may_be_a_piece_of_the_password() {
        for (url, why) in [
            ("postgres://u:p@h/db?sslrootcert=/x", ": unknown option `sslrootcert`"),
            ("postgres://u:p@h/db?sslmode=perhaps", ": invalid value for option `sslmode`"),
            ("host=h service=s password=p", ": unknown option `service`"),
            ("postgres://u:p@ss?canary=1@h/db", ""),
            ("postgres://h/db?password=p&canary=1", ""),
            ("host=h password=my canary=1", ""),
        ] {
            assert_eq!(fault(url), format!("THE_URL can't be read as a PostgreSQL URL{why}"), "{url}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_read_is_not_repeated_in_the_error() {
        assert!(!fault("mysql://u:canary@h/db").contains("canary"));
    }
}
