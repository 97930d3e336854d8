mod builder;
mod derivation;
mod files;
mod hostile;
mod openssl;
