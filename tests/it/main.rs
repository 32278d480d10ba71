//! The tests that go through the door: a real server, a real PostgreSQL, real sockets. Each reads like a short story: who,
//! does what, sees what.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that can't go on says so by panicking"
)]
#![expect(clippy::too_many_lines, reason = "what a story sees is written out, and is long")]
#![expect(clippy::needless_pass_by_value, reason = "helpers take what a story writes down, literals mostly")]

mod audit;
mod bad_input;
mod calls;
mod canaries;
mod carriage;
mod chat;
mod clients;
mod connections;
mod deliveries;
mod deploy;
mod doctor;
mod documents;
mod full_text;
mod identity;
mod impersonations;
mod inbox;
mod jackrabbit;
mod knowledge;
mod leads;
mod leases;
mod limits;
mod lists;
mod logs;
mod mail;
mod mail_answers;
mod mail_fates;
mod meetings;
mod merged;
mod metrics;
mod migrations;
mod models;
mod nodes;
mod parts;
mod persisted;
mod plain;
mod plans;
mod playground;
mod pool;
mod prompts;
mod providers;
mod quotas;
mod races;
mod repeats;
mod replica;
mod restart;
mod retrieval;
mod retrieval_failures;
mod revocation;
mod rotation;
mod schools;
mod sessions;
mod settings;
mod simulate;
mod sockets;
mod standings;
mod startup;
mod support;
mod tenants;
mod terminal;
mod text_wishes;
mod texts;
mod texts_sent;
mod toolbox;
mod tools;
mod tour;
mod traces;
mod transports;
mod turns;
mod unchanged;
mod upstream;
mod usage;
mod users;
mod verify;
mod versions;
mod visitors;
mod voice;
mod voice_tools;
mod walls;
mod websites;
mod widget;
mod worker;
