//! Statements that must be written in one way, since nothing fails when they are not: it only is slow, or late.

use std::{fs, path::Path};

use super::direction::files;

fn tables() -> Vec<(String, String)> {
    let mut found = Vec::new();
    files(Path::new("src/db/tables"), &mut found);
    assert!(found.len() > 20, "the tables are there");
    found
}

/// Diesel writes DEFAULT for a value that is missing, so that the text differs from one insert to the next, and is prepared anew
/// each time.
#[test]
fn every_insert_has_one_text() {
    for (path, text) in tables() {
        for form in text.split("Insertable").skip(1) {
            let head: String = form.lines().take(2).collect();
            assert!(head.contains("treat_none_as_default_value = false"), "{path}: {head}");
        }
    }
}

/// What callers may do is remembered for a moment (`src/db/standings.rs`), and forgotten by `Tx::altering`.
#[test]
fn whatever_changes_what_callers_may_do_says_so() {
    const WATCHED: &[&str] = &["users", "sessions", "tenants", "impersonations", "visitors"];
    const TABLES: &[&str] = &["users", "sessions", "tenants", "impersonations", "visitor_sessions"];
    let mut seen = 0;
    for (path, text) in tables() {
        let name = Path::new(&path).file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        for function in text.split("pub async fn ").skip(1) {
            if !function.contains("diesel::update(") && !function.contains("diesel::delete(") {
                continue;
            }
            if WATCHED.contains(&name.as_str()) {
                seen += 1;
                let body = function.split("\n}\n").next().expect("a body");
                assert!(body.contains("tx.altering()") && !body.contains("tx.conn()"), "{path}: {body}");
                continue;
            }
            for table in TABLES {
                for verb in ["update", "delete"] {
                    let statement = format!("diesel::{verb}({table}::table");
                    assert!(!function.contains(&statement), "{path}: {statement} belongs in that table's own file");
                }
            }
        }
    }
    assert!(seen >= 10, "the statements are there: {seen}");
    let identity = fs::read_to_string("src/db/identity.rs").expect("the mint");
    assert!(identity.contains("standings.recall"), "what is watched here is remembered there");
}
