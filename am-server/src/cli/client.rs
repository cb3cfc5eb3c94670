//! A small client of the AM API, for the demonstration: real TLS, real XML-RPC.

use super::Failure;
use bytes::Bytes;
use dxr::{MethodCall, MethodResponse, Value};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// One experimenter.
pub(super) struct Client {
    address: SocketAddr,
    connector: TlsConnector,
}

/// What a call came back with.
pub(super) struct Returned {
    pub(super) geni_code: i32,
    pub(super) value: Value,
    pub(super) output: String,
}

impl Client {
    /// An experimenter with the certificate and key in `user`, who trusts the server by the root in `root`.
    pub(super) fn new(address: SocketAddr, user: &Path, root: &Path) -> Result<Self, Failure> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(root)? {
            roots.add(certificate?)?;
        }
        let chain = CertificateDer::pem_file_iter(user.join("cert.pem"))?.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_file(user.join("key.pem"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        Ok(Self { address, connector: TlsConnector::from(Arc::new(config)) })
    }

    /// Makes one call, on a connection of its own.
    pub(super) async fn call(&self, method: &str, params: Vec<Value>) -> Result<Returned, Failure> {
        let body = MethodCall { name: method.into(), params }.to_xml()?;
        let socket = TcpStream::connect(self.address).await?;
        let stream = self.connector.connect(ServerName::from(self.address.ip()), socket).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let request = hyper::Request::post("/am/3.0")
            .header(hyper::header::HOST, self.address.to_string())
            .header(hyper::header::CONTENT_TYPE, "text/xml")
            .body(Full::new(Bytes::from(body)))?;
        let answer = sender.send_request(request).await?.into_body().collect().await?.to_bytes();
        drop(sender);
        // The connection's own end says nothing the answer has not said.
        let _ = driver.await;
        let response = MethodResponse::from_xml(std::str::from_utf8(&answer)?)
            .map_err(|_| format!("{method} was answered with something that is no XML-RPC response"))?;
        let Value::Struct(mut members) = response.value else {
            return Err(format!("{method} was answered without a return struct").into());
        };
        let geni_code = match members.get("code") {
            Some(Value::Struct(code)) => match code.get("geni_code") {
                Some(Value::Integer(number)) => *number,
                _ => -1,
            },
            _ => -1,
        };
        let output = match members.remove("output") {
            Some(Value::String(text)) => text,
            _ => String::new(),
        };
        Ok(Returned { geni_code, value: members.remove("value").unwrap_or(Value::Nil), output })
    }

    /// Makes one call that has to go well.
    pub(super) async fn must(&self, method: &str, params: Vec<Value>) -> Result<Value, Failure> {
        let returned = self.call(method, params).await?;
        if returned.geni_code == 0 {
            Ok(returned.value)
        } else {
            Err(format!("{method} failed with geni_code {}: {}", returned.geni_code, returned.output).into())
        }
    }
}

/// A struct from its members.
pub(super) fn structure<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// A string.
pub(super) fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// A member of a struct.
pub(super) fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Struct(members) => members.get(name),
        _ => None,
    }
}

/// A string member of a struct, or nothing.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    match member(value, name) {
        Some(Value::String(text)) => text,
        _ => "",
    }
}

/// The elements of an array member.
pub(super) fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    match member(value, name) {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

/// No options.
pub(super) fn no_options() -> Value {
    Value::Struct(BTreeMap::new())
}
