//! The emulated Key Vault data plane: a store and a pure request handler, no sockets.
