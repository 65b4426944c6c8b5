//! Mail, handed to a server by the system's `curl`.

use crate::TellError;
use crate::curl::{quoted, run};
use std::io::Write as _;

/// Longest time that a server may take, in seconds.
const TIMEOUT_S: u32 = 30;

/// A mail, and where it is handed in.
#[derive(Clone, Copy, Debug)]
pub struct Mail<'a> {
    /// The server, `smtp://` or `smtps://`.
    pub server: &'a str,
    /// `user:password`. It is sent over TLS alone.
    pub login: Option<&'a str>,
    /// The sender's address.
    pub from: &'a str,
    /// The recipients' addresses.
    pub to: &'a [String],
    /// The whole mail, with its headers.
    pub text: &'a str,
}

/// Hands it in.
///
/// # Errors
/// When the server took it for none of the recipients.
pub fn send(mail: &Mail<'_>) -> Result<(), TellError> {
    let failed = |why: String| TellError::NoAnswer { why };
    let mut file = tempfile::NamedTempFile::new().map_err(|e| failed(format!("write the mail to a temporary file: {e}")))?;
    file.write_all(mail.text.as_bytes()).map_err(|e| failed(format!("write the mail to a temporary file: {e}")))?;
    run(&settings(mail, &file.path().to_string_lossy())).map(drop).map_err(failed)
}

fn settings(mail: &Mail<'_>, file: &str) -> String {
    let mut lines = vec![
        format!("url = \"{}\"", quoted(mail.server)),
        "silent".to_owned(),
        "show-error".to_owned(),
        format!("max-time = {TIMEOUT_S}"),
        format!("mail-from = \"<{}>\"", quoted(mail.from)),
        // One address that is refused keeps nobody else from being told.
        "mail-rcpt-allowfails".to_owned(),
        format!("upload-file = \"{}\"", quoted(file)),
    ];
    lines.extend(mail.to.iter().map(|to| format!("mail-rcpt = \"<{}>\"", quoted(to))));
    if let Some(login) = mail.login {
        lines.push("ssl-reqd".to_owned());
        lines.push(format!("user = \"{}\"", quoted(login)));
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_go_over_tls_and_quotes_stay_quotes() {
        let to = ["a@example.org".to_owned()];
        let mail = Mail { server: "smtp://h", login: Some("me:a\"b\nurl = x"), from: "t@example.org", to: &to, text: "" };
        let lines: Vec<String> = settings(&mail, "/tmp/m").lines().map(str::to_owned).collect();
        assert_eq!(lines[7..], ["mail-rcpt = \"<a@example.org>\"", "ssl-reqd", "user = \"me:a\\\"b\\nurl = x\""]);
        assert!(!settings(&Mail { login: None, ..mail }, "/tmp/m").contains("ssl"));
    }
}
