use std::io;

/// Why no answer came from an endpoint. Texts are stable from try to try: no addresses, no times.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The host's name has no address.
    #[error("the name {host} cannot be resolved")]
    Name {
        /// The name asked for.
        host: String,
    },
    /// DNS did not say whether the host's name has an address.
    #[error("the name {host} cannot be resolved: no answer from DNS in time")]
    NameTimeout {
        /// The name asked for.
        host: String,
    },
    /// No TCP connection.
    #[error("no connection to {host}: {reason}")]
    Connect {
        /// The host dialled.
        host: String,
        /// The operating system's reason, in its general form.
        reason: String,
    },
    /// The proxy's own name or port does not answer.
    #[error("the proxy {proxy} cannot be reached: {reason}")]
    Proxy {
        /// The proxy, without credentials.
        proxy: String,
        /// What went wrong.
        reason: String,
    },
    /// The proxy is reached over TLS and its own certificate is not trusted.
    #[error("the TLS certificate of the proxy {proxy} is not trusted ({reason})")]
    ProxyUntrusted {
        /// The proxy, without credentials.
        proxy: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// The proxy answered the CONNECT with something other than success.
    #[error("the proxy {proxy} refused to connect to {host} (HTTP {status})")]
    ProxyRefused {
        /// The proxy, without credentials.
        proxy: String,
        /// The host that was to be reached.
        host: String,
        /// The proxy's HTTP status.
        status: u16,
    },
    /// The peer's certificate is not trusted.
    #[error("the TLS certificate of {host} is not trusted ({reason})")]
    Untrusted {
        /// The host dialled.
        host: String,
        /// What is wrong with the certificate.
        reason: String,
    },
    /// The TLS handshake failed for another reason.
    #[error("no TLS connection to {host}: {reason}")]
    Tls {
        /// The host dialled.
        host: String,
        /// What went wrong.
        reason: String,
    },
    /// The connection broke before the whole answer had come.
    #[error("the connection to {host} broke before it answered")]
    Broken {
        /// The host asked.
        host: String,
    },
    /// The request was sent and one try's time ended first.
    #[error("{host} did not answer in time")]
    Silent {
        /// The host asked.
        host: String,
    },
    /// The time budget of the whole call ended first.
    #[error("{host} did not answer in time")]
    Deadline {
        /// The host asked.
        host: String,
    },
    /// The answer is larger than anything a service sends.
    #[error("{host} answered more than {limit} bytes")]
    TooLarge {
        /// The host asked.
        host: String,
        /// Bytes allowed.
        limit: usize,
    },
    /// No token proxy is set up.
    #[error("no token proxy is set up")]
    NoTokenProxy,
    /// The token proxy cannot be asked as it is set up.
    #[error("the token proxy cannot be asked: {reason}")]
    TokenProxy {
        /// What is wrong, and the remedy.
        reason: String,
    },
    /// A request was to leave for a host that the mount may not ask.
    #[error("a request to {host} was refused: only {expected} may be asked")]
    WrongHost {
        /// Where the request was to go.
        host: String,
        /// Where it may go.
        expected: String,
    },
}

impl Unreachable {
    pub(crate) fn connect(host: &str, error: &io::Error) -> Self {
        Self::Connect {
            host: host.to_owned(),
            reason: error.kind().to_string(),
        }
    }

    /// Whether there was no connection to send the request on, so that it has had no effect.
    pub(crate) fn is_before_sending(&self) -> bool {
        matches!(
            self,
            Self::Name { .. }
                | Self::NameTimeout { .. }
                | Self::Connect { .. }
                | Self::Proxy { .. }
                | Self::ProxyUntrusted { .. }
                | Self::ProxyRefused { .. }
                | Self::Untrusted { .. }
                | Self::Tls { .. }
        )
    }

    /// Whether a second try can help within the same call.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Name { .. }
            | Self::NameTimeout { .. }
            | Self::Connect { .. }
            | Self::Proxy { .. }
            | Self::Tls { .. }
            | Self::Silent { .. }
            | Self::Broken { .. } => false,
            // A gateway error of the proxy is what a passing failure of the far side looks like.
            Self::ProxyRefused { status, .. } => !matches!(status, 502..=504),
            Self::Untrusted { .. }
            | Self::ProxyUntrusted { .. }
            | Self::NoTokenProxy
            | Self::TokenProxy { .. }
            | Self::Deadline { .. }
            | Self::TooLarge { .. }
            | Self::WrongHost { .. } => true,
        }
    }
}
