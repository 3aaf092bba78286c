//! Where the platform is, and with which key.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{SecretKey, TriggerClient, deployment, http::Http};

const CLOUD: &str = "https://api.trigger.dev";
/// The version of the JavaScript SDK whose wire this client speaks.
const SDK_VERSION: &str = "4.8.3";
const API_VERSION: &str = "2025-07-16";

/// How long requests may take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// A connection. Defaults to 2 s.
    pub connect: Duration,
    /// One attempt of a request. Defaults to 2.5 s.
    pub attempt: Duration,
    /// All attempts of a request with the waits between them; the last attempt may end within it. Defaults
    /// to 4 s.
    pub budget: Duration,
    /// Silence on a subscription: the platform pings every 5 to 6 s. Defaults to 20 s.
    pub subscription_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            attempt: Duration::from_millis(2500),
            budget: Duration::from_secs(4),
            subscription_idle: Duration::from_secs(20),
        }
    }
}

impl Timeouts {
    /// No wait longer than `longest`.
    #[must_use]
    pub fn at_most(mut self, longest: Duration) -> Self {
        for wait in [&mut self.connect, &mut self.attempt, &mut self.budget] {
            *wait = (*wait).min(longest);
        }
        self
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No key was given, and the environment has none: the variable that wants one.
    #[error("no secret key: set {0}, or give one to the builder")]
    MissingKey(&'static str),
    /// The base URL is none.
    #[error("the base URL is not an http(s) address")]
    BaseUrl,
    /// A key, branch or header cannot travel in a request.
    #[error("{0} cannot be sent in a header")]
    Header(&'static str),
    /// The HTTP client could not be made (no certificate store, say).
    #[error("no HTTP client: {0}")]
    Http(String),
}

/// Builds a [`TriggerClient`]. What is not set comes from the environment.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct TriggerClientBuilder {
    base_url: Option<String>,
    secret_key: Option<SecretKey>,
    preview_branch: Option<String>,
    external_deployment_id: Option<String>,
    headers: HeaderMap,
    http: Option<reqwest::Client>,
    timeouts: Timeouts,
}

impl TriggerClientBuilder {
    /// The platform. Defaults to `TRIGGER_API_URL`, else the public cloud.
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        self.base_url = Some(url.into());
        self
    }

    /// The key. Defaults to `TRIGGER_SECRET_KEY`, else `TRIGGER_ACCESS_TOKEN`.
    pub fn secret_key(mut self, key: impl Into<SecretKey>) -> Self {
        self.secret_key = Some(key.into());
        self
    }

    /// The preview branch. Defaults to `TRIGGER_PREVIEW_BRANCH`, `VERCEL_GIT_COMMIT_REF`, then
    /// `TRIGGER_DEV_BRANCH` unless that is `default`.
    pub fn preview_branch(mut self, branch: impl Into<String>) -> Self {
        self.preview_branch = Some(branch.into());
        self
    }

    /// The deployment of the agent that this server belongs to: new runs wait for it. Blank and overlong ids
    /// count as none. Defaults to `TRIGGER_EXTERNAL_DEPLOYMENT_ID`; when
    /// `TRIGGER_AUTOMATIC_SKEW_VERSION_PROTECTION` is `1` or `true`, to the commit that the host or build
    /// server names. A handler's own
    /// [`external_deployment_id`](headstart_core::TriggerConfig::external_deployment_id) comes first.
    pub fn external_deployment_id(mut self, id: impl Into<String>) -> Self {
        self.external_deployment_id = Some(id.into());
        self
    }

    /// A header of every request; it never replaces one of the protocol's own.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// An HTTP client of one's own (proxies, certificates). It must not have a total timeout.
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http = Some(client);
        self
    }

    /// How long requests may take.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Makes the client.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn build(self) -> Result<TriggerClient, ConfigError> {
        let base_url = self.base_url.or_else(|| var("TRIGGER_API_URL")).unwrap_or_else(|| CLOUD.to_owned());
        let base_url = base_url.strip_suffix('/').unwrap_or(&base_url).to_owned();
        if !(base_url.starts_with("http://") || base_url.starts_with("https://")) {
            return Err(ConfigError::BaseUrl);
        }
        let from_env =
            || var("TRIGGER_SECRET_KEY").or_else(|| var("TRIGGER_ACCESS_TOKEN")).map(SecretKey::new);
        let key = self.secret_key.or_else(from_env).ok_or(ConfigError::MissingKey("TRIGGER_SECRET_KEY"))?;
        let branch = self
            .preview_branch
            .or_else(|| var("TRIGGER_PREVIEW_BRANCH"))
            .or_else(|| var("VERCEL_GIT_COMMIT_REF"))
            .or_else(|| var("TRIGGER_DEV_BRANCH").filter(|branch| branch != "default"));

        let mut headers = self.headers;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .map_err(|_| ConfigError::Header("the secret key"))?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("trigger-version", HeaderValue::from_static(SDK_VERSION));
        headers.insert("x-trigger-source", HeaderValue::from_static("sdk"));
        headers.insert("x-trigger-api-version", HeaderValue::from_static(API_VERSION));
        headers.insert("x-trigger-realtime-streams-version", HeaderValue::from_static("v2"));
        if let Some(branch) = branch {
            let branch =
                HeaderValue::from_str(&branch).map_err(|_| ConfigError::Header("the preview branch"))?;
            headers.insert("x-trigger-branch", branch);
        }

        let client = match self.http {
            Some(client) => client,
            None => reqwest::Client::builder()
                .connect_timeout(self.timeouts.connect)
                .tcp_nodelay(true)
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .map_err(|error| ConfigError::Http(error.to_string()))?,
        };
        let http = Http { client, base_url, headers, timeouts: self.timeouts };
        let deployment = deployment::discover(self.external_deployment_id.as_deref(), var);
        Ok(TriggerClient::new(http, key, deployment))
    }
}

/// A variable of the environment that is set to something.
fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}
