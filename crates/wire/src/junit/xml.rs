//! As much of XML as test reports use: elements, attributes, text, CDATA, comments, the five entities and numbers.
//!
//! No document types, no entities of their own, nothing from outside: what declares one is refused.

use super::JunitError;

/// Deepest nesting of elements.
const DEPTH_MAX: usize = 64;

/// What comes next in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// An element begins; `true` when it ends at once.
    Open(String, Vec<(String, String)>, bool),
    /// An element ends.
    Close(String),
    /// Text between tags, entities resolved.
    Text(String),
}

/// Reads a document from its start.
pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Reader<'a> {
        Reader { text: text.trim_start_matches('\u{feff}'), at: 0, depth: 0 }
    }

    fn wrong(&self, what: &str) -> JunitError {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        JunitError::Xml { line, what: what.to_owned() }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// Moves past `end` and gives what stood before it.
    fn until(&mut self, end: &str, what: &str) -> Result<&'a str, JunitError> {
        let rest = self.rest();
        let length = rest.find(end).ok_or_else(|| self.wrong(what))?;
        self.at += length + end.len();
        Ok(rest.get(..length).unwrap_or(""))
    }

    /// The next token; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Token>, JunitError> {
        loop {
            let rest = self.rest();
            if rest.is_empty() {
                return if self.depth == 0 { Ok(None) } else { Err(self.wrong("the document ends inside an element: it was cut short")) };
            }
            let Some(tag) = rest.strip_prefix('<') else {
                let length = rest.find('<').unwrap_or(rest.len());
                let text = rest.get(..length).unwrap_or("");
                let resolved = resolve(text).ok_or_else(|| self.wrong("an entity that is not one of the five known ones"))?;
                self.at += length;
                return Ok(Some(Token::Text(resolved)));
            };
            if tag.starts_with("?") {
                self.until("?>", "a declaration that does not end")?;
            } else if tag.starts_with("!--") {
                self.until("-->", "a comment that does not end")?;
            } else if tag.starts_with("![CDATA[") {
                self.at += "<![CDATA[".len();
                return Ok(Some(Token::Text(self.until("]]>", "a CDATA section that does not end")?.to_owned())));
            } else if tag.starts_with('!') {
                return Err(self.wrong("a document type: reports have none, and it could hold anything"));
            } else {
                return self.tag().map(Some);
            }
        }
    }

    fn tag(&mut self) -> Result<Token, JunitError> {
        let start = self.at;
        self.at += 1;
        if self.rest().starts_with('/') {
            self.at += 1;
            let name = self.until(">", "a tag that does not end")?.trim().to_owned();
            self.depth = self.depth.checked_sub(1).ok_or_else(|| self.wrong("an element ends that never began"))?;
            return Ok(Token::Close(name));
        }
        let name = self.name();
        if name.is_empty() {
            self.at = start;
            return Err(self.wrong("`<` that begins no tag"));
        }
        let mut attributes = vec![];
        loop {
            self.blank();
            let rest = self.rest();
            if let Some(end) = ["/>", ">"].into_iter().find(|e| rest.starts_with(*e)) {
                self.at += end.len();
                let at_once = end == "/>";
                if !at_once {
                    self.depth += 1;
                }
                if self.depth > DEPTH_MAX {
                    return Err(self.wrong(&format!("elements nested deeper than {DEPTH_MAX}")));
                }
                return Ok(Token::Open(name, attributes, at_once));
            }
            attributes.push(self.attribute()?);
        }
    }

    fn attribute(&mut self) -> Result<(String, String), JunitError> {
        let name = self.name();
        self.blank();
        if name.is_empty() || !self.rest().starts_with('=') {
            return Err(self.wrong("an attribute without a value, or a tag that does not end"));
        }
        self.at += 1;
        self.blank();
        let quote = if self.rest().starts_with('\'') { "'" } else { "\"" };
        if !self.rest().starts_with(quote) {
            return Err(self.wrong("an attribute's value without quotes"));
        }
        self.at += 1;
        let value = self.until(quote, "an attribute's value that does not end")?;
        let value = resolve(value).ok_or_else(|| self.wrong("an entity that is not one of the five known ones"))?;
        Ok((name, value))
    }

    fn name(&mut self) -> String {
        let name: String = self.rest().chars().take_while(|c| c.is_alphanumeric() || ":_-.".contains(*c)).collect();
        self.at += name.len();
        name
    }

    fn blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }
}

/// Text with its entities resolved; none when one is not known.
fn resolve(text: &str) -> Option<String> {
    let mut found = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (entity, after) = after.split_once(';')?;
        found.push_str(before);
        found.push(match entity {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "quot" => '"',
            "apos" => '\'',
            number => {
                let code = match number.strip_prefix("#x") {
                    Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                    None => number.strip_prefix('#')?.parse().ok()?,
                };
                // Control characters that XML cannot hold are written so by some runners.
                char::from_u32(code).unwrap_or('\u{fffd}')
            }
        });
        rest = after;
    }
    found.push_str(rest);
    Some(found)
}
