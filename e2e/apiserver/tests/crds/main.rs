//! What a real API server makes of the custom resources: every rule and bound refuses its bad example,
//! with a message that helps, and takes its good one.

mod advisories;
mod behaviour;
mod bounds;
mod examples;
mod fixture;
mod offline;
mod process;
mod rules;
mod schema;
mod stored;
mod tables;
mod transitions;
