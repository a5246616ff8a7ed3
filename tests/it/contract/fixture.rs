//! Recorded shapes of webhooks: `fixtures/<slug>/webhooks/*.json`.

use marketsink::{
    domain::{Event, EventKind, RemoteId, Timestamp},
    marketplaces::{
        Marketplace, RawDelivery, VerifiedDelivery, WebhookKeys, all, simulation::Signing,
    },
};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// One webhook with what it should turn into.
#[derive(Debug, Clone, Deserialize)]
pub struct Fixture {
    #[serde(skip)]
    pub name: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    #[serde(default)]
    pub app_key: String,
    pub secret: String,
    /// The URL that it was sent to, where the marketplace signs it.
    #[serde(default)]
    pub address: String,
    /// The delivery's own id, where the marketplace signs one.
    #[serde(default)]
    pub id: String,
    /// When it came, where the marketplace signs the time.
    #[serde(default)]
    pub at_secs: i64,
    /// The digits of the signature may be in upper case or in lower case.
    #[serde(default)]
    pub either_case: bool,
    pub topic: String,
    events: Vec<Expected>,
}

#[derive(Debug, Clone, Deserialize)]
struct Expected {
    kind: EventKind,
    subject: Option<String>,
    version_secs: Option<i64>,
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// Every marketplace with its fixtures.
pub fn every() -> Vec<(&'static dyn Marketplace, Vec<Fixture>)> {
    assert!(
        !all().is_empty(),
        "there is nothing to hold to the contract"
    );
    all().iter().map(|m| (*m, of(*m))).collect()
}

/// Sorted by name, so that tests are the same everywhere.
pub fn of(marketplace: &dyn Marketplace) -> Vec<Fixture> {
    let folder = root().join(marketplace.slug()).join("webhooks");
    let files = std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "json"));
    paths.sort();
    paths.iter().map(|path| Fixture::read(path)).collect()
}

impl Fixture {
    fn read(path: &Path) -> Self {
        let text = std::fs::read(path).unwrap();
        let mut fixture: Self = serde_json::from_slice(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        fixture.name = path
            .strip_prefix(root())
            .unwrap_or(path)
            .display()
            .to_string();
        fixture
    }

    pub fn keys(&self) -> WebhookKeys {
        WebhookKeys::one(&self.app_key, &self.secret).at(&self.address)
    }

    pub fn raw(&self) -> RawDelivery {
        RawDelivery::new(self.headers.clone(), self.body.clone()).at(self.at())
    }

    fn at(&self) -> Timestamp {
        Timestamp::from_secs(self.at_secs)
    }

    pub fn signing(&self) -> Signing<'_> {
        Signing {
            app_key: &self.app_key,
            secret: &self.secret,
            address: &self.address,
            id: &self.id,
            at: self.at(),
        }
    }

    pub fn events(&self) -> Vec<Event> {
        let events = self.events.iter();
        events
            .map(|event| Event {
                kind: event.kind,
                subject: event.subject.as_deref().map(RemoteId::from),
                version: event.version_secs.map(Timestamp::from_secs),
            })
            .collect()
    }

    /// The headers that carry the signature, as they were sent, in lower case.
    pub fn signature_headers(&self, marketplace: &dyn Marketplace) -> Vec<(String, String)> {
        let signed = self.signature(marketplace, self.body.as_bytes());
        let is_one = |name: &str| signed.iter().any(|(known, _)| known == name);
        let mut found = self.raw().headers;
        found.retain(|(name, _)| is_one(name));
        assert!(!found.is_empty(), "{} carries no signature", self.name);
        found
    }

    /// Whether `written` is the signature `sent` all the same. One that names its version stands in a list, whose
    /// entries have spaces between: one right entry is enough.
    pub fn is_same_signature(&self, sent: &str, written: &str) -> bool {
        let is_listed = || sent.contains(',') && written.split_whitespace().any(|one| one == sent);
        sent == written || is_listed() || (self.either_case && sent.eq_ignore_ascii_case(written))
    }

    /// This request with one header's values replaced by `values`.
    pub fn with_header(&self, name: &str, values: &[String]) -> RawDelivery {
        let mut headers = self.raw().headers;
        headers.retain(|(known, _)| known != name);
        headers.extend(values.iter().map(|v| (name.to_owned(), v.clone())));
        RawDelivery::new(headers, self.body.clone()).at(self.at())
    }

    pub fn with_body(&self, body: Vec<u8>) -> RawDelivery {
        RawDelivery::new(self.headers.clone(), body).at(self.at())
    }

    /// This request with another body, properly signed and believed.
    pub fn believed(&self, marketplace: &dyn Marketplace, body: &[u8]) -> VerifiedDelivery {
        let signed = self.signature(marketplace, body);
        let mut headers = self.raw().headers;
        headers.retain(|(name, _)| signed.iter().all(|(known, _)| known != name));
        headers.extend(signed);
        let raw = RawDelivery::new(headers, body.to_vec()).at(self.at());
        marketplace
            .verify(raw, &self.keys())
            .unwrap_or_else(|refused| panic!("{}: {refused}", self.name))
    }

    fn signature(&self, marketplace: &dyn Marketplace, body: &[u8]) -> Vec<(String, String)> {
        let simulator = marketplace.simulator();
        let headers = simulator.sign(&self.signing(), body);
        let lower = |(name, value): (String, String)| (name.to_ascii_lowercase(), value);
        headers.into_iter().map(lower).collect()
    }
}
