//! A small arithmetic language over columns: `+ - * /`, parentheses, numbers, columns and a few functions.
//! No names of its own, no loops, no text: what needs more belongs in a step or in the pipeline.

use serde::{Deserialize, Serialize};

/// Characters in one expression.
pub const EXPRESSION_CHARS_MAX: usize = 2000;
/// Nesting of one expression.
pub const EXPRESSION_DEPTH_MAX: usize = 32;

/// An expression as it was written, with its tree over columns of type `C` (names, later slots).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Expression {
    text: String,
    tree: Tree<String>,
}

/// The tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree<C> {
    Number(f64),
    Column(C),
    Negate(Box<Tree<C>>),
    Binary(Binary, Box<Tree<C>>, Box<Tree<C>>),
    Call(Function, Vec<Tree<C>>),
}

/// An operator with two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
}

/// A named function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// Distance from zero.
    Abs,
    /// The smaller of two.
    Min,
    /// The larger of two.
    Max,
    /// The integer at or below.
    Floor,
    /// The integer at or above.
    Ceil,
    /// Square root.
    Sqrt,
    /// Natural logarithm.
    Ln,
    /// e to the power.
    Exp,
}

impl Function {
    /// Every function: name, number of arguments.
    pub const ALL: [(&'static str, Function, usize); 8] = [
        ("abs", Function::Abs, 1),
        ("min", Function::Min, 2),
        ("max", Function::Max, 2),
        ("floor", Function::Floor, 1),
        ("ceil", Function::Ceil, 1),
        ("sqrt", Function::Sqrt, 1),
        ("ln", Function::Ln, 1),
        ("exp", Function::Exp, 1),
    ];
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// What is wrong with it and at which character.
    pub fn parse(text: &str) -> Result<Expression, String> {
        if text.chars().count() > EXPRESSION_CHARS_MAX {
            return Err(format!("expression is longer than {EXPRESSION_CHARS_MAX} characters: split it into steps"));
        }
        let mut parser = Parser { text, at: 0 };
        let tree = parser.sum(0)?;
        parser.blank();
        if parser.at < text.len() {
            return Err(parser.wrong("an operator or the end"));
        }
        Ok(Expression { text: text.to_owned(), tree })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The columns that it reads, in the order of their first use.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let mut found = Vec::new();
        self.tree.visit(&mut |name| {
            if !found.contains(&name.as_str()) {
                found.push(name.as_str());
            }
        });
        found
    }

    pub(super) fn tree(&self) -> &Tree<String> {
        &self.tree
    }
}

impl TryFrom<String> for Expression {
    type Error = String;
    fn try_from(text: String) -> Result<Expression, String> {
        Expression::parse(&text)
    }
}

impl From<Expression> for String {
    fn from(expression: Expression) -> String {
        expression.text
    }
}

impl<C> Tree<C> {
    fn visit<'t>(&'t self, seen: &mut impl FnMut(&'t C)) {
        match self {
            Tree::Number(_) => {}
            Tree::Column(c) => seen(c),
            Tree::Negate(a) => a.visit(seen),
            Tree::Binary(_, a, b) => {
                a.visit(seen);
                b.visit(seen);
            }
            Tree::Call(_, of) => of.iter().for_each(|a| a.visit(seen)),
        }
    }

    /// The same tree over other columns.
    pub(super) fn map<D>(&self, to: &impl Fn(&C) -> Option<D>) -> Option<Tree<D>> {
        Some(match self {
            Tree::Number(x) => Tree::Number(*x),
            Tree::Column(c) => Tree::Column(to(c)?),
            Tree::Negate(a) => Tree::Negate(Box::new(a.map(to)?)),
            Tree::Binary(op, a, b) => Tree::Binary(*op, Box::new(a.map(to)?), Box::new(b.map(to)?)),
            Tree::Call(f, of) => Tree::Call(*f, of.iter().map(|a| a.map(to)).collect::<Option<_>>()?),
        })
    }

