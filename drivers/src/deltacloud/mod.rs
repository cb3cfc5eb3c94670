//! A client of the Deltacloud REST API: machines of any cloud that such a server fronts.
//!
//! The driver asks the server what it offers (`discovery`) and goes by its links from then on. Answers come in XML,
//! or in JSON where a server speaks nothing else (`wire`, `decode`); versions 0.3.0 to 1.1 are understood.
//!
//! # Nothing twice
//! A creation whose answer is lost may have happened. Some servers keep names unique, which ours says at its entry
//! point (the constraint `unique` of the feature `user_name`): there a creation is simply sent again. On all others
//! the driver looks for the name before it creates anything and after every doubtful answer, and adds a digest of
//! the request to an instance's name, by which it knows later what the instance was made from. Such a look is a
//! listing of all instances.
//!
//! What a server does not tell (user data, boots, the identity of disks) is `None` in what this driver gives.
//!
//! Source: the Deltacloud REST API (0.3.0) and the answers of Apache Deltacloud 1.1.3.

mod blobs;
mod calls;
mod config;
mod decode;
mod discovery;
mod driver;
mod extras;
mod http;
mod instances;
mod networks;
mod storage;
mod token;
mod wire;

pub use self::config::{ConnectError, DeltacloudConfig};
pub use self::decode::reads_answer;

use self::discovery::Discovery;
use self::http::Server;
use crate::driver::Answer;
use crate::error::DriverError;
use tokio::sync::OnceCell;

/// A connection to a Deltacloud server.
///
/// Made by [`DeltacloudDriver::new`] it asks the server what it offers when it is first asked for something itself, so
/// that a server may be away at that time. Until then it declares no operation and no state.
#[derive(Debug)]
pub struct DeltacloudDriver {
    name: String,
    server: Server,
    found: OnceCell<Discovery>,
}

impl DeltacloudDriver {
    /// A driver that has yet to meet its server.
    ///
    /// # Errors
    /// [`ConnectError::Url`] for what is wrong whatever the server says.
    pub fn new(config: DeltacloudConfig) -> Result<Self, ConnectError> {
        let server = Server::new(&config)?;
        if http::sends_in_the_clear(&server.entry_point()) {
            tracing::warn!(
                driver = config.name,
                "the driver sends its password in the clear: its url begins with http:// and is another machine's"
            );
        }
        Ok(Self { server, name: config.name, found: OnceCell::new() })
    }

    /// Connects, and discovers what the server offers.
    ///
    /// # Errors
    /// [`ConnectError`] when the server does not answer, refuses the credentials or is something else.
    pub async fn connect(config: DeltacloudConfig) -> Result<Self, ConnectError> {
        let driver = Self::new(config)?;
        driver.found.set(Discovery::make(&driver.server).await?).ok();
        Ok(driver)
    }

    /// What the server offers. The first that asks finds out, and the others wait for it.
    async fn found(&self) -> Answer<&Discovery> {
        self.found.get_or_try_init(|| Discovery::make(&self.server)).await.map_err(|error| match error {
            ConnectError::Server(error) => error,
            ConnectError::NotDeltacloud(_) | ConnectError::Url(_) => {
                DriverError::Backend { status: None, message: error.to_string() }
            }
        })
    }

    /// What is known of the server without asking it.
    fn found_so_far(&self) -> &Discovery {
        match self.found.get() {
            Some(found) => found,
            None => Discovery::none(),
        }
    }
}
