//! Authorities: they issue certificates and credentials.

use super::document::{self, Level};
use super::{KeyPair, MintError};
use crate::Certificate;
use crate::algorithm::key_identifier;
use chrono::{DateTime, Utc};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyIdMethod, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber,
};
use std::net::IpAddr;
use time::OffsetDateTime;
use urn::{Kind, Urn};
use uuid::Uuid;

/// The longest common name that X.509 allows, in characters.
const MAX_COMMON_NAME: usize = 64;

/// Whom a new certificate names.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The GENI URN.
    pub urn: Urn,
    /// The UUID; slices have none.
    pub uuid: Option<Uuid>,
    /// The e-mail address.
    pub email: Option<String>,
    /// Whether it may issue certificates (CA:TRUE); the URN must then be an authority's.
    pub is_authority: bool,
    /// Host names, for a TLS server.
    pub dns_names: Vec<String>,
    /// Addresses, for a TLS server.
    pub ip_addresses: Vec<IpAddr>,
    /// The common name; by default the URN's authority, type and name, cut to 64 characters.
    pub common_name: Option<String>,
}

impl Subject {
    /// A subject with this URN and nothing else.
    #[must_use]
    pub fn new(urn: Urn) -> Self {
        Self {
            urn,
            uuid: None,
            email: None,
            is_authority: false,
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
            common_name: None,
        }
    }

    /// Makes a certificate for the public half of `key` that nobody vouches for but the key itself: for a TLS server
    /// whose clients are given its certificate.
    ///
    /// # Errors
    /// [`MintError`]: the subject cannot stand in a certificate, or signing fails.
    pub fn self_signed(
        &self,
        key: &KeyPair,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> Result<Certificate, MintError> {
        let written = self.parameters(key, not_before, not_after)?.self_signed(key).map_err(signing)?;
        Ok(Certificate::from_der(written.der())?)
    }

    fn parameters(
        &self,
        key: &KeyPair,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> Result<CertificateParams, MintError> {
        if self.is_authority && self.urn.kind() != Kind::Authority {
            return Err(MintError::Refused(format!(
                "{} is not of type authority, so it cannot issue certificates",
                self.urn
            )));
        }
        if not_after <= not_before {
            return Err(MintError::Refused("a certificate must end after it begins".into()));
        }
        let mut parameters = CertificateParams::default();
        parameters.not_before = calendar(not_before)?;
        parameters.not_after = calendar(not_after)?;
        parameters.serial_number = Some(serial_number());
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, self.common_name());
        parameters.subject_alt_names = self.alternative_names()?;
        parameters.use_authority_key_identifier_extension = true;
        parameters.key_identifier_method = KeyIdMethod::PreSpecified(key_identifier(key.der_bytes()));
        if self.is_authority {
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            parameters.key_usages = vec![
                KeyUsagePurpose::DigitalSignature,
                KeyUsagePurpose::KeyCertSign,
                KeyUsagePurpose::CrlSign,
            ];
        } else {
            parameters.is_ca = IsCa::ExplicitNoCa;
            parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
            parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            if !self.dns_names.is_empty() || !self.ip_addresses.is_empty() {
                parameters.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
            }
        }
        Ok(parameters)
    }

    fn common_name(&self) -> String {
        let name = self.common_name.clone().unwrap_or_else(|| {
            format!("{}.{}.{}", self.urn.authority(), self.urn.kind_str(), self.urn.name())
        });
        name.chars().take(MAX_COMMON_NAME).collect()
    }

    fn alternative_names(&self) -> Result<Vec<SanType>, MintError> {
        let ascii = |text: &str| {
            text.try_into().map_err(|_| {
                MintError::Refused(format!("{text:?} cannot stand in a certificate: ASCII characters only"))
            })
        };
        let mut names = vec![SanType::URI(ascii(self.urn.as_str())?)];
        if let Some(uuid) = self.uuid {
            names.push(SanType::URI(ascii(&format!("urn:uuid:{uuid}"))?));
        }
        if let Some(email) = &self.email {
            names.push(SanType::Rfc822Name(ascii(email)?));
        }
        for name in &self.dns_names {
            names.push(SanType::DnsName(ascii(name)?));
        }
        names.extend(self.ip_addresses.iter().copied().map(SanType::IpAddress));
        Ok(names)
    }
}

/// What a new credential says.
#[derive(Debug, Clone, Copy)]
pub struct NewCredential<'a> {
    /// The owner's certificate chain, leaf first.
    pub owner: &'a [Certificate],
    /// The target's certificate chain, leaf first.
    pub target: &'a [Certificate],
    /// Privilege names, each with whether it can be delegated.
    pub privileges: &'a [(&'a str, bool)],
    /// When it ends.
    pub expires: DateTime<Utc>,
}

/// An authority: its certificate chain and its key.
#[derive(Debug)]
pub struct Authority {
    chain: Vec<Certificate>,
    key: KeyPair,
    urn: Urn,
}

