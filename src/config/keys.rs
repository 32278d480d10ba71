//! Development's own keys: made once, kept in the data folder, readable by nobody else. Production never comes here.

use std::{
    collections::HashMap,
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::Context;

use crate::config::dotenv;

pub(super) fn load_or_make(data_dir: &Path) -> anyhow::Result<HashMap<String, String>> {
    let path = data_dir.join("keys.env");
    let read = || fs::read_to_string(&path).map(|text| dotenv::parse(&text));
    match read() {
        Ok(keys) => return Ok(keys),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    }
    fs::create_dir_all(data_dir)
        .with_context(|| format!("making {}; set FRONTDESK_DATA_DIR to a folder you may write", data_dir.display()))?;
    let key = || anyhow::Ok(hex::encode(crate::tokens::random::<32>()?));
    let text = format!("# Made by Frontdesk for development.\nJWT_SECRET_KEY={}\nSECRET_KEY={}\n", key()?, key()?);
    // Written aside and linked: of two programs that start together, both use the keys of the first.
    let aside = data_dir.join(format!("keys.env.{}", std::process::id()));
    fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&aside)?
        .write_all(text.as_bytes())?;
    let linked = fs::hard_link(&aside, &path);
    fs::remove_file(&aside)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error).context("keeping the keys"),
        _ => Ok(read()?),
    }
}
