//! How a command ends: its exit code, and why it could not be carried out.

use std::io;
use std::process::ExitCode;

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: it was looked at, and it is well.
    Fine,
    /// 1: it was looked at, and something is wrong with it.
    Wrong,
    /// 2: it could not be looked at, or the command line is wrong; clap ends with the same.
    NotAsked,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Wrong => 1,
            Self::NotAsked => 2,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Why a command could not be carried out. It ends with [`Exit::NotAsked`].
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Arguments that clap cannot judge.
    #[error("{0}")]
    Usage(String),
    /// The way to the API server.
    #[error(transparent)]
    Cluster(#[from] crate::cluster::ClusterError),
    /// A file of the user's.
    #[error("{file}: it cannot be read: {source}; check path and permissions")]
    File {
        /// As it was given.
        file: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The way to Azure.
    #[error("Azure cannot be asked: {0}")]
    Azure(String),
    /// The issuer of the cluster, by which its own in Azure is told apart.
    #[error("what the operator has made in Azure cannot be told apart: {0}")]
    Issuer(String),
    /// What was found cannot be shown in the format that is asked for.
    #[error("the result cannot be written as {format}: {reason}; use -o table")]
    Format {
        /// The format.
        format: &'static str,
        /// Why.
        reason: String,
    },
    /// Standard output is closed or full.
    #[error("the result cannot be written: {source}")]
    Write {
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Threads or files are used up.
    #[error("the program cannot start: {source}")]
    Runtime {
        /// Why.
        #[source]
        source: io::Error,
    },
}
