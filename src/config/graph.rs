//! `INTROSPECTION`, `AUTOMATIC_PERSISTED_QUERIES` and `TRUSTED_DOCUMENTS…`: what the graph tells of itself, and which documents it
//! runs.

use std::fs;

use crate::{
    config::reader::Reader,
    graph::{DocumentSettings, GraphSettings, Introspection, Manifest, Trust},
};

const FILES: &str = "TRUSTED_DOCUMENTS_FILES";

pub(super) fn read(read: &mut Reader<'_>, is_production: bool) -> GraphSettings {
    let usual = if is_production { Introspection::Administrators } else { Introspection::Open };
    let introspection = match read.text("INTROSPECTION").as_deref() {
        None => usual,
        Some("everybody") => Introspection::Open,
        Some("administrators") => Introspection::Administrators,
        Some("nobody") => Introspection::Nobody,
        Some(_) => read.wrong("INTROSPECTION", "must be `everybody`, `administrators` or `nobody`", usual),
    };
    let trust = match read.text("TRUSTED_DOCUMENTS").as_deref() {
        None | Some("off") => Trust::Off,
        Some("log") => Trust::Log,
        Some("allow-list") => Trust::AllowList,
        Some("id-only") => Trust::IdOnly,
        Some(_) => read.wrong("TRUSTED_DOCUMENTS", "must be `off`, `log`, `allow-list` or `id-only`", Trust::IdOnly),
    };
    let files = read.items(FILES);
    if files.is_empty() && trust != Trust::Off {
        read.problem(FILES, "is missing beside TRUSTED_DOCUMENTS");
    }
    let mut manifest = Manifest::default();
    for (place, file) in (1..).zip(&files) {
        let added = match fs::read_to_string(file) {
            Ok(text) => manifest.add(&text),
            Err(error) => Err(format!("can't be read ({})", error.kind())),
        };
        if let Err(what) = added {
            read.problem(FILES, format!("names a file that {what} (number {place} of the list)"));
        }
    }
    let automatic = read.switch("AUTOMATIC_PERSISTED_QUERIES", true);
    GraphSettings { introspection, documents: DocumentSettings { trust, manifest, automatic } }
}
