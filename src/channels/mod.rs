//! Other people's services: clients of what they offer, and readers of what they post to us. They know no tenant, no
//! conversation and no database. What a service says is checked here, and its own words of error go to the log only.

pub mod delivery;
pub mod google;
pub mod jackrabbit;
pub mod telnyx;
pub mod texting;
pub mod twilio;
pub(crate) mod wire;
