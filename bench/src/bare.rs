//! The least an aggregate could be: hyper and rustls with client certificates, and answers that are ready.
//!
//! It runs as a process of its own, as the aggregate does. It reads the whole request, looks at nothing in it, and
//! answers `/N` with the Nth of the bodies it was given.

use crate::Failure;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ServerSessionMemoryCache, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What it is started with.
#[derive(Debug, clap::Args)]
pub struct BareServer {
    /// Certificate chain, PEM.
    #[arg(long)]
    pub certificate: PathBuf,
    /// Its key, PEM.
    #[arg(long)]
    pub key: PathBuf,
    /// Root that client certificates must lead to, PEM.
    #[arg(long)]
    pub root: PathBuf,
    /// Files with the bodies that are answered at /0, /1, …
    #[arg(long = "body")]
    pub bodies: Vec<PathBuf>,
}

/// Serves until the process is ended.
///
/// # Errors
/// A file cannot be used, or no port is free.
pub fn serve(arguments: &BareServer) -> Result<(), Failure> {
    let bodies: Vec<Bytes> = arguments
        .bodies
        .iter()
        .map(|file| std::fs::read(file).map(Bytes::from).map_err(Failure::when(file.display().to_string())))
        .collect::<Result<_, _>>()?;
    let acceptor = TlsAcceptor::from(tls(&arguments.certificate, &arguments.key, &arguments.root)?);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::when("the runtime"))?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(Failure::when("a port"))?;
        let address = listener.local_addr().map_err(Failure::when("a port"))?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "ready: https://{address}/0")
            .and_then(|()| out.flush())
            .map_err(Failure::when("output"))?;
        drop(out);
        let bodies: Arc<[Bytes]> = bodies.into();
        loop {
            let (socket, _) = listener.accept().await.map_err(Failure::when("a connection"))?;
            tokio::spawn(connection(acceptor.clone(), socket, Arc::clone(&bodies)));
        }
    })
}

async fn connection(acceptor: TlsAcceptor, socket: TcpStream, bodies: Arc<[Bytes]>) {
    let _ = socket.set_nodelay(true);
    let Ok(stream) = acceptor.accept(socket).await else { return };
    let service = service_fn(|request| {
        let bodies = Arc::clone(&bodies);
        async move { answer(request, &bodies).await }
    });
    // A client that goes away is no news.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    bodies: &[Bytes],
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let number: Option<usize> = request.uri().path().trim_start_matches('/').parse().ok();
    request.into_body().collect().await?;
    let mut response = match number.and_then(|number| bodies.get(number)) {
        Some(body) => Response::new(Full::new(body.clone())),
        None => {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    };
    response.headers_mut().insert(
        hyper::header::CONTENT_TYPE,
        hyper::header::HeaderValue::from_static("text/xml; charset=utf-8"),
    );
    Ok(response)
}

fn tls(certificate: &Path, key: &Path, root: &Path) -> Result<Arc<ServerConfig>, Failure> {
    let pem = |file: &Path| {
        CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(Failure::when(file.display().to_string()))
    };
    let mut roots = RootCertStore::empty();
    for certificate in pem(root)? {
        roots.add(certificate).map_err(Failure::when("the root"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(Failure::when("client certificates"))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(Failure::when(key.display().to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(Failure::when("TLS"))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(pem(certificate)?, key)
        .map_err(Failure::when("certificate and key"))?;
    config.session_storage = ServerSessionMemoryCache::new(4096);
    Ok(Arc::new(config))
}
