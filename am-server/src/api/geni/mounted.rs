//! The GENI AM API as the service mounts it: always, as `[aggregate]` and `[tls]` say.

use super::{Api, tls};
use crate::api::kind::{ApiError, ApiKind, ApiSettings, Mount, SettingsFrom};
use crate::config::{Config, TlsSection};
use credentials::TrustRoots;
use std::net::SocketAddr;
use std::sync::Arc;

/// The GENI AM API.
pub const KIND: ApiKind = ApiKind { section: "aggregate", settings: SettingsFrom::Aggregate(read) };

#[derive(Debug)]
struct GeniSettings {
    listen: SocketAddr,
    tls: TlsSection,
}

fn read(config: &Config) -> Arc<dyn ApiSettings> {
    Arc::new(GeniSettings { listen: config.aggregate.listen, tls: config.tls.clone() })
}

impl ApiSettings for GeniSettings {
    fn listen(&self) -> SocketAddr {
        self.listen
    }

    fn open(&self, roots: &Arc<TrustRoots>) -> Result<Mount, ApiError> {
        let tls = tls::server_config(&self.tls.certificate, &self.tls.key, Arc::clone(roots))
            .map_err(ApiError::of("tls"))?;
        Ok(Box::new(move |parts| {
            let api = Arc::new(Api::new(parts.aggregate, tls, parts.limits));
            Box::pin(api.serve(parts.listener, parts.stop))
        }))
    }

    fn bound(&self, config: &mut Config, address: SocketAddr) {
        // Port 0 asks for any free port: clients are told the one that was given.
        config.aggregate.listen = address;
    }
}
