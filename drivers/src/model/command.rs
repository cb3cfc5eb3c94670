//! Commands run on instances.

use super::key::Secret;

/// A command to be run on an instance, with what is needed to log in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunCommand {
    /// One line for the instance's shell.
    pub command: String,
    /// Private key of the instance's default login.
    pub private_key: Option<Secret>,
    /// Its password, where it has one.
    pub password: Option<Secret>,
    /// Where to log in; `None`: at the instance's first public address.
    pub ip: Option<String>,
    /// Port; `None`: 22.
    pub port: Option<u16>,
}

/// What a command has written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandOutput {
    /// Where it was run.
    pub public_address: String,
    /// The command.
    pub command: String,
    /// What it wrote.
    pub output: String,
}
