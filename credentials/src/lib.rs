//! GENI certificates and credentials, both directions.

pub mod mint;

mod authorise;
mod certificate;
mod credential;
mod error;
mod privileges;
mod trust;
mod verifier;

pub use authorise::{Aggregate, Authorised, Denied, Target, authorise};
pub use certificate::{Certificate, CertificateError};
pub use credential::Credential;
pub use error::{CredentialError, Kind, Level, Role};
pub use privileges::{Operation, Privileges};
pub use trust::{ChainError, Identity, Policy, RootsError, TrustRoots};
pub use verifier::Verifier;
