//! From pieces to a predicate, by descending: or, and, not, comparison, sum, product, sign, term.

use super::Spelling;
use super::lexer::{Placed, Token};
use tidegate_core::contract::{Arithmetic, Comparison, Function, Predicate, Term, Value};

/// Deepest nesting of a condition.
const DEPTH_MAX: usize = 64;

/// Words that cannot name a column unless they are quoted.
const RESERVED: &[&str] = &[
    "and", "or", "not", "in", "between", "like", "is", "null", "true", "false", "select", "from", "where", "case", "when", "exists",
    "group", "order", "having", "limit", "union", "join", "cast",
];

pub(super) struct Parser<'a> {
    tokens: &'a [Placed],
    at: usize,
    depth: usize,
    spelling: Spelling,
    table: Option<&'a str>,
}

/// Something that is a term, or already a predicate.
enum Part {
    Term(Term),
    Predicate(Predicate),
}

type Parsed<T> = Result<T, String>;

impl<'a> Parser<'a> {
    pub fn new(tokens: &'a [Placed], spelling: Spelling, table: Option<&'a str>) -> Parser<'a> {
        Parser { tokens, at: 0, depth: 0, spelling, table }
    }

    /// All of it.
    pub fn whole(mut self) -> Parsed<Predicate> {
        let part = self.any()?;
        let predicate = self.predicate(part)?;
        self.sign(";");
        match self.tokens.get(self.at) {
            None => Ok(predicate),
            Some(_) => Err(self.unexpected("the end")),
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(t, _)| t)
    }

    fn unexpected(&self, wanted: &str) -> String {
        match self.tokens.get(self.at) {
            None => format!("the condition ends where {wanted} is expected"),
            Some((token, place)) => {
                let found = match token {
                    Token::Name(name, _) => name.clone(),
                    Token::Text(text) => format!("'{text}'"),
                    Token::Number(number) => number.clone(),
                    Token::Sign(sign) => (*sign).to_owned(),
                };
                format!("`{found}` at character {place} of the condition is refused: {wanted} is expected")
            }
        }
    }

    fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(s)) if *s == sign);
        self.at += usize::from(found);
        found
    }

    fn signs(&mut self, signs: &[&'static str]) -> Option<&'static str> {
        let found = match self.peek() {
            Some(Token::Sign(s)) => signs.iter().find(|w| *w == s).copied(),
            _ => None,
        };
        self.at += usize::from(found.is_some());
        found
    }

    fn is_word(&self, ahead: usize, word: &str) -> bool {
        // Words of Python are in small letters; those of SQL in any.
        match self.tokens.get(self.at + ahead) {
            Some((Token::Name(name, false), _)) if self.spelling == Spelling::Sql => name.eq_ignore_ascii_case(word),
            Some((Token::Name(name, false), _)) => name == word,
            _ => false,
        }
    }

    fn word(&mut self, word: &str) -> bool {
        let found = self.is_word(0, word);
        self.at += usize::from(found);
        found
    }

    fn need(&mut self, sign: &str) -> Parsed<()> {
        if self.sign(sign) { Ok(()) } else { Err(self.unexpected(&format!("`{sign}`"))) }
    }

    /// A term that is a condition by itself: a boolean column or constant.
    fn predicate(&self, part: Part) -> Parsed<Predicate> {
        match part {
            Part::Predicate(predicate) => Ok(predicate),
            Part::Term(term @ (Term::Column(_) | Term::Value(Value::Bool(_)))) => Ok(Predicate::Is(term)),
            Part::Term(_) => Err(self.unexpected("a comparison")),
        }
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("the condition is nested deeper than {DEPTH_MAX} times: make it simpler"));
        }
        let read = inner(self);
        self.depth -= 1;
        read
    }

    fn any(&mut self) -> Parsed<Part> {
        self.deeper(|p| p.joined(Parser::all, "or", "|", Predicate::Any))
    }

    fn all(&mut self) -> Parsed<Part> {
        self.joined(Parser::not, "and", "&", Predicate::All)
    }

    fn joined(
        &mut self,
        next: fn(&mut Self) -> Parsed<Part>,
        word: &str,
        sign: &str,
        join: fn(Vec<Predicate>) -> Predicate,
    ) -> Parsed<Part> {
        let first = next(self)?;
        let more = |p: &mut Self| p.word(word) || (p.spelling != Spelling::Sql && p.sign(sign));
        if !more(self) {
            return Ok(first);
        }
        let mut parts = vec![self.predicate(first)?];
        loop {
            let part = next(self)?;
            parts.push(self.predicate(part)?);
            if !more(self) {
                return Ok(Part::Predicate(join(parts)));
            }
        }
    }

    fn not(&mut self) -> Parsed<Part> {
        if !self.word("not") {
            return self.comparison();
        }
        let inner = self.deeper(Parser::not)?;
        Ok(Part::Predicate(Predicate::Not(Box::new(self.predicate(inner)?))))
    }

    fn comparison(&mut self) -> Parsed<Part> {
        let mut left = match self.sum()? {
            part @ Part::Predicate(_) => return Ok(part),
            Part::Term(term) => term,
        };
        if let Some(predicate) = self.sql_tail(&left)? {
            return Ok(Part::Predicate(predicate));
        }
        let negate = self.is_word(0, "not") && self.is_word(1, "in");
        self.at += usize::from(negate);
        if self.word("in") {
            return Ok(Part::Predicate(Predicate::In(left, self.list()?, negate)));
        }
        let mut parts = Vec::new();
        while let Some(how) = self.comparison_sign() {
            let right = self.term("a value")?;
            parts.push(Predicate::Compare(left, how, right.clone()));
            left = right;
            // `1 < a < 3` is two comparisons in Python, and a mistake in SQL.
            if self.spelling == Spelling::Sql {
                break;
            }
        }
        Ok(match parts.len() {
            0 => Part::Term(left),
            1 => Part::Predicate(parts.remove(0)),
            _ => Part::Predicate(Predicate::All(parts)),
        })
    }

    /// `IS NULL`, `BETWEEN` and `LIKE`, which only SQL has.
    fn sql_tail(&mut self, left: &Term) -> Parsed<Option<Predicate>> {
        if self.spelling != Spelling::Sql {
            return Ok(None);
        }
        if self.word("is") {
            let negate = self.word("not");
            return match (self.word("null"), self.word("true"), self.word("false")) {
                (true, ..) => Ok(Some(Predicate::IsNull(left.clone(), negate))),
                (_, found @ true, _) | (_, found @ false, true) => {
                    // A null is neither true nor false, so `IS` never gives unknown.
                    let equal = Predicate::Compare(left.clone(), Comparison::Equal, Term::Value(Value::Bool(found)));
                    let known = Predicate::All(vec![Predicate::IsNull(left.clone(), true), equal]);
                    Ok(Some(if negate { Predicate::Not(Box::new(known)) } else { known }))
                }
                _ => Err(self.unexpected("`NULL`, `TRUE` or `FALSE`")),
            };
        }
        let negate = self.is_word(0, "not") && (self.is_word(1, "between") || self.is_word(1, "like"));
        self.at += usize::from(negate);
        if self.word("between") {
            let low = self.term("a value")?;
            if !self.word("and") {
                return Err(self.unexpected("`AND`"));
            }
            let high = self.term("a value")?;
            let both = Predicate::All(vec![
                Predicate::Compare(left.clone(), Comparison::GreaterOrEqual, low),
                Predicate::Compare(left.clone(), Comparison::LessOrEqual, high),
            ]);
            return Ok(Some(if negate { Predicate::Not(Box::new(both)) } else { both }));
        }
        if self.word("like") {
            let Some(Token::Text(pattern)) = self.peek().cloned() else { return Err(self.unexpected("a pattern in quotes")) };
            self.at += 1;
            return Ok(Some(Predicate::Like(left.clone(), pattern, negate)));
        }
        Ok(None)
    }

    fn comparison_sign(&mut self) -> Option<Comparison> {
        let signs: &[&'static str] = if self.spelling == Spelling::Sql {
            &["=", "==", "!=", "<>", "<=", ">=", "<", ">"]
        } else {
            &["==", "!=", "<=", ">=", "<", ">"]
        };
        Some(match self.signs(signs)? {
            "=" | "==" => Comparison::Equal,
            "!=" | "<>" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            _ => Comparison::GreaterOrEqual,
        })
    }

    fn list(&mut self) -> Parsed<Vec<Value>> {
        let close = match self.signs(&["(", "["]) {
            Some("(") => ")",
            Some(_) => "]",
            None => return Err(self.unexpected("a list")),
        };
        let mut values = Vec::new();
        while !self.sign(close) {
            if !values.is_empty() {
                self.need(",")?;
                if self.sign(close) {
                    break;
                }
            }
            match self.term("a value")? {
                Term::Value(value) => values.push(value),
                _ => return Err("a list may hold values only, neither columns nor queries".to_owned()),
            }
        }
        Ok(values)
    }

    fn term(&mut self, wanted: &str) -> Parsed<Term> {
        match self.sum()? {
            Part::Term(term) => Ok(term),
            Part::Predicate(_) => Err(format!("a comparison stands where {wanted} is expected")),
        }
    }

    fn sum(&mut self) -> Parsed<Part> {
        self.chain(&[("+", Arithmetic::Add), ("-", Arithmetic::Subtract)], Parser::product)
    }

    fn product(&mut self) -> Parsed<Part> {
        self.chain(&[("*", Arithmetic::Multiply), ("/", Arithmetic::Divide), ("%", Arithmetic::Remainder)], Parser::unary)
    }

    fn chain(&mut self, signs: &[(&'static str, Arithmetic)], next: fn(&mut Parser<'a>) -> Parsed<Part>) -> Parsed<Part> {
        let mut left = next(self)?;
        loop {
            let Some((_, how)) = signs.iter().find(|(s, _)| matches!(self.peek(), Some(Token::Sign(t)) if t == s)) else { return Ok(left) };
            if *how == Arithmetic::Remainder && self.spelling != Spelling::Sql {
                return Err("`%` is refused: its sign differs between Python and SQL".to_owned());
            }
            self.at += 1;
            match (left, next(self)?) {
                (Part::Term(a), Part::Term(b)) => left = Part::Term(Term::Arithmetic(Box::new(a), *how, Box::new(b))),
                _ => return Err("a comparison stands where a number is expected".to_owned()),
            }
        }
    }

    fn unary(&mut self) -> Parsed<Part> {
        self.deeper(Parser::unary_within)
    }

    fn unary_within(&mut self) -> Parsed<Part> {
        if self.sign("-") {
            return match self.unary()? {
                Part::Term(Term::Value(Value::Int(n))) => Ok(Part::Term(Term::Value(Value::Int(n.saturating_neg())))),
                Part::Term(Term::Value(Value::Float(x))) => Ok(Part::Term(Term::Value(Value::Float(-x)))),
                Part::Term(term) => {
                    Ok(Part::Term(Term::Arithmetic(Box::new(Term::Value(Value::Int(0))), Arithmetic::Subtract, Box::new(term))))
                }
                Part::Predicate(_) => Err("a comparison has no sign".to_owned()),
            };
        }
        if self.sign("+") {
            return self.unary();
        }
        if self.spelling != Spelling::Sql && self.sign("~") {
            let inner = self.unary()?;
            return Ok(Part::Predicate(Predicate::Not(Box::new(self.predicate(inner)?))));
        }
        let part = self.primary()?;
        self.methods(part)
    }

    /// `.isnull()` and the like behind a column.
    fn methods(&mut self, part: Part) -> Parsed<Part> {
        if self.spelling == Spelling::Sql || !self.sign(".") {
            return Ok(part);
        }
        let Part::Term(term) = part else { return Err("a method of a condition is refused".to_owned()) };
        let Some(Token::Name(name, false)) = self.peek().cloned() else { return Err(self.unexpected("a method")) };
        self.at += 1;
        let negate = match name.to_ascii_lowercase().as_str() {
            "isnull" | "isna" => false,
            "notnull" | "notna" => true,
            _ => return Err(format!("`.{name}` is refused: .isnull(), .isna(), .notnull() and .notna() are understood")),
        };
        self.need("(")?;
        self.need(")")?;
        Ok(Part::Predicate(Predicate::IsNull(term, negate)))
    }

    fn primary(&mut self) -> Parsed<Part> {
        let Some((token, _)) = self.tokens.get(self.at) else { return Err(self.unexpected("a column or a value")) };
        match token.clone() {
            Token::Number(text) => {
                self.at += 1;
                let value = match text.parse::<i64>() {
                    Ok(whole) => Value::Int(whole),
                    Err(_) => Value::Float(text.parse::<f64>().map_err(|_| format!("`{text}` is not a number"))?),
                };
                Ok(Part::Term(Term::Value(value)))
            }
            Token::Text(text) => {
                self.at += 1;
                Ok(Part::Term(Term::Value(Value::Text(text))))
            }
            Token::Sign("(") => {
                self.at += 1;
                let part = self.any()?;
                self.need(")")?;
                Ok(part)
            }
            Token::Name(name, quoted) => self.named(name, quoted),
            Token::Sign(_) => Err(self.unexpected("a column or a value")),
        }
    }

    fn named(&mut self, name: String, quoted: bool) -> Parsed<Part> {
        let lower = name.to_ascii_lowercase();
        if !quoted && self.spelling == Spelling::Old && name == "col" {
            self.at += 1;
            return self.old_column();
        }
        let python = self.spelling != Spelling::Sql;
        let constant = match lower.as_str() {
            "true" if !quoted && (!python || name == "True") => Some(true),
            "false" if !quoted && (!python || name == "False") => Some(false),
            _ => None,
        };
        if let Some(flag) = constant {
            self.at += 1;
            return Ok(Part::Term(Term::Value(Value::Bool(flag))));
        }
        if !quoted && !python && lower == "null" {
            return Err("a comparison with NULL is never true: write `IS NULL`".to_owned());
        }
        if !quoted && RESERVED.contains(&lower.as_str()) && (!python || name == lower) {
            return Err(self.unexpected("a column or a value"));
        }
        let called = matches!(self.tokens.get(self.at + 1), Some((Token::Sign("("), _)));
        if !quoted && called {
            return self.call(&lower);
        }
        if self.spelling == Spelling::Old {
            return Err(self.unexpected("`col(\"..\")` or a value"));
        }
        self.at += 1;
        let mut column = name;
        if self.spelling == Spelling::Sql && self.sign(".") {
            let Some(Token::Name(inner, _)) = self.peek().cloned() else { return Err(self.unexpected("a column")) };
            if self.table.is_none_or(|table| table != column) {
                return Err(format!("`{column}.{inner}` is refused: only columns of the checked table are there"));
            }
            self.at += 1;
            column = inner;
        }
        Ok(Part::Term(Term::Column(column)))
    }

    /// `("x")` behind `col`.
    fn old_column(&mut self) -> Parsed<Part> {
        self.need("(")?;
        let Some(Token::Text(name)) = self.peek().cloned() else { return Err(self.unexpected("a column in quotes")) };
        self.at += 1;
        self.need(")")?;
        Ok(Part::Term(Term::Column(name)))
    }

    fn call(&mut self, name: &str) -> Parsed<Part> {
        let function = match name {
            "abs" => Function::Abs,
            "length" | "char_length" | "len" if self.spelling == Spelling::Sql => Function::Length,
            "lower" if self.spelling == Spelling::Sql => Function::Lower,
            "upper" if self.spelling == Spelling::Sql => Function::Upper,
            "trim" if self.spelling == Spelling::Sql => Function::Trim,
            // A date in suites before 1.0: a text that is compared with instants.
            "date" if self.spelling == Spelling::Old => {
                self.at += 2;
                let value = self.term("a date")?;
                self.need(")")?;
                return Ok(Part::Term(value));
            }
            _ => return Err(format!("function `{name}` is refused: abs, length, lower, upper and trim are understood")),
        };
        self.at += 2;
        let term = self.term("a column or a value")?;
        self.need(")")?;
        Ok(Part::Term(Term::Function(function, Box::new(term))))
    }
}
