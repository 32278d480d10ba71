//! The walls: tests that fail when something is added without thought. What must not compile stands as `compile_fail`
//! examples in `src/db/scope.rs`.

mod catalogue;
mod direction;
mod reads;
mod roles;
mod round_trips;
mod schema;
mod statements;
mod tenancy;
