//! The provider's side of the wire: the unix socket the driver dials and what runs on it.

pub mod authority;
pub mod socket;