    /// The value, where `value` gives that of a column; its error (a missing value) ends the evaluation.
    pub(super) fn evaluate<E>(&self, value: &impl Fn(&C) -> Result<f64, E>) -> Result<f64, E> {
        Ok(match self {
            Tree::Number(x) => *x,
            Tree::Column(c) => value(c)?,
            Tree::Negate(a) => -a.evaluate(value)?,
            Tree::Binary(op, a, b) => {
                let (a, b) = (a.evaluate(value)?, b.evaluate(value)?);
                match op {
                    Binary::Add => a + b,
                    Binary::Subtract => a - b,
                    Binary::Multiply => a * b,
                    Binary::Divide => a / b,
                }
            }
            Tree::Call(f, of) => {
                let mut x = [0.0; 2];
                for (slot, argument) in x.iter_mut().zip(of) {
                    *slot = argument.evaluate(value)?;
                }
                call(*f, x)
            }
        })
    }
}

fn call(function: Function, [a, b]: [f64; 2]) -> f64 {
    match function {
        Function::Abs => libm::fabs(a),
        Function::Min => a.min(b),
        Function::Max => a.max(b),
        Function::Floor => libm::floor(a),
        Function::Ceil => libm::ceil(a),
        Function::Sqrt => libm::sqrt(a),
        Function::Ln => libm::log(a),
        Function::Exp => libm::exp(a),
    }
}

/// Recursive descent; `depth` bounds the recursion.
struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn blank(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn take(&mut self, wanted: char) -> bool {
        self.blank();
        let found = self.rest().starts_with(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn wrong(&self, expected: &str) -> String {
        let place = self.text.get(..self.at).map_or(0, |before| before.chars().count()) + 1;
        match self.rest().chars().next() {
            Some(c) => format!("expected {expected} at character {place}, got `{c}`"),
            None => format!("expected {expected} at character {place}, got the end"),
        }
    }

    fn sum(&mut self, depth: usize) -> Result<Tree<String>, String> {
        let mut left = self.product(depth)?;
        let mut chain = depth;
        loop {
            let op = if self.take('+') {
                Binary::Add
            } else if self.take('-') {
                Binary::Subtract
            } else {
                return Ok(left);
            };
            chain += 1;
            deep(chain)?;
            left = Tree::Binary(op, Box::new(left), Box::new(self.product(depth)?));
        }
    }

    fn product(&mut self, depth: usize) -> Result<Tree<String>, String> {
        let mut left = self.unary(depth)?;
        let mut chain = depth;
        loop {
            let op = if self.take('*') {
                Binary::Multiply
            } else if self.take('/') {
                Binary::Divide
            } else {
                return Ok(left);
            };
            chain += 1;
            deep(chain)?;
            left = Tree::Binary(op, Box::new(left), Box::new(self.unary(depth)?));
        }
    }

    fn unary(&mut self, depth: usize) -> Result<Tree<String>, String> {
        deep(depth)?;
        if self.take('-') {
            return Ok(Tree::Negate(Box::new(self.unary(depth + 1)?)));
        }
        if self.take('(') {
            let inner = self.sum(depth + 1)?;
            return if self.take(')') { Ok(inner) } else { Err(self.wrong("`)`")) };
        }
        self.blank();
        match self.rest().chars().next() {
            Some(c) if c.is_ascii_digit() || c == '.' => self.number(),
            Some(c) if c.is_alphabetic() || c == '_' => self.name_or_call(depth),
            Some('`') => self.quoted(),
            _ => Err(self.wrong("a number, a column, a function, `-` or `(`")),
        }
    }

    fn number(&mut self) -> Result<Tree<String>, String> {
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let exponent_sign = |i: usize| i > 0 && matches!(bytes.get(i - 1), Some(b'e' | b'E'));
        let length = bytes
            .iter()
            .enumerate()
            .position(|(i, &b)| match b {
                b'0'..=b'9' | b'.' | b'e' | b'E' => false,
                b'+' | b'-' => !exponent_sign(i),
                _ => true,
            })
            .unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or_default();
        let number = word.parse::<f64>().ok().filter(|x| x.is_finite()).ok_or_else(|| self.wrong("a finite number"))?;
        self.at += length;
        Ok(Tree::Number(number))
    }

    fn name_or_call(&mut self, depth: usize) -> Result<Tree<String>, String> {
        let rest = self.rest();
        let length = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.')).unwrap_or(rest.len());
        let name = rest.get(..length).unwrap_or_default().to_owned();
        self.at += length;
        if !self.take('(') {
            return Ok(Tree::Column(name));
        }
        let known = Function::ALL.into_iter().find(|(known, ..)| *known == name);
        let Some((_, function, wanted)) = known else {
            let all: Vec<_> = Function::ALL.iter().map(|(name, ..)| *name).collect();
            return Err(format!("there is no function `{name}`: there are {}", all.join(", ")));
        };
        let mut arguments = vec![self.sum(depth + 1)?];
        while self.take(',') {
            arguments.push(self.sum(depth + 1)?);
        }
        if !self.take(')') {
            return Err(self.wrong("`,` or `)`"));
        }
        if arguments.len() != wanted {
            return Err(format!("function `{name}` takes {wanted} arguments, got {}", arguments.len()));
        }
        Ok(Tree::Call(function, arguments))
    }

    fn quoted(&mut self) -> Result<Tree<String>, String> {
        let inner = self.rest().get(1..).unwrap_or_default();
        let Some(end) = inner.find('`') else { return Err(self.wrong("a column between two backticks")) };
        let name = inner.get(..end).unwrap_or_default().to_owned();
        self.at += end + 2;
        Ok(Tree::Column(name))
    }
}

/// A chain of operators makes a tree as deep as it is long, so it counts like nesting.
fn deep(depth: usize) -> Result<(), String> {
    if depth > EXPRESSION_DEPTH_MAX {
        return Err(format!("expression nests or chains deeper than {EXPRESSION_DEPTH_MAX}: split it into steps"));
    }
    Ok(())
}
