//! Logging in: keys that are named, ssh-agent's keys, default keys, then the password. What was tried is told where
//! none of it works.

use super::connect::{Client, Verified};
use super::target::Target;
use crate::run::unreachable::Unreachable;
use russh::client::{AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{self, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use std::path::Path;
use std::sync::Arc;

/// Logs in, or says what was tried.
pub(crate) async fn log_in(client: &mut Client, target: &Target) -> Result<(), Unreachable> {
    let mut attempt = Attempt { client, target, tried: Vec::new(), offered: None };
    if attempt.keys().await? || attempt.password().await? { Ok(()) } else { Err(attempt.refused()) }
}

struct Attempt<'a> {
    client: &'a mut Client,
    target: &'a Target,
    /// What was tried, and why it was not enough.
    tried: Vec<String>,
    /// What the server would take, once it has said so.
    offered: Option<MethodSet>,
}

impl Attempt<'_> {
    async fn keys(&mut self) -> Result<bool, Unreachable> {
        for path in &self.target.named_keys {
            if self.key_file(path, true).await? {
                return Ok(true);
            }
        }
        if !self.target.only_named_keys && self.agent().await? {
            return Ok(true);
        }
        for path in &self.target.default_keys {
            if !self.target.named_keys.contains(path) && self.key_file(path, false).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn key_file(&mut self, path: &Path, must_exist: bool) -> Result<bool, Unreachable> {
        if !must_exist && !path.exists() {
            return Ok(false);
        }
        let key = match keys::load_secret_key(path, None) {
            Ok(key) => key,
            Err(keys::Error::KeyIsEncrypted) => {
                self.note(path.display(), "has a passphrase: add it to ssh-agent with `ssh-add`");
                return Ok(false);
            }
            Err(cause) if must_exist => {
                return Err(Unreachable::new(format!(
                    "private key `{}` cannot be read: {cause}",
                    path.display()
                ))
                .hint("`--private-key` and `ansible_ssh_private_key_file` name it"));
            }
            Err(cause) => {
                self.note(path.display(), &format!("cannot be read: {cause}"));
                return Ok(false);
            }
        };
        let hash = self.rsa_hash(&key.algorithm()).await?;
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        let result = self.client.authenticate_publickey(self.target.user.as_str(), key).await;
        self.judge(&path.display().to_string(), result.map_err(Verified::explain)?)
    }

    async fn agent(&mut self) -> Result<bool, Unreachable> {
        let Some(socket) = &self.target.agent else { return Ok(false) };
        let Ok(mut agent) = AgentClient::connect_uds(socket).await else {
            self.note("ssh-agent", "cannot be reached at SSH_AUTH_SOCK");
            return Ok(false);
        };
        let identities = agent.request_identities().await.unwrap_or_default();
        for identity in identities {
            let AgentIdentity::PublicKey { key, comment } = identity else { continue };
            if self.agent_key(&mut agent, key, &comment).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn agent_key(
        &mut self,
        agent: &mut AgentClient<tokio::net::UnixStream>,
        key: PublicKey,
        comment: &str,
    ) -> Result<bool, Unreachable> {
        // An agent refuses an RSA key without a hash.
        let hash = self.rsa_hash(&key.algorithm()).await?;
        let user = self.target.user.as_str();
        match self.client.authenticate_publickey_with(user, key, hash, agent).await {
            Ok(result) => self.judge(&format!("ssh-agent's {comment}"), result),
            Err(cause) => {
                self.note(format!("ssh-agent's {comment}"), &format!("was not signed with: {cause}"));
                Ok(false)
            }
        }
    }

    async fn rsa_hash(&self, algorithm: &keys::Algorithm) -> Result<Option<keys::HashAlg>, Unreachable> {
        if !algorithm.clone().is_rsa() {
            return Ok(None);
        }
        let supported = self.client.best_supported_rsa_hash().await.map_err(Verified::explain)?;
        Ok(supported.unwrap_or(Some(keys::HashAlg::Sha256)))
    }

    async fn password(&mut self) -> Result<bool, Unreachable> {
        let Some(password) = &self.target.password else { return Ok(false) };
        let user = self.target.user.as_str();
        let result = self.client.authenticate_password(user, password.expose()).await;
        if self.judge("the password", result.map_err(Verified::explain)?)? {
            return Ok(true);
        }
        if !self.is_offered(MethodKind::KeyboardInteractive) {
            return Ok(false);
        }
        self.keyboard_interactive(password.expose()).await
    }

    async fn keyboard_interactive(&mut self, password: &str) -> Result<bool, Unreachable> {
        let user = self.target.user.as_str();
        let mut response = self
            .client
            .authenticate_keyboard_interactive_start(user, None)
            .await
            .map_err(Verified::explain)?;
        loop {
            match response {
                KeyboardInteractiveAuthResponse::Success => return Ok(true),
                KeyboardInteractiveAuthResponse::Failure { .. } => return Ok(false),
                KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => {
                    // Some servers end with a request that asks nothing; what is not hidden is no password.
                    let answer = |prompt: &russh::client::Prompt| {
                        if prompt.echo { String::new() } else { password.to_owned() }
                    };
                    let answers = prompts.iter().map(answer).collect();
                    response = self
                        .client
                        .authenticate_keyboard_interactive_respond(answers)
                        .await
                        .map_err(Verified::explain)?;
                }
            }
        }
    }

    fn is_offered(&self, method: MethodKind) -> bool {
        self.offered.as_ref().is_none_or(|offered| offered.contains(&method))
    }

    fn judge(&mut self, what: &str, result: AuthResult) -> Result<bool, Unreachable> {
        match result {
            AuthResult::Success => Ok(true),
            AuthResult::Failure { remaining_methods, partial_success } => {
                self.note(what, if partial_success { "was not enough alone" } else { "was not accepted" });
                self.offered = Some(remaining_methods);
                Ok(false)
            }
        }
    }

    fn note(&mut self, what: impl std::fmt::Display, why: &str) {
        self.tried.push(format!("{what} {why}"));
    }

    fn refused(&self) -> Unreachable {
        let Target { user, .. } = self.target;
        let place = self.target.place();
        let tried =
            if self.tried.is_empty() { "there was no key to try".to_owned() } else { self.tried.join("; ") };
        let unreachable = Unreachable::new(format!("{place} did not let `{user}` log in: {tried}"));
        let takes_password =
            self.offered.as_ref().is_some_and(|offered| offered.contains(&MethodKind::Password));
        match (&self.target.password, takes_password) {
            (None, true) => {
                unreachable.hint("name a key with `--private-key`, or give the password with `-k`")
            }
            _ => unreachable
                .hint("is the public key in `~/.ssh/authorized_keys` there, and the user right (`-u`)?"),
        }
    }
}
