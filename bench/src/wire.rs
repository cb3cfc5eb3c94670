//! One client: mutual TLS and HTTP/1.1 to one address, with a connection kept or a new one for every call.

use crate::{Failure, xmlrpc};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientSessionMemoryCache, Resumption};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, Error, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How a client uses connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Connections {
    /// One, kept for all calls.
    Kept,
    /// A new one for every call, with a full handshake, as Omni opens them.
    New,
    /// A new one for every call that resumes the TLS session of the one before.
    Resumed,
}

impl Connections {
    /// The name of it in tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::New => "new",
            Self::Resumed => "resumed",
        }
    }
}

/// The address calls go to, and the certificate they are made with.
#[derive(Clone)]
pub struct Endpoint {
    host: String,
    port: u16,
    path: String,
    name: ServerName<'static>,
    full: Arc<ClientConfig>,
    resuming: Arc<ClientConfig>,
}

impl Endpoint {
    /// `url` as `https://HOST:PORT/PATH`, called with the certificate (and the chain behind it) and the key in these
    /// PEM files.
    ///
    /// The server's certificate is not checked against any root, and Omni checks none either. A load test sends no
    /// secrets, and both sides of every comparison are treated alike.
    ///
    /// # Errors
    /// The URL or one of the files cannot be used.
    pub fn new(url: &str, certificate: &Path, key: &Path) -> Result<Self, Failure> {
        let uri: Uri = url.parse().map_err(Failure::when(format!("URL {url:?}")))?;
        let (Some("https"), Some(host)) = (uri.scheme_str(), uri.host()) else {
            return Err(Failure::new(format!("URL {url:?} should read https://HOST:PORT/PATH")));
        };
        let host = host.trim_matches(['[', ']']).to_owned();
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(Failure::when(certificate.display().to_string()))?;
        let name = ServerName::try_from(host.clone()).map_err(Failure::when(format!("URL {url:?}")))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = || {
            let key = PrivateKeyDer::from_pem_file(key).map_err(Failure::when(key.display().to_string()))?;
            ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
                .map_err(Failure::when("TLS"))?
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(AnyServer(Arc::clone(&provider))))
                .with_client_auth_cert(chain.clone(), key)
                .map_err(Failure::when("certificate and key"))
        };
        let (mut full, mut resuming) = (config()?, config()?);
        full.resumption = Resumption::disabled();
        resuming.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(256)));
        Ok(Self {
            host,
            port: uri.port_u16().unwrap_or(443),
            path: uri.path().to_owned(),
            name,
            full: Arc::new(full),
            resuming: Arc::new(resuming),
        })
    }

    /// The same caller at another path.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self.clone() }
    }

    /// Opens a connection and finishes its handshakes.
    ///
    /// # Errors
    /// The other side cannot be reached, or refuses us.
    pub async fn connect(&self, resume: bool) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let socket = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(Failure::when(format!("connecting to {}:{}", self.host, self.port)))?;
        socket.set_nodelay(true).map_err(Failure::when("TCP_NODELAY"))?;
        let config = if resume { &self.resuming } else { &self.full };
        let stream = TlsConnector::from(Arc::clone(config))
            .connect(self.name.clone(), socket)
            .await
            .map_err(Failure::when("TLS handshake"))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(Failure::when("HTTP"))?;
        // An error of the connection shows in the call that was waiting on it.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// A client with the connection it keeps, if it keeps one.
pub struct Client {
    endpoint: Endpoint,
    connections: Connections,
    open: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A client that has not connected yet.
    #[must_use]
    pub fn new(endpoint: Endpoint, connections: Connections) -> Self {
        Self { endpoint, connections, open: None }
    }

    /// Opens the connection, if it is one that is kept.
    ///
    /// # Errors
    /// As [`Endpoint::connect`].
    pub async fn open(&mut self) -> Result<(), Failure> {
        if self.connections == Connections::Kept && self.open.is_none() {
            self.open = Some(self.endpoint.connect(false).await?);
        }
        Ok(())
    }

    /// Sends a call and gives the bytes of the answer's body.
    ///
    /// # Errors
    /// No answer, or one with an HTTP status other than 200.
    pub async fn send(&mut self, body: Bytes) -> Result<Bytes, Failure> {
        let mut sender = match self.open.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.endpoint.connect(self.connections == Connections::Resumed).await?,
        };
        sender.ready().await.map_err(Failure::when("HTTP"))?;
        let request = Request::post(self.endpoint.path.as_str())
            .header(hyper::header::HOST, self.endpoint.host.as_str())
            .header(hyper::header::CONTENT_TYPE, "text/xml")
            .body(Full::new(body))
            .map_err(Failure::when("HTTP"))?;
        let response = sender.send_request(request).await.map_err(Failure::when("HTTP"))?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(Failure::when("HTTP body"))?.to_bytes();
        if status != StatusCode::OK {
            return Err(Failure::new(format!("HTTP {status}: {}", String::from_utf8_lossy(&body).trim())));
        }
        if self.connections == Connections::Kept {
            self.open = Some(sender);
        }
        Ok(body)
    }

    /// Sends a call that has to succeed.
    ///
    /// # Errors
    /// As [`Client::send`]; a geni_code other than 0.
    pub async fn call(&mut self, body: Bytes) -> Result<Bytes, Failure> {
        let answer = self.send(body).await?;
        match xmlrpc::geni_code(&answer) {
            Some(0) => Ok(answer),
            Some(code) => Err(Failure::new(format!("geni_code {code}: {}", xmlrpc::output(&answer)))),
            None => Err(Failure::new(format!("no geni_code in the answer: {}", xmlrpc::output(&answer)))),
        }
    }
}

/// Accepts every server certificate. The server still proves in the handshake that it has the key for it.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