impl Authority {
    /// Makes a root authority, valid from `not_before` to `not_after`.
    ///
    /// # Errors
    /// [`MintError`]: the URN is not an authority's, or signing fails.
    pub fn self_signed(
        urn: Urn,
        key: KeyPair,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> Result<Self, MintError> {
        let subject = Subject { is_authority: true, uuid: Some(Uuid::new_v4()), ..Subject::new(urn.clone()) };
        let written = subject.parameters(&key, not_before, not_after)?.self_signed(&key).map_err(signing)?;
        Ok(Self { chain: vec![Certificate::from_der(written.der())?], key, urn })
    }

    /// Takes an authority from its certificate chain (leaf first) and its key.
    ///
    /// # Errors
    /// [`MintError`]: one of them cannot be read, they do not belong together, or the certificate is not an
    /// authority's.
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, MintError> {
        let chain = Certificate::chain_from_pem(chain)?;
        let key = KeyPair::from_pem(key)?;
        let own = chain.first().filter(|own| own.is_ca());
        let urn = own.and_then(Certificate::urn).filter(|urn| urn.kind() == Kind::Authority).cloned();
        let (Some(own), Some(urn)) = (own, urn) else {
            return Err(MintError::Refused(
                "the first certificate is not an authority's: it needs CA:TRUE and a URN of type authority"
                    .into(),
            ));
        };
        if own.spki_der() != key.spki_der() {
            return Err(MintError::Refused(format!("the key does not belong to the certificate of {urn}")));
        }
        Ok(Self { chain, key, urn })
    }

    /// Its own certificate first, then those above it.
    #[must_use]
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &KeyPair {
        &self.key
    }

    /// Its URN.
    #[must_use]
    pub fn urn(&self) -> &Urn {
        &self.urn
    }

    /// Issues a certificate for the public half of `key`.
    ///
    /// # Errors
    /// [`MintError`]: the authority has no right over the subject, or signing fails.
    pub fn issue(
        &self,
        subject: &Subject,
        key: &KeyPair,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> Result<Certificate, MintError> {
        self.check_right_over(&subject.urn)?;
        let own = self.chain.first().map(Certificate::der).unwrap_or_default();
        let issuer = Issuer::from_ca_cert_der(&own.into(), &self.key).map_err(signing)?;
        let written =
            subject.parameters(key, not_before, not_after)?.signed_by(key, &issuer).map_err(signing)?;
        let certificate = Certificate::from_der(written.der())?;
        // The library writes the issuer's name anew; a name it writes differently would break the chain.
        if self.chain.first().is_some_and(|own| own.subject_der() != certificate.issuer_der()) {
            return Err(MintError::Signing("the authority's name has a form that cannot be repeated".into()));
        }
        Ok(certificate)
    }

    /// Makes an authority below this one.
    ///
    /// # Errors
    /// As [`Authority::issue`].
    pub fn subauthority(
        &self,
        urn: Urn,
        key: KeyPair,
        not_before: DateTime<Utc>,
        not_after: DateTime<Utc>,
    ) -> Result<Self, MintError> {
        let subject = Subject { is_authority: true, uuid: Some(Uuid::new_v4()), ..Subject::new(urn.clone()) };
        let mut chain = vec![self.issue(&subject, &key, not_before, not_after)?];
        chain.extend(self.chain.iter().cloned());
        Ok(Self { chain, key, urn })
    }

    /// Writes and signs a credential.
    ///
    /// # Errors
    /// [`MintError`]: the authority has no right over the target, a certificate names no URN, or signing fails.
    pub fn credential(&self, new: &NewCredential<'_>) -> Result<String, MintError> {
        let level =
            Level { owner: new.owner, target: new.target, privileges: new.privileges, expires: new.expires };
        self.check_right_over(document::urn_of(new.target, "target")?)?;
        document::draft(&level, "ref0")?.sign(&self.chain, &self.key)
    }

    fn check_right_over(&self, urn: &Urn) -> Result<(), MintError> {
        if self.urn.authority().covers(&urn.authority()) {
            return Ok(());
        }
        Err(MintError::Refused(format!("{} has no authority over {urn}", self.urn)))
    }
}

fn signing(error: rcgen::Error) -> MintError {
    MintError::Signing(error.to_string())
}

/// Sixteen random octets, the first such that the number is positive and of full length.
fn serial_number() -> SerialNumber {
    let mut octets = *Uuid::new_v4().as_bytes();
    octets[0] = (octets[0] & 0x3f) | 0x40;
    SerialNumber::from_slice(&octets)
}

fn calendar(moment: DateTime<Utc>) -> Result<OffsetDateTime, MintError> {
    OffsetDateTime::from_unix_timestamp(moment.timestamp())
        .ok()
        .filter(|date| (1950..=9999).contains(&date.year()))
        .ok_or_else(|| MintError::Refused(format!("{moment} cannot stand in a certificate")))
}
