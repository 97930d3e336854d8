//! Who asks a vault.

use crate::cache::ServiceAccount;
use crate::{ClientId, Cloud, TenantId};

/// Who asks. Equal ones share a token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The cloud that issues the token.
    pub cloud: Cloud,
    /// Whose it is.
    pub whose: Whose,
}

/// Whose token a vault is asked with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Whose {
    /// A workload's.
    Workload {
        /// Tenant of the identity.
        tenant: TenantId,
        /// Its client id.
        client: ClientId,
        /// The ServiceAccount that proves it.
        service_account: ServiceAccount,
        /// What the ServiceAccount's token is for.
        audience: String,
    },
    /// This program's own.
    Own,
}
