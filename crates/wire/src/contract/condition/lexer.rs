//! Words, numbers, texts and signs of a condition, with their places.

use super::Spelling;

/// A piece of a condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A word, of which `.1` says whether it was quoted.
    Name(String, bool),
    /// A text.
    Text(String),
    /// A number as it is written.
    Number(String),
    /// A sign of one or two characters.
    Sign(&'static str),
}

/// A piece with the character that it begins at, from 1.
pub(super) type Placed = (Token, usize);

const SIGNS: &[&str] =
    &["==", "!=", "<>", "<=", ">=", "||", "&&", "<", ">", "=", "(", ")", "[", "]", ",", "+", "-", "*", "/", "%", "&", "|", "~", ".", ";"];

pub(super) struct Lexer<'a> {
    chars: Vec<char>,
    text: &'a str,
    at: usize,
    spelling: Spelling,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str, spelling: Spelling) -> Lexer<'a> {
        Lexer { chars: text.chars().collect(), text, at: 0, spelling }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    pub fn tokens(mut self) -> Result<Vec<Placed>, String> {
        let mut found = Vec::new();
        while let Some(c) = self.peek(0) {
            let place = self.at + 1;
            let token = match c {
                c if c.is_whitespace() => {
                    self.at += 1;
                    continue;
                }
                '-' if self.spelling == Spelling::Sql && self.peek(1) == Some('-') => {
                    self.skip_line();
                    continue;
                }
                '\'' => Token::Text(self.quoted('\'')?),
                '"' if self.spelling == Spelling::Sql => Token::Name(self.quoted('"')?, true),
                '"' => Token::Text(self.quoted('"')?),
                '`' => Token::Name(self.quoted('`')?, true),
                c if c.is_ascii_digit() || (c == '.' && self.peek(1).is_some_and(|d| d.is_ascii_digit())) => self.number(),
                c if c.is_alphabetic() || c == '_' => self.word(),
                '{' => self.braced()?,
                _ => self.sign()?,
            };
            found.push((token, place));
        }
        Ok(found)
    }

    fn skip_line(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.at += 1;
        }
    }

    /// A text up to the closing quote: doubled quotes stand for one in SQL, backslashes escape in pandas.
    fn quoted(&mut self, quote: char) -> Result<String, String> {
        let place = self.at + 1;
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek(0) {
            self.at += 1;
            if c == quote && self.spelling == Spelling::Sql && self.peek(0) == Some(quote) {
                self.at += 1;
                text.push(quote);
            } else if c == quote {
                return Ok(text);
            } else if c == '\\' && self.spelling != Spelling::Sql && quote != '`' {
                match self.peek(0) {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some(escaped @ ('\\' | '\'' | '"')) => text.push(escaped),
                    _ => return Err(format!("the escape at character {} of `{}` is not understood", self.at, self.text)),
                }
                self.at += 1;
            } else {
                text.push(c);
            }
        }
        Err(format!("the quote at character {place} of `{}` is not closed", self.text))
    }

    fn number(&mut self) -> Token {
        let mut text = String::new();
        while let Some(c) = self.peek(0) {
            let exponent = matches!(text.chars().last(), Some('e' | 'E')) && matches!(c, '+' | '-');
            if !(c.is_ascii_digit() || c == '.' || c == 'e' || c == 'E' || exponent) {
                break;
            }
            text.push(c);
            self.at += 1;
        }
        Token::Number(text)
    }

    fn word(&mut self) -> Token {
        let mut text = String::new();
        while let Some(c) = self.peek(0).filter(|c| c.is_alphanumeric() || *c == '_') {
            text.push(c);
            self.at += 1;
        }
        Token::Name(text, false)
    }

    /// `{batch}` and the like: a place that is filled in.
    fn braced(&mut self) -> Result<Token, String> {
        let place = self.at + 1;
        self.at += 1;
        match self.word() {
            Token::Name(name, _) if self.peek(0) == Some('}') => {
                self.at += 1;
                Ok(Token::Name(format!("{{{name}}}"), true))
            }
            _ => Err(format!("the brace at character {place} of `{}` is not closed", self.text)),
        }
    }

    fn sign(&mut self) -> Result<Token, String> {
        let rest: String = self.chars.iter().skip(self.at).take(2).collect();
        let sign = SIGNS.iter().find(|s| rest.starts_with(**s));
        let sign = sign.ok_or_else(|| format!("`{}` at character {} of `{}` is not understood", rest, self.at + 1, self.text))?;
        self.at += sign.len();
        Ok(Token::Sign(sign))
    }
}
