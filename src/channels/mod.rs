//! Clients of other people's services. A client is asked plain questions and gives plain answers; it knows no tenant, no
//! conversation and no database. What a service says is checked here, and its own words of error go to the log only.

pub mod jackrabbit;
