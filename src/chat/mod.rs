//! The chat engine. A message comes in, is stored, and a reply is written: gather → compose → persist, each step told to
//! every watcher. A reply belongs to its conversation, never to the connection that asked for it. Must not know
//! GraphQL or HTTP.

mod accept;
mod allowance;
mod answer;
mod bill;
mod compose;
mod draft;
mod engine;
mod events;
mod follow;
mod generate;
mod housekeeping;
mod hub;
mod lease;
mod measure;
mod passages;
mod place;
mod turn;
mod writings;

pub use accept::{Accepted, MessageForm};
pub use answer::Answered;
pub use engine::{Engine, EngineSettings};
pub use events::{Body, Cursor};
pub use place::{Place, Told};
